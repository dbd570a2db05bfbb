"""Patches are squares of tissue in um."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from molf_engine.errors import NoTissueError, SlideError
from molf_engine.slides import TissueMask, open_slide, patch_grid, patches_at, read_patch
from molf_engine.slides.reading import choose_level

from .conftest import marked_image


def _full(width: int = 1001, height: int = 747) -> TissueMask:
    return TissueMask(np.ones((height, width), bool), (1.0, 1.0))


def test_the_grid_begins_at_the_corner_and_covers_the_slide(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        patches = patch_grid(slide, 50, min_tissue=0)
    grid = patches.grid
    assert grid is not None and patches.size_px == 100 and grid.stride_px == 100
    assert grid.origin == (50, 50) and grid.shape == (8, 11)
    assert len(patches) == 88 and patches.names[:2] == ("0_0", "1_0") and patches.names[-1] == "10_7"
    assert (patches.centres.max(axis=0) + 50 >= (1001, 747)).all()
    expected = np.stack([50 + 100 * patches.cols, 50 + 100 * patches.rows], axis=1)
    np.testing.assert_allclose(patches.centres, expected)
    np.testing.assert_allclose(patches.positions_um, expected * 0.5)


def test_a_slide_that_divides_evenly_gets_no_empty_column(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, marked_image(1000, 500), resolution=(20_000, 20_000), resolutionunit=3)
    with open_slide(path) as slide:
        assert patch_grid(slide, 50, min_tissue=0).grid.shape == (5, 10)


def test_stride_makes_patches_overlap(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        patches = patch_grid(slide, 50, stride_um=25, mask=_full())
    assert patches.grid is not None and patches.grid.stride_px == 50 and patches.size_px == 100
    assert np.diff(np.unique(patches.centres[:, 0])).max() == 50


def test_only_patches_on_tissue_are_kept(marked_slide: Path) -> None:
    mask = np.zeros((75, 100), bool)
    mask[20:30, 35:60] = True
    with open_slide(marked_slide) as slide:
        tissue = TissueMask(mask, (1001 / 100, 747 / 75))
        half = patch_grid(slide, 50, mask=tissue)
        any_tissue = patch_grid(slide, 50, mask=tissue, min_tissue=0.01)
    assert set(half.names) == {"4_2", "5_2"} or set(half.names) == {"3_2", "4_2", "5_2"}
    assert set(half.names) < set(any_tissue.names)


def test_patches_of_a_region_are_those_of_the_whole_slide(marked_slide: Path) -> None:
    triangle = np.array([(100, 100), (700, 100), (100, 600)])
    with open_slide(marked_slide) as slide:
        whole = patch_grid(slide, 50, mask=_full())
        part = patch_grid(slide, 50, mask=_full(), regions=[triangle])
    inside = (whole.centres >= 100).all(axis=1) & (
        (whole.centres[:, 0] - 100) / 600 + (whole.centres[:, 1] - 100) / 500 < 1
    )
    assert part.names == whole.subset(inside).names
    assert part.grid == whole.grid


def test_patches_in_two_regions_count_once(marked_slide: Path) -> None:
    square = np.array([(100, 100), (400, 100), (400, 400), (100, 400)])
    with open_slide(marked_slide) as slide:
        once = patch_grid(slide, 50, mask=_full(), regions=[square])
        twice = patch_grid(slide, 50, mask=_full(), regions=[square, square + 50])
    assert len(once) == 9 and len(set(twice.names)) == len(twice) > len(once)


def test_no_tissue_and_empty_regions_say_which(marked_slide: Path) -> None:
    blank = TissueMask(np.zeros((10, 10), bool), (100.1, 74.7))
    tiny = np.array([(101, 101), (103, 101), (102, 103)])
    with open_slide(marked_slide) as slide:
        with pytest.raises(NoTissueError, match="no tissue was found: "):
            patch_grid(slide, 50, mask=blank)
        with pytest.raises(NoTissueError, match="Draw larger regions"):
            patch_grid(slide, 50, regions=[tiny], mask=_full())
        with pytest.raises(NoTissueError, match="inside the regions"):
            patch_grid(
                slide, 50, regions=[tiny * 3 - 200, tiny + np.array([(-100, -100), (400, 0), (0, 400)])], mask=blank
            )


@pytest.mark.parametrize("size", [0, -5, float("nan")])
def test_nonsense_sizes_are_refused(marked_slide: Path, size: float) -> None:
    with open_slide(marked_slide) as slide:
        with pytest.raises(SlideError, match="patch size"):
            patch_grid(slide, size)
        with pytest.raises(SlideError, match="stride"):
            patch_grid(slide, 50, stride_um=size)


def test_a_line_is_no_region(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide, pytest.raises(SlideError, match="Region 1 is not a polygon"):
        patch_grid(slide, 50, regions=[np.array([(0, 0), (5, 5)])], mask=_full())


def test_free_positions_keep_their_names(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        patches = patches_at(slide, np.array([(10.5, 20.25), (900, 700)]), 50, ["AAAC-1", "AAAG-1"])
        unnamed = patches_at(slide, np.array([(10.5, 20.25)]), 50)
    assert patches.names == ("AAAC-1", "AAAG-1") and patches.grid is None
    assert (patches.rows == -1).all() and (patches.cols == -1).all()
    np.testing.assert_array_equal(patches.centres[0], (10.5, 20.25))
    assert unnamed.names == ("p0",)


def test_bad_positions_are_refused(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        with pytest.raises(SlideError, match=r"1 of 2 positions are not on the slide.*x 5000"):
            patches_at(slide, np.array([(10, 20), (5000, 20)]), 50)
        with pytest.raises(SlideError, match="not on the slide"):
            patches_at(slide, np.array([(10, np.nan)]), 50)
        with pytest.raises(SlideError, match="'a' stands for more than one"):
            patches_at(slide, np.array([(10, 20), (30, 40)]), 50, ["a", "a"])
        with pytest.raises(SlideError, match="1 names for 2"):
            patches_at(slide, np.array([(10, 20), (30, 40)]), 50, ["a"])
        with pytest.raises(SlideError, match="table of x, y"):
            patches_at(slide, np.empty((0, 2)), 50)


def test_a_patch_at_full_resolution_is_the_file(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        patch = read_patch(slide, (300, 200), 50, 100)
        np.testing.assert_array_equal(patch, slide.read_region(250, 150, 100, 100))


@pytest.mark.parametrize(("size_um", "size_px"), [(112.0, 112), (100.0, 37), (60.0, 224), (200.0, 50)])
def test_a_patch_shows_its_place_at_any_scale(marked_slide: Path, size_um: float, size_px: int) -> None:
    centre = (523.4, 391.7)
    with open_slide(marked_slide) as slide:
        patch = read_patch(slide, centre, size_um, size_px).astype(float)
    assert patch.shape == (size_px, size_px, 3)
    # Red and green grow by 255 over the slide: their mean and slope tell where the patch lies, to a fraction of a pixel.
    assert patch[..., 0].mean() == pytest.approx((centre[0] - 0.5) * 255 / 1000 - 0.5, abs=0.7)
    assert patch[..., 1].mean() == pytest.approx((centre[1] - 0.5) * 255 / 746 - 0.5, abs=0.7)
    across = patch[..., 0].mean(axis=0)
    assert across[-1] - across[0] == pytest.approx(255 / 1000 * size_um / 0.5 * (size_px - 1) / size_px, rel=0.05)


def test_a_patch_beyond_the_border_is_white_there(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        patch = read_patch(slide, (0, 200), 50, 100)
    assert (patch[:, :49] == 255).all() and (patch[:, 52:] < 255).any()


def test_the_level_is_fine_enough_and_not_needlessly_fine(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        # Levels of 0.5, 1.0 and 2.0 um per pixel.
        assert [choose_level(slide, wanted) for wanted in (0.25, 0.5, 0.99, 1.5, 2.0, 3.9, 20.0)] == [
            0,
            0,
            0,
            1,
            1,
            2,
            2,
        ]


def test_every_measured_spot_of_a_real_section_can_be_read(shared_data: Path) -> None:
    import anndata

    spots = anndata.read_h5ad(shared_data / "her2st/st/HER2ST_C6.h5ad").obsm["spatial"]
    with open_slide(shared_data / "her2st/wsis/HER2ST_C6.tif") as slide:
        patches = patches_at(slide, spots, 112)
        darkest = [read_patch(slide, centre, 112, 56).mean() for centre in patches.centres]
    assert len(patches) == 178 and max(darkest) < 225

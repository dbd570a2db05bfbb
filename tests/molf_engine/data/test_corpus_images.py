"""Spots that come with an image, as HEST-1k has them in ``patches/``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from molf_engine.data.spots import Spots
from molf_engine.encoders import FeatureCache
from molf_engine.errors import DataError
from molf_engine.slides import Slide

from .hest_files import (
    PANEL,
    SIDE_PX,
    SPOTS,
    PatchColour,
    barcodes_of,
    prepare,
    recipe,
    write_metadata,
    write_patches,
    write_section,
)


def read(folder: Path, **options: object) -> Spots:
    corpus = prepare(folder / "hest", folder / "c.zarr", **options).corpus
    return corpus.read(corpus.sections()[0], PANEL)


def test_images_are_encoded_as_they_are_by_barcode_and_no_slide_is_needed(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    images = write_patches(tmp_path / "hest", "A")
    spots = read(tmp_path)
    assert spots.expression.names == tuple(barcodes_of(0))
    np.testing.assert_array_equal(spots.features, PatchColour().encode(images))


def test_coordinates_do_where_there_are_no_barcodes(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    images = write_patches(tmp_path / "hest", "A", barcode=None)
    np.testing.assert_array_equal(read(tmp_path).features, PatchColour().encode(images))


def test_barcodes_do_where_there_are_no_coordinates(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    images = write_patches(tmp_path / "hest", "A", coords=False)
    np.testing.assert_array_equal(read(tmp_path).features, PatchColour().encode(images))


def test_a_smaller_field_is_the_middle_of_the_image(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    images = np.zeros((SPOTS, SIDE_PX, SIDE_PX, 3), np.uint8)
    images[:, 48:176, 48:176] = 200
    write_patches(tmp_path / "hest", "A", img=images)
    inner = PatchColour(field_um=56.0, field_px=32)
    np.testing.assert_allclose(read(tmp_path, encoder=inner).features[:, 0], 200 / 255, rtol=1e-6)


def test_spots_without_an_image_are_cut_from_the_slide(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A")
    from_slide = read(tmp_path).features
    images = write_patches(tmp_path / "hest", "A", keep=slice(0, 5))
    report = prepare(tmp_path / "hest", tmp_path / "d.zarr")
    features = report.corpus.read(report.corpus.sections()[0], PANEL).features
    from_image = (features == PatchColour().encode(images)).all(axis=1)
    assert from_image.sum() == 5
    np.testing.assert_array_equal(features[~from_image], from_slide[~from_image])
    assert report.notes["A"] == ("7 of 12 spots cut from the slide: they have no ready-cut image",)


def test_without_a_slide_spots_without_an_image_are_left_out_and_counted(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    write_patches(tmp_path / "hest", "A", keep=slice(0, 5))
    spots = read(tmp_path)
    assert (len(spots.features), spots.expression.left_out) == (5, 7)


def wrong_barcodes(folder: Path) -> None:
    write_patches(folder, "A", barcode=np.array([f"TTTT{i:05d}-1" for i in range(SPOTS)], "S"))


def another_section(folder: Path) -> None:
    # Slides of one design share their barcodes: only the places tell.
    write_patches(folder, "A", centres_of=5)


def no_names(folder: Path) -> None:
    write_patches(folder, "A", barcode=None, coords=False)


def truncated(folder: Path) -> None:
    write_patches(folder, "A")
    path = folder / "patches" / "A.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def not_images(folder: Path) -> None:
    write_patches(folder, "A", img=np.zeros((SPOTS, 8, 8, 4), np.uint8))


BROKEN = [
    (wrong_barcodes, "none of its 12 barcodes, such as TTTT.*AAAC"),
    (another_section, "do not lie at the spots"),
    (no_names, "neither `barcode` nor `coords`"),
    (truncated, "cannot be read as HDF5"),
    (not_images, "no dataset `img`"),
]


@pytest.mark.parametrize(("spoil", "reason"), BROKEN)
def test_images_that_are_not_the_spots_break_a_section_without_a_slide(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    write_section(tmp_path / "hest", "A", slide=False)
    spoil(tmp_path / "hest")
    with pytest.raises(DataError, match=reason):
        read(tmp_path)


@pytest.mark.parametrize(("spoil", "reason"), BROKEN)
def test_with_a_slide_they_are_passed_over_and_it_is_said(
    spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    write_section(tmp_path / "hest", "A")
    expected = read(tmp_path).features
    spoil(tmp_path / "hest")
    report = prepare(tmp_path / "hest", tmp_path / "d.zarr")
    corpus = report.corpus
    np.testing.assert_array_equal(corpus.read(corpus.sections()[0], PANEL).features, expected)
    assert "cut from the slide" in report.notes["A"][0]


def test_an_encoder_that_looks_further_than_the_images_needs_the_slide(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", patches=True, slide=False)
    wide = PatchColour(field_um=448.0, field_px=64)
    with pytest.raises(DataError, match="images show 112 um of tissue, the encoder looks at 448 um"):
        read(tmp_path, encoder=wide)
    write_section(tmp_path / "hest", "A", patches=True)
    assert len(read(tmp_path, encoder=wide).features) == SPOTS


def test_images_are_not_encoded_twice_after_a_run_that_did_not_end(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", patches=True, slide=False)
    cache = FeatureCache(tmp_path / "cache")
    first, second = PatchColour(), PatchColour()
    prepare(tmp_path / "hest", tmp_path / "a.zarr", encoder=first, cache=cache)
    prepare(tmp_path / "hest", tmp_path / "b.zarr", encoder=second, cache=cache)
    assert (first.total, second.total) == (SPOTS, 0)


def test_the_scale_comes_from_the_metadata_where_there_is_no_slide(tmp_path: Path) -> None:
    write_section(tmp_path / "hest", "A", patches=True, slide=False)
    spots = read(tmp_path)
    np.testing.assert_array_equal(spots.positions_um, spots.expression.positions * 0.5)
    write_metadata(tmp_path / "hest", "A", pixel_size_um_estimated=None)
    with pytest.raises(DataError, match="do not say how many um a pixel is"):
        prepare(tmp_path / "hest", tmp_path / "d.zarr", recipe=recipe())


def test_an_encoder_that_measures_the_slide_sees_the_colours_of_its_images(tmp_path: Path) -> None:
    class Measuring(PatchColour):
        def for_slide(self, slide: Slide) -> PatchColour:
            level = slide.levels[0]
            shown = slide.read_region(0, 0, level.width, level.height)
            self.seen = np.unique(shown.reshape(-1, 3), axis=0)
            return self

    write_section(tmp_path / "hest", "A", slide=False)
    images = np.full((SPOTS, SIDE_PX, SIDE_PX, 3), (200, 120, 160), np.uint8)
    write_patches(tmp_path / "hest", "A", img=images)
    encoder = Measuring()
    read(tmp_path, encoder=encoder)
    np.testing.assert_array_equal(encoder.seen, [(200, 120, 160), (255, 255, 255)])

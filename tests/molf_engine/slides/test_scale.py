"""Um per pixel: from the file, from the user, or not at all; never made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from molf_engine.errors import MissingScaleError, SlideError
from molf_engine.slides import guess_um_per_pixel, open_slide, patch_grid

from .conftest import marked_image

IMAGE = marked_image(60, 40)


def _tiff(folder: Path, **options: object) -> Path:
    path = folder / "slide.tif"
    tifffile.imwrite(path, IMAGE, photometric="rgb", **options)
    return path


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [((20_000, 20_000), "CENTIMETER", 0.5), ((50_800, 50_800), "INCH", 0.5)],
)
def test_resolution_tags_are_read(tmp_path: Path, resolution: tuple[int, int], unit: str, expected: float) -> None:
    with open_slide(_tiff(tmp_path, resolution=resolution, resolutionunit=unit)) as slide:
        assert slide.um_per_pixel == pytest.approx(expected)
        assert slide.um_per_pixel_source == "file"


@pytest.mark.parametrize("dots", [72, 96, 150, 300])
def test_dots_per_inch_of_a_printer_are_no_scale(tmp_path: Path, dots: int) -> None:
    with open_slide(_tiff(tmp_path, resolution=(dots, dots), resolutionunit="INCH")) as slide:
        assert slide.um_per_pixel is None and slide.um_per_pixel_source == "unknown"
    Image.fromarray(IMAGE).save(tmp_path / "picture.png", dpi=(dots, dots))
    with open_slide(tmp_path / "picture.png") as slide:
        assert slide.um_per_pixel is None


@pytest.mark.parametrize(("size", "unit"), [(0.25, "µm"), (250, "nm"), (0.00025, "mm")])
def test_ome_metadata_wins_in_any_unit(tmp_path: Path, size: float, unit: str) -> None:
    path = tmp_path / "slide.ome.tif"
    metadata = {"PhysicalSizeX": size, "PhysicalSizeXUnit": unit, "PhysicalSizeY": size, "PhysicalSizeYUnit": unit}
    tifffile.imwrite(path, IMAGE, photometric="rgb", resolution=(20_000, 20_000), resolutionunit=3, metadata=metadata)
    with open_slide(path) as slide:
        assert slide.um_per_pixel == pytest.approx(0.25)


def test_an_aperio_description_is_read_where_there_is_no_resolution(tmp_path: Path) -> None:
    path = _tiff(tmp_path, description="converted|AppMag = 40|MPP = 0.2525", metadata=None)
    with open_slide(path) as slide:
        assert slide.um_per_pixel == pytest.approx(0.2525)
        assert guess_um_per_pixel(slide) == 0.25


def test_imagej_microns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    tifffile.imwrite(path, IMAGE, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "micron"})
    with open_slide(path) as slide:
        assert slide.um_per_pixel == pytest.approx(0.5)


def test_the_given_value_overrides_the_file(shared_data: Path) -> None:
    with open_slide(shared_data / "slides/CMU-1-Small-Region.svs", um_per_pixel=0.25) as slide:
        assert slide.um_per_pixel == 0.25 and slide.um_per_pixel_source == "given"


@pytest.mark.parametrize("given", [0, -0.5, 101, float("nan"), float("inf")])
def test_nonsense_is_refused(marked_slide: Path, given: float) -> None:
    with pytest.raises(SlideError, match=r"um per pixel cannot be .*20x scan has about 0.5"):
        open_slide(marked_slide, um_per_pixel=given)


def test_pixels_that_are_not_square_are_refused_unless_overruled(tmp_path: Path) -> None:
    path = _tiff(tmp_path, resolution=(20_000, 10_000), resolutionunit="CENTIMETER")
    with pytest.raises(SlideError, match=r"not square .*--um-per-pixel"):
        open_slide(path)
    with open_slide(path, um_per_pixel=0.5) as slide:
        assert slide.um_per_pixel == 0.5


def test_without_a_scale_patches_name_the_option(shared_data: Path) -> None:
    with open_slide(shared_data / "slides/TCGA-CR-7395-01A-01-TS1.svs") as slide:
        assert guess_um_per_pixel(slide) is None
        with pytest.raises(MissingScaleError, match="--um-per-pixel"):
            patch_grid(slide, 112)


def test_the_objective_gives_a_guess(shared_data: Path) -> None:
    with open_slide(shared_data / "slides/CMU-1-Small-Region.svs") as slide:
        assert guess_um_per_pixel(slide) == 0.5


def test_um_per_pixel_of_nothing_but_white_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "white.tif"
    tifffile.imwrite(path, np.full((50, 50, 3), 255, np.uint8), resolution=(10_000, 10_000), resolutionunit=3)
    with open_slide(path) as slide:
        assert slide.um_per_pixel == 1.0

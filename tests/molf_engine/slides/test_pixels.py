"""Grey, transparent, deep and damaged pixels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from molf_engine.errors import SlideError
from molf_engine.slides import open_slide
from molf_engine.slides.pixels import on_background

from .conftest import marked_image, write_pyramid

IMAGE = marked_image(300, 200)
SMALL = "slides/CMU-1-Small-Region.svs"


def _read(path: Path) -> np.ndarray:
    with open_slide(path) as slide:
        return slide.read_region(0, 0, slide.levels[0].width, slide.levels[0].height)


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_transparency_becomes_white_not_black(tmp_path: Path, ending: str) -> None:
    alpha = np.full(IMAGE.shape[:2], 255, np.uint8)
    alpha[:, :100], alpha[:, 100:150] = 0, 128
    rgba = np.dstack([IMAGE, alpha])
    path = tmp_path / f"slide.{ending}"
    if ending == "tif":
        tifffile.imwrite(path, rgba, photometric="rgb", extrasamples=["unassalpha"], tile=(64, 64))
    else:
        Image.fromarray(rgba).save(path)
    shown = _read(path)
    assert (shown[:, :100] == 255).all()
    np.testing.assert_array_equal(shown[:, 150:], IMAGE[:, 150:])
    mixed = IMAGE[:, 100:150] * (128 / 255) + 255 * (1 - 128 / 255)
    np.testing.assert_allclose(shown[:, 100:150], mixed, atol=1)


def test_premultiplied_colour_is_not_darkened_twice(tmp_path: Path) -> None:
    alpha = np.full(IMAGE.shape[:2], 128, np.uint8)
    rgba = np.dstack([(IMAGE * (128 / 255)).astype(np.uint8), alpha])
    tifffile.imwrite(tmp_path / "slide.tif", rgba, photometric="rgb", extrasamples=["assocalpha"], tile=(64, 64))
    np.testing.assert_allclose(_read(tmp_path / "slide.tif"), IMAGE * (128 / 255) + 255 * (127 / 255), atol=2)


def test_compositing_uses_the_background_of_the_slide() -> None:
    clear = np.zeros((2, 2, 4), np.uint8)
    assert (on_background(clear, (10, 20, 30)) == (10, 20, 30)).all()


@pytest.mark.parametrize("bits", [12, 16])
def test_deep_pixels_are_scaled_by_their_depth(tmp_path: Path, bits: int) -> None:
    top = 2**bits - 1
    deep = (IMAGE.astype(np.float64) / 255 * top).astype(np.uint16)
    deep[150:, 150:] = top
    expected = IMAGE.copy()
    expected[150:, 150:] = 255
    write_pyramid(tmp_path / "slide.tif", deep, subifds=False)
    np.testing.assert_allclose(_read(tmp_path / "slide.tif"), expected, atol=1)


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_becomes_rgb(tmp_path: Path, photometric: str) -> None:
    grey = IMAGE[..., 0]
    tifffile.imwrite(tmp_path / "slide.tif", grey, photometric=photometric, tile=(64, 64))
    expected = grey if photometric == "minisblack" else 255 - grey
    np.testing.assert_array_equal(_read(tmp_path / "slide.tif"), np.repeat(expected[..., None], 3, axis=-1))


def test_a_palette_is_applied(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 2**16, (3, 256), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "slide.tif", IMAGE[..., 0], photometric="palette", colormap=colours)
    np.testing.assert_array_equal(_read(tmp_path / "slide.tif"), (colours.T >> 8).astype(np.uint8)[IMAGE[..., 0]])


def test_colour_in_three_pages_is_joined(tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(path, IMAGE.transpose(2, 0, 1), photometric="minisblack", metadata={"axes": "CYX"}, tile=(64, 64))
    np.testing.assert_array_equal(_read(path), IMAGE)


def test_of_a_stack_the_first_plane_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(path, np.stack([IMAGE, 255 - IMAGE]), photometric="rgb", metadata={"axes": "ZYXS"})
    np.testing.assert_array_equal(_read(path), IMAGE)


def test_fluorescence_is_refused_with_the_number_of_channels(tmp_path: Path) -> None:
    path = tmp_path / "slide.ome.tif"
    tifffile.imwrite(path, np.zeros((5, 40, 40), np.uint16), photometric="minisblack", metadata={"axes": "CYX"})
    with pytest.raises(SlideError, match=r"5 channels.*export it as RGB"):
        open_slide(path)


def test_a_broken_tile_is_an_error_of_its_region_alone(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / SMALL
    with tifffile.TiffFile(source) as tiff:
        page = tiff.pages.first
        start, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(source.read_bytes())
    content[start : start + size] = bytes(size)
    (tmp_path / "damaged.svs").write_bytes(content)
    with open_slide(tmp_path / "damaged.svs") as slide, open_slide(source) as whole:
        for _ in range(2):
            with pytest.raises(SlideError, match=r"level 0.*damaged"):
                slide.read_region(0, 0, 50, 50)
            np.testing.assert_array_equal(slide.read_region(1000, 1000, 50, 50), whole.read_region(1000, 1000, 50, 50))


def test_a_broken_tile_of_a_tiff_is_an_error_of_its_region_alone(tmp_path: Path) -> None:
    path = write_pyramid(tmp_path / "slide.tif", IMAGE, subifds=False)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, size = page.dataoffsets[0], page.databytecounts[0]
    content = bytearray(path.read_bytes())
    content[start : start + size] = b"\xff" * size
    path.write_bytes(content)
    with open_slide(path) as slide:
        with pytest.raises(SlideError, match="damaged"):
            slide.read_region(0, 0, 50, 50)
        np.testing.assert_array_equal(slide.read_region(130, 0, 100, 100), IMAGE[:100, 130:230])


def test_the_unscanned_part_of_a_scan_takes_its_background_colour(
    monkeypatch: pytest.MonkeyPatch, shared_data: Path
) -> None:
    from molf_engine.slides.openslide_backend import OpenSlideSlide

    slide = OpenSlideSlide(shared_data / SMALL)
    half = np.zeros((10, 10, 4), np.uint8)
    half[:, 5:] = (90, 40, 120, 255)
    monkeypatch.setattr(slide, "_background", (240, 230, 250))
    monkeypatch.setattr(slide, "_handle", SimpleNamespace(read_region=lambda *_: Image.fromarray(half), close=id))
    shown = slide.read_region(0, 0, 10, 10)
    assert (shown[:, :5] == (240, 230, 250)).all() and (shown[:, 5:] == (90, 40, 120)).all()

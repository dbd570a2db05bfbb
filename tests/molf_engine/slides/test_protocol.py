"""What every slide promises, whichever file it comes from."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from molf_engine.errors import SlideError
from molf_engine.slides import Slide, open_slide

from .conftest import marked_image, write_pyramid

WIDTH, HEIGHT = 501, 377


def _ome_tiff(folder: Path, image: np.ndarray) -> Path:
    return write_pyramid(folder / "slide.ome.tif", image)


def _tiff(folder: Path, image: np.ndarray) -> Path:
    return write_pyramid(folder / "slide.tif", image, subifds=False)


def _strips(folder: Path, image: np.ndarray) -> Path:
    return write_pyramid(folder / "strips.tif", image, levels=1, subifds=False, tile=None, rowsperstrip=50)


def _uncompressed(folder: Path, image: np.ndarray) -> Path:
    return write_pyramid(folder / "flat.tif", image, levels=1, subifds=False, tile=None, compression=None)


def _planes(folder: Path, image: np.ndarray) -> Path:
    path = folder / "planes.tif"
    write_pyramid(path, image.transpose(2, 0, 1), levels=1, subifds=False, planarconfig="separate")
    return path


def _png(folder: Path, image: np.ndarray) -> Path:
    Image.fromarray(image).save(folder / "slide.png")
    return folder / "slide.png"


def _zarr(folder: Path, image: np.ndarray) -> Path:
    path = folder / "slide.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    array = group.create_array("0", shape=(3, *image.shape[:2]), chunks=(1, 100, 100), dtype="u1")
    array[:] = image.transpose(2, 0, 1)
    axes = [{"name": name} for name in "cyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    return path


WRITERS = (_ome_tiff, _tiff, _strips, _uncompressed, _planes, _png, _zarr)
Writer = Callable[[Path, np.ndarray], Path]


@pytest.fixture(params=WRITERS, ids=[writer.__name__.strip("_") for writer in WRITERS])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, np.ndarray]:
    image = marked_image(WIDTH, HEIGHT)
    return request.param(tmp_path, image), image


def test_every_backend_is_a_slide(written: tuple[Path, np.ndarray]) -> None:
    with open_slide(written[0]) as slide:
        assert isinstance(slide, Slide)
        assert slide.path == written[0] and slide.name in ("slide", "strips", "flat", "planes")


@pytest.mark.parametrize("box", [(0, 0, 501, 377), (13, 57, 130, 97), (499, 375, 2, 2), (120, 120, 20, 20)])
def test_level_0_gives_the_pixels_of_the_file(written: tuple[Path, np.ndarray], box: tuple[int, int, int, int]) -> None:
    path, image = written
    x, y, width, height = box
    with open_slide(path) as slide:
        region = slide.read_region(x, y, width, height)
    np.testing.assert_array_equal(region, image[y : y + height, x : x + width])


def test_outside_the_slide_is_white(written: tuple[Path, np.ndarray]) -> None:
    path, image = written
    with open_slide(path) as slide:
        corner = slide.read_region(-10, -20, 30, 50)
        far = slide.read_region(WIDTH - 5, HEIGHT - 5, 12, 9)
        nowhere = slide.read_region(5000, -300, 7, 3)
    assert (corner[:20] == 255).all() and (corner[:, :10] == 255).all()
    np.testing.assert_array_equal(corner[20:, 10:], image[:30, :20])
    np.testing.assert_array_equal(far[:5, :5], image[-5:, -5:])
    assert (far[5:] == 255).all() and (far[:, 5:] == 255).all()
    assert nowhere.shape == (3, 7, 3) and (nowhere == 255).all()


def test_what_is_read_can_be_written_to_without_changing_the_slide(written: tuple[Path, np.ndarray]) -> None:
    with open_slide(written[0]) as slide:
        first = slide.read_region(0, 0, 20, 20)
        expected = first.copy()
        first[:] = 7
        np.testing.assert_array_equal(slide.read_region(0, 0, 20, 20), expected)


def test_many_threads_read_the_same_as_one(written: tuple[Path, np.ndarray]) -> None:
    path, image = written
    boxes = [(x, y) for x in range(0, 450, 37) for y in range(0, 350, 41)]
    with open_slide(path) as slide, ThreadPoolExecutor(8) as pool:
        for (x, y), region in zip(boxes, pool.map(lambda box: slide.read_region(*box, 40, 30), boxes), strict=True):
            expected = image[y : y + 30, x : x + 40]
            np.testing.assert_array_equal(region[: expected.shape[0], : expected.shape[1]], expected)


def test_a_closed_slide_says_so_and_closes_twice(written: tuple[Path, np.ndarray]) -> None:
    slide = open_slide(written[0])
    slide.close()
    slide.close()
    with pytest.raises(SlideError, match="was closed"):
        slide.read_region(0, 0, 5, 5)


def test_downsamples_are_exact_and_coarse_levels_aligned(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        assert [(level.width, level.height) for level in slide.levels] == [(1001, 747), (500, 373), (250, 186)]
        assert slide.levels[1].downsample == (1001 / 500, 747 / 373)
        coarse = slide.read_region(100, 100, 10, 10, 2)
        fine = slide.read_region(400, 400, 40, 40, 0)
        assert abs(coarse.mean(axis=(0, 1)) - fine.mean(axis=(0, 1))).max() < 2


def test_real_scans_read_alike_from_several_threads(shared_data: Path) -> None:
    boxes = [(x, y) for x in range(0, 2000, 300) for y in range(0, 2700, 300)]
    with open_slide(shared_data / "slides/CMU-1-Small-Region.svs") as slide, ThreadPoolExecutor(4) as pool:
        alone = [slide.read_region(*box, 200, 200) for box in boxes]
        together = list(pool.map(lambda box: slide.read_region(*box, 200, 200), boxes))
    np.testing.assert_array_equal(alone, together)


def test_files_without_coarse_levels_get_some_of_the_same_image(tmp_path: Path) -> None:
    path = _png(tmp_path, marked_image(2600, 1300))
    with open_slide(path) as slide:
        sizes = [(level.width, level.height) for level in slide.levels]
        assert sizes[:2] == [(2600, 1300), (1300, 650)]
        coarse = slide.read_region(600, 300, 100, 100, 1)
        fine = slide.read_region(1200, 600, 200, 200, 0)
        assert abs(coarse.mean(axis=(0, 1)) - fine.mean(axis=(0, 1))).max() < 2


def test_nonsense_regions_are_a_programming_error(marked_slide: Path) -> None:
    with open_slide(marked_slide) as slide:
        with pytest.raises(ValueError, match="level 9"):
            slide.read_region(0, 0, 5, 5, 9)
        with pytest.raises(ValueError, match="-1 x 5"):
            slide.read_region(0, 0, -1, 5)


def test_threads_that_ask_first_do_not_read_each_others_bytes(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tifffile looks up about a page on first use must not move the file under another thread's read."""
    read = tifffile.FileHandle.read

    def slow(self: tifffile.FileHandle, *arguments: object, **options: object) -> bytes:
        time.sleep(0.0005)
        return read(self, *arguments, **options)

    monkeypatch.setattr(tifffile.FileHandle, "read", slow)
    with open_slide(shared_data / "her2st" / "wsis" / "HER2ST_C4.tif") as slide, ThreadPoolExecutor(8) as pool:
        views = [(100 * i, 120, 150, 150, 1 + i % 3) for i in range(8)]
        together = list(pool.map(lambda view: slide.read_region(*view), views))
        for view, pixels in zip(views, together, strict=True):
            np.testing.assert_array_equal(slide.read_region(*view), pixels)

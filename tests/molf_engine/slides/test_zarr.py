"""OME-Zarr of both versions, any axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import zarr

from molf_engine.errors import SlideError
from molf_engine.slides import fingerprint, open_slide

from .conftest import marked_image

IMAGE = marked_image(300, 200)


def _write(path: Path, axes: str, values: np.ndarray, *, version: str = "0.5", unit: str | None = "micrometer") -> Path:
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    datasets = []
    for number in range(2):
        step = 2**number
        level = values[tuple(slice(None, None, step) if axis in "yx" else slice(None) for axis in axes)]
        chunks = tuple(64 if axis in "yx" else 1 for axis in axes)
        group.create_array(str(number), shape=level.shape, chunks=chunks, dtype=level.dtype)[:] = level
        scale = [0.5 * step if axis in "yx" else 1.0 for axis in axes]
        datasets.append({"path": str(number), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    named = [{"name": axis, **({"unit": unit} if unit and axis in "yx" else {})} for axis in axes]
    multiscales = [{"version": version, "axes": named, "datasets": datasets}]
    if version == "0.4":
        group.attrs["multiscales"] = multiscales
    else:
        group.attrs["ome"] = {"version": version, "multiscales": multiscales}
    return path


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("axes", ["cyx", "tczyx", "yxc"])
def test_colour_images_of_any_axes(tmp_path: Path, version: str, axes: str) -> None:
    channels_first = IMAGE.transpose(2, 0, 1)
    values = {"cyx": channels_first, "tczyx": channels_first[None, :, None], "yxc": IMAGE}[axes]
    with open_slide(_write(tmp_path / "slide.ome.zarr", axes, values, version=version)) as slide:
        assert slide.name == "slide"
        assert [(level.width, level.height) for level in slide.levels] == [(300, 200), (150, 100)]
        assert slide.um_per_pixel == 0.5
        np.testing.assert_array_equal(slide.read_region(40, 30, 200, 150), IMAGE[30:180, 40:240])
        np.testing.assert_array_equal(slide.read_region(0, 0, 150, 100, 1), IMAGE[::2, ::2])


def test_grey_16_bit_images_are_scaled(tmp_path: Path) -> None:
    grey = IMAGE[..., 0].astype(np.uint16) * 257
    grey[0, 0] = 65535
    with open_slide(_write(tmp_path / "slide.zarr", "yx", grey)) as slide:
        region = slide.read_region(0, 1, 300, 199)
    np.testing.assert_array_equal(region, np.repeat(IMAGE[1:, :, :1], 3, axis=-1))


def test_a_scale_without_unit_is_no_scale(tmp_path: Path) -> None:
    with open_slide(_write(tmp_path / "slide.zarr", "yxc", IMAGE, unit=None)) as slide:
        assert slide.um_per_pixel is None


def test_converters_put_the_image_one_level_down(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "slide.zarr"), mode="w", zarr_format=2)
    _write(tmp_path / "slide.zarr" / "0", "yxc", IMAGE, version="0.4")
    with open_slide(tmp_path / "slide.zarr") as slide:
        assert slide.levels[0].width == 300


def test_a_zarr_folder_without_an_image_is_refused(tmp_path: Path) -> None:
    zarr.open_group(str(tmp_path / "table.zarr"), mode="w")
    with pytest.raises(SlideError, match="without a multiscale image"):
        open_slide(tmp_path / "table.zarr")


def test_a_missing_level_is_named(tmp_path: Path) -> None:
    path = _write(tmp_path / "slide.zarr", "yxc", IMAGE)
    group = zarr.open_group(str(path), mode="r+")
    del group["1"]
    with pytest.raises(SlideError, match="level that its metadata name is missing"):
        open_slide(path)


def test_the_fingerprint_of_a_folder_follows_its_files(tmp_path: Path) -> None:
    path = _write(tmp_path / "slide.zarr", "yxc", IMAGE)
    moved = tmp_path / "elsewhere.zarr"
    with open_slide(path) as slide:
        before = fingerprint(slide)
    path.rename(moved)
    with open_slide(moved) as slide:
        assert fingerprint(slide) == before
        (moved / "more").write_bytes(b"x")
        assert fingerprint(slide) != before

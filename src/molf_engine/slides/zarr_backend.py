"""OME-Zarr images (versions 0.4 and 0.5, and the older axes) through zarr 3."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.errors import SlideError
from molf_engine.slides.base import BaseSlide
from molf_engine.slides.pixels import brightest, on_background, to_uint8
from molf_engine.slides.scale import in_um
from molf_engine.slides.tiles import TileCache, assemble

try:
    import zarr
except ImportError as error:
    raise ImportError("zarr is missing. Install it with: pip install 'zarr>=3'") from error

_OLD_AXES = ("t", "c", "z", "y", "x")
_MAX_TILE_PX = 4096


class ZarrSlide(BaseSlide):
    """An OME-Zarr image.  Of a stack, the first time point and focal plane.

    Raises
    ------
    SlideError
        If the folder holds no multiscale image, or one that is neither grey nor colour.
    """

    def __init__(self, path: Path, um_per_pixel: float | None = None) -> None:
        group, image = _find_image(path)
        self._axes = _axes(image)
        try:
            self._arrays = [group[dataset["path"]] for dataset in image["datasets"]]
        except (KeyError, TypeError, ValueError, OSError) as error:
            raise SlideError(
                f"{path}: a level that its metadata name is missing or damaged: {error}. Copy the folder again."
            ) from error
        self._check_shape(path)
        x, y = self._axes.index("x"), self._axes.index("y")
        self._arrays.sort(key=lambda array: -array.shape[x])
        sizes = [(array.shape[x], array.shape[y]) for array in self._arrays]
        super().__init__(path, sizes, _scale(image, self._axes), um_per_pixel, {"vendor": "ome-zarr"})
        self._tiles = [_tile(array.chunks, x, y) for array in self._arrays]
        self._cache = TileCache()
        self._top = self._brightest()

    def _check_shape(self, path: Path) -> None:
        channels = self._arrays[0].shape[self._axes.index("c")] if "c" in self._axes else 1
        if channels not in (1, 3, 4):
            raise SlideError(
                f"{path}: it has {channels} channels. A slide stained with haematoxylin and eosin is grey, RGB or RGB"
                " with transparency; export it as RGB."
            )
        if any(array.ndim != len(self._axes) for array in self._arrays):
            raise SlideError(f"{path}: its axes {', '.join(self._axes)} do not fit its arrays. Write the image again.")

    def _brightest(self) -> float:
        array, (width, height) = self._arrays[-1], self._tiles[-1]
        if array.dtype == np.uint8:
            return 255.0
        level = self.levels[len(self._arrays) - 1]
        corners = list(itertools.product(range(0, level.width, width), range(0, level.height, height)))
        step = max(1, len(corners) // 16)
        return max(brightest(self._samples(-1, x, y, width, height)) for x, y in corners[::step])

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        tile = self._tiles[level]

        def read(column: int, row: int) -> np.ndarray:
            key = (level, column, row)
            return self._cache.get(key, lambda: self._decode(level, column * tile[0], row * tile[1], *tile))

        return assemble(x, y, width, height, tile, read)

    def _decode(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        pixels = to_uint8(self._samples(level, x, y, width, height), self._top)
        if pixels.shape[-1] == 4:
            return on_background(pixels)
        return np.repeat(pixels, 3, axis=-1) if pixels.shape[-1] == 1 else np.ascontiguousarray(pixels)

    def _samples(self, level: int, x: int, y: int, width: int, height: int) -> np.ndarray:
        """Rectangle as stored, shape ``(height, width, samples)``, cut at the border of the level."""
        array = self._arrays[level]
        where = {"x": slice(x, x + width), "y": slice(y, y + height), "c": slice(None)}
        values = np.asarray(array[tuple(where.get(axis, 0) for axis in self._axes)])
        kept = [axis for axis in self._axes if axis in where]
        if "c" not in kept:
            values, kept = values[None], ["c", *kept]
        return values.transpose(kept.index("y"), kept.index("x"), kept.index("c"))

    def _close(self) -> None:
        self._cache.clear()


def _find_image(path: Path) -> tuple[Any, Mapping[str, Any]]:
    """Group of the image and its multiscale metadata; converters put the first image one level down, in ``0``."""
    try:
        group: Any = zarr.open_group(str(path), mode="r")
        for where in ("", "0"):
            inner = group[where] if where else group
            attributes = dict(inner.attrs)
            images = attributes.get("ome", attributes).get("multiscales")
            if images:
                return inner, images[0]
            if where == "" and "0" not in group:
                break
    except Exception as error:
        raise SlideError(
            f"{path} cannot be read as OME-Zarr: {error}. It is probably incomplete; copy the folder from its source"
            " again."
        ) from error
    raise SlideError(
        f"{path} is a zarr folder without a multiscale image. Choose the folder whose metadata name 'multiscales'."
    )


def _axes(image: Mapping[str, Any]) -> tuple[str, ...]:
    named = image.get("axes", _OLD_AXES)
    return tuple(str(axis["name"] if isinstance(axis, Mapping) else axis).lower() for axis in named)


def _scale(image: Mapping[str, Any], axes: tuple[str, ...]) -> tuple[float | None, float | None]:
    factors = [1.0] * len(axes)
    stated = False
    for transform in (
        *image["datasets"][0].get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ):
        if transform.get("type") == "scale" and len(transform["scale"]) == len(axes):
            stated = True
            factors = [a * float(b) for a, b in zip(factors, transform["scale"], strict=True)]
    if not stated:
        return None, None

    def along(axis: str) -> float | None:
        entry = image["axes"][axes.index(axis)]
        unit = entry.get("unit") if isinstance(entry, Mapping) else None
        return in_um(factors[axes.index(axis)], str(unit)) if unit else None

    return along("x"), along("y")


def _tile(chunks: tuple[int, ...], x: int, y: int) -> tuple[int, int]:
    """(width, height) in which to read: the chunks, in groups if they are slivers, at most 4096 px."""
    return _sensible(chunks[x]), _sensible(chunks[y])


def _sensible(chunk: int) -> int:
    return min(chunk * math.ceil(256 / chunk), max(_MAX_TILE_PX, 256))

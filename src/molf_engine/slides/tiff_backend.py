"""OME-TIFF, pyramidal and plain TIFF through tifffile.

tifffile rather than OpenSlide reads them although OpenSlide knows pyramidal TIFF as well: OpenSlide sees no SubIFDs
(the pyramid of OME-TIFF), no strips, nothing but 8 bits and no um per pixel in OME metadata.

Pixels are read tile by tile (or strip by strip) and decoded once while in use; uncompressed images are memory-mapped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.errors import SlideError
from molf_engine.slides.base import BaseSlide
from molf_engine.slides.pixels import brightest, on_background, to_uint8
from molf_engine.slides.tiff_metadata import properties, scale
from molf_engine.slides.tiles import TileCache, assemble

try:
    import tifffile
except ImportError as error:
    raise ImportError("tifffile is missing. Install it with: pip install tifffile imagecodecs") from error

_MAX_SEGMENT_BYTES = 4 * 2**30
_SAMPLED_TILES = 16
_COLOURS = {"MINISWHITE", "MINISBLACK", "RGB", "YCBCR", "PALETTE"}


@dataclass(frozen=True)
class _Plane:
    """One level: the pages that hold its samples and how they are cut.

    ``pages`` has one page for all samples, or one for each of red, green and blue.
    """

    pages: tuple[Any, ...]
    width: int
    height: int
    samples: int
    tile: tuple[int, int]
    separate: bool

    @property
    def across(self) -> int:
        return math.ceil(self.width / self.tile[0])

    @property
    def down(self) -> int:
        return math.ceil(self.height / self.tile[1])


class TiffSlide(BaseSlide):
    """A TIFF that tifffile reads.

    Raises
    ------
    SlideError
        If it is damaged, or is no grey or colour image.
    """

    def __init__(self, path: Path, um_per_pixel: float | None = None) -> None:
        try:
            self._tiff = tifffile.TiffFile(path)
            self._tiff.filehandle.set_lock(True)
        except Exception as error:
            raise SlideError(
                f"{path} begins as a TIFF but cannot be read: {error}. It is probably cut off or damaged; copy it from"
                " its source again."
            ) from error
        try:
            self._planes = self._find_planes(path)
            first = self._planes[0].pages[0]
            sizes = [(plane.width, plane.height) for plane in self._planes]
            super().__init__(
                path, sizes, scale(self._tiff, first, sizes[0]), um_per_pixel, properties(self._tiff, first)
            )
            self._cache = TileCache()
            self._mapped = self._map()
            self._premultiplied = 1 in first.extrasamples
            self._inverted = first.photometric.name == "MINISWHITE"
            self._palette = _palette(first)
            self._top = self._brightest()
        except SlideError:
            self._tiff.close()
            raise
        except Exception as error:
            self._tiff.close()
            raise SlideError(
                f"{path}: this TIFF cannot be read: {error}. Copy it from its source again; if that does not help,"
                " convert it to a pyramidal TIFF, for example with: vips tiffsave IN OUT.tif --tile --pyramid"
            ) from error

    def _find_planes(self, path: Path) -> list[_Plane]:
        series = [one for one in self._tiff.series if {"X", "Y"} <= set(one.axes)]
        if not series:
            raise SlideError(f"{path} holds no image. Choose the file of the slide itself.")
        main = max(series, key=lambda one: _size(one)[0] * _size(one)[1])
        planes = [_plane(path, level) for level in main.levels]
        if len(planes) == 1:
            # Some writers do not mark the coarser copies as such, so that tifffile takes them for other images.
            planes += [_plane(path, one) for one in series if one is not main and _is_copy(_size(one), _size(main))]
        first = planes[0]
        planes = [plane for plane in planes if plane.samples == first.samples]
        return sorted(planes, key=lambda plane: -plane.width)

    def _map(self) -> np.ndarray | None:
        """Level 0 as a memory map, if the file stores its pixels as they are, in one piece."""
        plane = self._planes[0]
        page = plane.pages[0]
        if len(self._planes) > 1 or len(plane.pages) > 1 or plane.separate or not page.is_memmappable:
            return None
        mapped: np.ndarray = self._tiff.filehandle.memmap_array(
            self._tiff.byteorder + page.dtype.char, page.shape, page.dataoffsets[0], mode="r"
        )
        return mapped

    def _brightest(self) -> float:
        plane = self._planes[-1]
        if plane.pages[0].dtype == np.uint8 or self._palette is not None:
            return 255.0
        if self._mapped is not None:
            step = max(1, math.isqrt(self._mapped.size // 2**20))
            return brightest(self._mapped[::step, ::step])
        count = plane.across * plane.down
        chosen = range(0, count, max(1, count // _SAMPLED_TILES))
        return max(
            brightest(self._segment(plane, page, index))
            for index in chosen
            for page in range(1 if plane.samples < 3 else len(plane.pages))
        )

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        if self._mapped is not None:
            return self._as_rgb(np.array(self._mapped[y : y + height, x : x + width]))
        plane = self._planes[level]

        def read(column: int, row: int) -> np.ndarray:
            return self._cache.get((level, column, row), lambda: self._decode(plane, column, row))

        return assemble(x, y, width, height, plane.tile, read)

    def _decode(self, plane: _Plane, column: int, row: int) -> np.ndarray:
        """One tile as RGB."""
        index = row * plane.across + column
        if plane.separate:
            each = plane.across * plane.down
            parts = [self._segment(plane, 0, index + sample * each) for sample in range(plane.samples)]
        else:
            parts = [self._segment(plane, page, index) for page in range(len(plane.pages))]
        return self._as_rgb(parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1))

    def _segment(self, plane: _Plane, number: int, index: int) -> np.ndarray:
        """One tile or strip of one page as stored, shape ``(height, width, samples)``."""
        page = plane.pages[number]
        file, data = self._tiff.filehandle, None
        # Also what tifffile finds out about a page when it is first asked moves the place in the file: all of it is under the lock.
        with file.lock:
            decode, tables, header = page.decode, page.jpegtables, page.keyframe.jpegheader
            size = page.databytecounts[index]
            if size:
                file.seek(page.dataoffsets[index])
                data = file.read(size)
        if data is not None and len(data) < size:
            raise ValueError("the file ends before the pixels do")
        decoded, _, shape = decode(data, index, jpegtables=tables, jpegheader=header)
        if decoded is None:
            # A tile without bytes was never scanned.
            return np.full(shape[1:], np.iinfo(page.dtype).max if page.dtype.kind == "u" else 1, dtype=page.dtype)
        pixels: np.ndarray = decoded[0]
        return pixels

    def _as_rgb(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        if self._palette is not None:
            return self._palette[pixels[..., 0]]
        pixels = to_uint8(pixels, self._top)
        if self._inverted:
            pixels = 255 - pixels
        samples = pixels.shape[-1]
        if samples in (2, 4):
            colour = np.repeat(pixels[..., :1], 3, axis=-1) if samples == 2 else pixels[..., :3]
            return on_background(np.concatenate([colour, pixels[..., -1:]], axis=-1), premultiplied=self._premultiplied)
        if samples == 1:
            return np.repeat(pixels, 3, axis=-1)
        return np.ascontiguousarray(pixels[..., :3])

    def _close(self) -> None:
        self._mapped = None
        self._cache.clear()
        self._tiff.close()


def _size(series: Any) -> tuple[int, int]:
    return series.shape[series.axes.index("X")], series.shape[series.axes.index("Y")]


def _is_copy(size: tuple[int, int], full: tuple[int, int]) -> bool:
    """Whether an image can be a coarser copy of another: the same shape, to a pixel of rounding."""
    factor = full[0] / size[0]
    return factor > 1.5 and abs(full[1] / factor - size[1]) <= 2 and min(size) >= 32


def _plane(path: Path, level: Any) -> _Plane:
    """Where the pixels of a level are; of a stack, the first time point and focal plane."""
    page = next((page for page in level.pages if page is not None), None)
    if page is None or page.keyframe is None:
        raise SlideError(f"{path}: the pixels are in other files, which are not here. Put them beside it.")
    page = page.keyframe
    if "Z" in page.axes or page.photometric.name not in _COLOURS:
        raise SlideError(
            f"{path}: cannot show an image of kind {page.photometric.name}, axes {page.axes}. Convert it to RGB."
        )
    leading = level.axes[: len(level.axes) - len(page.axes)]
    lengths = level.shape[: len(leading)]
    samples = page.samplesperpixel
    channels = next((n for axis, n in zip(leading, lengths, strict=True) if axis in "CSQI" and n > 1), 1)
    if (samples > 1 and channels > 1) or max(samples, channels) > 4 or channels in (2, 4):
        raise SlideError(
            f"{path}: it has {max(samples * channels, channels)} channels. A slide stained with haematoxylin and eosin"
            " is grey, RGB or RGB with transparency; export it as RGB."
        )
    if channels == 3:
        axis = next(i for i, name in enumerate(leading) if name in "CSQI" and lengths[i] > 1)
        step = math.prod(lengths[axis + 1 :])
        pages = tuple(level.pages[sample * step] for sample in range(3))
    else:
        pages = (level.pages[0],)
    if any(page is None for page in pages):
        raise SlideError(f"{path}: some of its colour channels are in other files. Put them beside it.")
    separate = samples > 1 and page.planarconfig == 2
    rows, columns = page.chunks[-2:] if separate else page.chunks[:2]
    if rows * columns * samples * page.dtype.itemsize > _MAX_SEGMENT_BYTES and not page.is_memmappable:
        raise SlideError(
            f"{path}: its {page.imagewidth} x {page.imagelength} px are compressed in one piece, too large to decode."
            " Convert it to a tiled TIFF, for example with: vips tiffsave IN OUT.tif --tile --pyramid"
        )
    return _Plane(pages, page.imagewidth, page.imagelength, max(samples, channels), (columns, rows), separate)


def _palette(page: Any) -> np.ndarray | None:
    if page.photometric.name != "PALETTE" or page.colormap is None:
        return None
    # Stored as (3, colours), 16 bits.
    return np.ascontiguousarray((np.asarray(page.colormap).T >> 8).astype(np.uint8))

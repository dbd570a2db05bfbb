"""Simulated tissue as a slide: computed while it is looked at, or written as a pyramidal TIFF."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import IO, Self

import numpy as np

from molf_engine.data.simulator.render import BLOCK
from molf_engine.data.simulator.tissue import SimulatedTissue, copy_overlap
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import Level

_JPEG_QUALITY = 85
_SMALLEST_LEVEL = 512


def level_sizes(width: int, height: int) -> list[tuple[int, int]]:
    """Return (width, height) of the levels of a pyramid that halves until a side is at most 512 px."""
    sizes = [(width, height)]
    while max(sizes[-1]) > _SMALLEST_LEVEL and min(sizes[-1]) > 1:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


class SimulatedSlide:
    """A :class:`~molf_engine.slides.Slide` of any size that needs no file; blocks it drew last are kept."""

    um_per_pixel_source = "file"

    def __init__(self, tissue: SimulatedTissue, kept_blocks: int = 64) -> None:
        self.tissue = tissue
        self.name = f"simulated-{tissue.kind}-{tissue.seed}"
        self.path = Path(self.name)
        self.um_per_pixel: float | None = tissue.um_per_pixel
        self.properties: Mapping[str, str] = {"simulated": "true", "kind": tissue.kind, "seed": str(tissue.seed)}
        # Pixels are drawn at exact powers of two; odd remainders fall off the right and lower edge.
        self.levels = tuple(
            Level(width, height, (2.0**n, 2.0**n))
            for n, (width, height) in enumerate(level_sizes(tissue.width, tissue.height))
        )
        self._kept_blocks = kept_blocks
        self._blocks: OrderedDict[tuple[int, int, int], np.ndarray] = OrderedDict()
        self._lock = Lock()

    def read_region(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """Return (height, width, 3) uint8 RGB; x, y in pixels of the level. Outside the slide: white."""
        image = np.full((height, width, 3), 255, np.uint8)
        size = self.levels[level]
        x0, y0, x1, y1 = (max(x, 0), max(y, 0), min(x + width, size.width), min(y + height, size.height))
        if x0 < x1 and y0 < y1:
            inside = image[y0 - y : y1 - y, x0 - x : x1 - x]
            for row in range(y0 // BLOCK, (y1 - 1) // BLOCK + 1):
                for column in range(x0 // BLOCK, (x1 - 1) // BLOCK + 1):
                    copy_overlap(self._block(column, row, level), column * BLOCK, row * BLOCK, inside, x0, y0)
        return image

    def close(self) -> None:
        """Forget the kept blocks."""
        with self._lock:
            self._blocks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _block(self, column: int, row: int, level: int) -> np.ndarray:
        key = (level, column, row)
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = self.tissue.block(column, row, self.levels[level].downsample[0])
        with self._lock:
            self._blocks[key] = block
            while len(self._blocks) > self._kept_blocks:
                self._blocks.popitem(last=False)
        return block


def write_slide(
    tissue: SimulatedTissue, path: Path | str, *, progress: ProgressCallback = silent, workers: int | None = None
) -> Path:
    """Write a tiled pyramidal JPEG TIFF that openslide and tifffile open, and return its path.

    Tiles are drawn, halved and compressed row by row; at any time one row of tiles of each level is in memory.  Coarser
    levels are area averages of level 0.
    """
    import tifffile

    path = Path(path)
    sizes = level_sizes(tissue.width, tissue.height)
    with (
        atomic_path(path) as beside,
        tempfile.TemporaryFile() as spool,
        ThreadPoolExecutor(workers or min(4, os.cpu_count() or 1)) as pool,
        tifffile.TiffWriter(beside, bigtiff=tissue.width * tissue.height > 2**32) as tiff,
    ):
        pyramid = _Pyramid(sizes, spool, pool)
        for level, (width, height) in enumerate(sizes):
            pixels_per_cm = 1e4 / tissue.um_per_pixel * width / tissue.width
            tiff.write(
                _drawn(tissue, pyramid, pool, progress) if level == 0 else pyramid.tiles(level),
                shape=(height, width, 3),
                dtype=np.uint8,
                tile=(BLOCK, BLOCK),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                subfiletype=int(level > 0),
                resolution=(pixels_per_cm, pixels_per_cm),
                resolutionunit="CENTIMETER",
                description=_description(tissue) if level == 0 else None,
                software="napari-molf",
                metadata=None,
            )
    return path


def _description(tissue: SimulatedTissue) -> str:
    return json.dumps(
        {
            "simulated": True,
            "mpp": tissue.um_per_pixel,
            "kind": tissue.kind,
            "seed": tissue.seed,
            "size_um": tissue.size_um,
        }
    )


def _drawn(
    tissue: SimulatedTissue, pyramid: _Pyramid, pool: ThreadPoolExecutor, progress: ProgressCallback
) -> Iterator[bytes]:
    """Yield the compressed tiles of level 0, and feed each finished row to the pyramid."""
    columns, rows = math.ceil(tissue.width / BLOCK), math.ceil(tissue.height / BLOCK)

    def tile(column: int, row: int) -> tuple[np.ndarray, bytes]:
        block = tissue.block(column, row)
        return block, _encode(block)

    for row in range(rows):
        done = list(pool.map(tile, range(columns), [row] * columns))
        # First: who reads the tiles does not ask again after the last one.
        pyramid.add(1, np.concatenate([block for block, _ in done], axis=1), last=row == rows - 1)
        progress(Progress("Drawing tissue", (row + 1) * columns, rows * columns, "tiles"))
        yield from (encoded for _, encoded in done)


class _Pyramid:
    """Coarser levels of a picture that arrives in rows of tiles; compressed tiles wait in a temporary file."""

    def __init__(self, sizes: list[tuple[int, int]], spool: IO[bytes], pool: ThreadPoolExecutor) -> None:
        self._sizes, self._spool, self._pool = sizes, spool, pool
        self._waiting: list[list[np.ndarray]] = [[] for _ in sizes]
        self._places: list[list[tuple[int, int]]] = [[] for _ in sizes]

    def add(self, level: int, strip: np.ndarray, *, last: bool) -> None:
        """Take the next row of tiles of the level above; two make one row here, or the last alone."""
        if level >= len(self._sizes):
            return
        halves = self._waiting[level]
        halves.append(_halved(strip))
        if len(halves) < 2 and not last:
            return
        row = np.concatenate(halves, axis=0)
        halves.clear()
        columns = math.ceil(self._sizes[level][0] / BLOCK)
        whole = np.full((BLOCK, columns * BLOCK, 3), 255, np.uint8)
        width = min(row.shape[1], whole.shape[1])
        whole[: row.shape[0], :width] = row[:, :width]
        if len(self._places[level]) < columns * math.ceil(self._sizes[level][1] / BLOCK):
            tiles = [np.ascontiguousarray(whole[:, c * BLOCK : (c + 1) * BLOCK]) for c in range(columns)]
            for encoded in self._pool.map(_encode, tiles):
                self._places[level].append((self._spool.tell(), len(encoded)))
                self._spool.write(encoded)
        self.add(level + 1, whole, last=last)

    def tiles(self, level: int) -> Iterator[bytes]:
        """Yield the compressed tiles of a level."""
        for start, length in self._places[level]:
            self._spool.seek(start)
            yield self._spool.read(length)


def _halved(strip: np.ndarray) -> np.ndarray:
    height, width = strip.shape[0] // 2, strip.shape[1] // 2
    four = strip.reshape(height, 2, width, 2, 3)
    total = four[:, 0, :, 0].astype(np.uint16) + four[:, 0, :, 1] + four[:, 1, :, 0] + four[:, 1, :, 1]
    return ((total + 2) >> 2).astype(np.uint8)


def _encode(tile: np.ndarray) -> bytes:
    from imagecodecs import jpeg8_encode

    return bytes(jpeg8_encode(tile, level=_JPEG_QUALITY, colorspace="rgb", outcolorspace="ycbcr", subsampling="420"))

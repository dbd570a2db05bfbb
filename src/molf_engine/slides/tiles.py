"""Read a rectangle from a grid of tiles, decoding each tile once while it is in use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

CACHE_BYTES = 96 * 2**20
"""Decoded tiles kept per slide: two rows of 256 px tiles of a slide 60,000 px wide."""


class TileCache:
    """Decoded tiles, the least recently used dropped first; safe for several threads.

    Parameters
    ----------
    max_bytes : int
        What the cached tiles may take together.
    """

    def __init__(self, max_bytes: int = CACHE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._tiles: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Tile under ``key``, decoded if it is not here.  Two threads may decode the same tile, neither waits."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is not None:
                self._tiles.move_to_end(key)
                return tile
        tile = decode()
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self._bytes += tile.nbytes
            # One tile larger than the whole cache stays, alone: files with a single strip would decode it per patch.
            while self._bytes > self._max_bytes and len(self._tiles) > 1:
                self._bytes -= self._tiles.popitem(last=False)[1].nbytes
        return tile

    def clear(self) -> None:
        """Forget every tile."""
        with self._lock:
            self._tiles.clear()
            self._bytes = 0


def assemble(
    x: int, y: int, width: int, height: int, tile: tuple[int, int], read: Callable[[int, int], np.ndarray]
) -> np.ndarray:
    """Rectangle ``(height, width, 3)`` uint8 from a grid of tiles.

    Parameters
    ----------
    x, y, width, height : int
        Rectangle in pixels, inside the image.
    tile : tuple of int
        (width, height) of a tile.
    read : callable
        ``read(column, row)`` gives a tile, RGB uint8; those at the right and lower border may be smaller.
    """
    tile_width, tile_height = tile
    region = np.empty((height, width, 3), dtype=np.uint8)
    for row in range(y // tile_height, (y + height - 1) // tile_height + 1):
        top = max(y, row * tile_height)
        bottom = min(y + height, (row + 1) * tile_height)
        for column in range(x // tile_width, (x + width - 1) // tile_width + 1):
            left = max(x, column * tile_width)
            right = min(x + width, (column + 1) * tile_width)
            pixels = read(column, row)
            region[top - y : bottom - y, left - x : right - x] = pixels[
                top - row * tile_height : bottom - row * tile_height,
                left - column * tile_width : right - column * tile_width,
            ]
    return region

"""Coarser views of a slide: the thumbnail, and levels for files that have none.

Everything is read in bands, so that a slide without coarse levels never lies in memory whole.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from molf_engine.slides.protocol import Level

if TYPE_CHECKING:
    import numpy as np

_BAND_BYTES = 64 * 2**20
_MAX_VIRTUAL_PX = 4096
_LOOKABLE_PX = 2048


class _HasLevels(Protocol):
    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def read_region(self) -> Callable[..., np.ndarray]: ...


def thumbnail(slide: _HasLevels, max_px: int = 1024) -> np.ndarray:
    """Whole slide as RGB, shape ``(h, w, 3)``, uint8, the longer side at most ``max_px`` pixels.

    The slide is never enlarged.
    """
    width, height = fit(slide.levels[0], max_px)
    return reduced(slide, width, height)


def fit(level: Level, max_px: int) -> tuple[int, int]:
    """(width, height) of a level shrunk until its longer side is at most ``max_px``."""
    factor = max(1.0, max(level.width, level.height) / max_px)
    return max(1, round(level.width / factor)), max(1, round(level.height / factor))


def reduced(slide: _HasLevels, width: int, height: int) -> np.ndarray:
    """Whole slide resampled by area to ``(height, width, 3)`` uint8, from the coarsest level that is fine enough."""
    import numpy as np

    number = max(
        (i for i, level in enumerate(slide.levels) if level.width >= width and level.height >= height), default=0
    )
    level = slide.levels[number]
    result = np.empty((height, width, 3), dtype=np.uint8)
    rows = max(1, int(_BAND_BYTES / (level.width * 3) * height / level.height))
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        y0, y1 = top * level.height / height, bottom * level.height / height
        first, last = math.floor(y0), math.ceil(y1)
        band = slide.read_region(0, first, level.width, last - first, number)
        result[top:bottom] = resample(band, (0.0, y0 - first, float(level.width), y1 - first), width, bottom - top)
    return result


def resample(image: np.ndarray, box: tuple[float, float, float, float], width: int, height: int) -> np.ndarray:
    """Part of an image, ``(height, width, 3)``: averaged over area where it shrinks, interpolated where it grows.

    Parameters
    ----------
    image : ndarray
        ``(h, w, 3)`` uint8.
    box : tuple of float
        Left, top, right, bottom in pixels of ``image``; fractions of pixels count as such.
    width, height : int
        Size of the result.
    """
    import numpy as np
    from PIL import Image

    # Pillow's BOX gives a pixel its whole weight or none, which displaces edges where the factor is no whole number.
    grows = box[2] - box[0] < width or box[3] - box[1] < height
    kind = Image.Resampling.BILINEAR if grows else Image.Resampling.HAMMING
    return np.asarray(Image.fromarray(image).resize((width, height), kind, box=box))


class VirtualLevels:
    """Halved levels for a file whose own levels end while the coarsest is still too large to look at.

    They are averaged from the file on their first use, band by band, and kept; the largest has at most 4096 px a side
    (48 MB).

    Parameters
    ----------
    own : tuple of Level
        Levels of the file.
    read_region : callable
        Of the slide, for those levels.
    """

    def __init__(self, own: tuple[Level, ...], read_region: Callable[..., np.ndarray]) -> None:
        self._source = _Source(own, read_region)
        self._lock = threading.Lock()
        self._images: list[np.ndarray] = []
        self.levels = _halved(own)

    def read(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        """Rectangle ``(height, width, 3)`` inside one of these levels, numbered on from those of the file."""
        with self._lock:
            if not self._images:
                self._images = self._make()
        return self._images[level - len(self._source.levels)][y : y + height, x : x + width].copy()

    def _make(self) -> list[np.ndarray]:
        images = [reduced(self._source, self.levels[0].width, self.levels[0].height)]
        for level in self.levels[1:]:
            last = images[-1]
            whole = (0.0, 0.0, float(last.shape[1]), float(last.shape[0]))
            images.append(resample(last, whole, level.width, level.height))
        return images


@dataclass(frozen=True)
class _Source:
    """The levels of the file alone, so that making the others does not ask for them."""

    levels: tuple[Level, ...]
    read_region: Callable[..., np.ndarray]


def _halved(own: tuple[Level, ...]) -> tuple[Level, ...]:
    full, coarsest = own[0], own[-1]
    longest = max(coarsest.width, coarsest.height)
    made = []
    factor = 2
    while longest > _LOOKABLE_PX and longest / factor > _LOOKABLE_PX / 4:
        if longest / factor <= _MAX_VIRTUAL_PX:
            width, height = max(1, round(coarsest.width / factor)), max(1, round(coarsest.height / factor))
            made.append(Level(width, height, (full.width / width, full.height / height)))
        factor *= 2
    return tuple(made)

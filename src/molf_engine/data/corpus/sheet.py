"""A sheet of patch images that stands in for their slide where an encoder asks for the slide's white."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.slides.base import BaseSlide
from molf_engine.slides.overview import resample

if TYPE_CHECKING:
    import h5py

_MOST = 1024
_UM_PER_PIXEL = 16.0


class PatchSheet(BaseSlide):
    """Up to 1,024 images, spread over the section, side by side at 16 um per pixel: their colours, not their places.

    Drawn when it is first looked at.
    """

    def __init__(self, path: Path, images: h5py.Dataset, size_um: float) -> None:
        self._images = images
        self._chosen = np.unique(np.linspace(0, len(images) - 1, min(len(images), _MOST)).astype(int))
        self._side = max(1, round(size_um / _UM_PER_PIXEL))
        self._columns = int(np.ceil(np.sqrt(len(self._chosen))))
        size = self._columns * self._side
        super().__init__(path, [(size, size)], (None, None), _UM_PER_PIXEL, {})

    @cached_property
    def _pixels(self) -> np.ndarray:
        side = self._side
        pixels = np.full((self._columns * side, self._columns * side, 3), 255, np.uint8)
        for place, index in enumerate(self._chosen):
            image = self._images[index]
            top, left = (part * side for part in divmod(place, self._columns))
            whole = (0, 0, image.shape[1], image.shape[0])
            pixels[top : top + side, left : left + side] = resample(image, whole, side, side)
        return pixels

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        return self._pixels[y : y + height, x : x + width].copy()

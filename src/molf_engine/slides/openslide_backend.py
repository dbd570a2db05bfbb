"""Scanner formats through OpenSlide: SVS, NDPI, MRXS, SCN, BIF, SVSLIDE, CZI, DICOM and others.

Level 0 is OpenSlide's whole level 0, also where only a part was scanned (MRXS): positions and features made with other
programs use those coordinates.  What was not scanned is transparent and becomes the slide's background colour.
Colour profiles are not applied: a model must see the pixels as the scanner wrote them, whatever the screen is.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.errors import SlideError
from molf_engine.slides.base import BaseSlide
from molf_engine.slides.pixels import on_background
from molf_engine.slides.tiles import CACHE_BYTES

try:
    import openslide
except (ImportError, OSError) as error:  # OSError: the Python package is there, the C library is not.
    raise ImportError("OpenSlide is missing. Install it with: pip install openslide-python openslide-bin") from error


def detect(path: Path) -> str | None:
    """Vendor of a file that OpenSlide reads, such as ``"aperio"``; ``None`` for others."""
    vendor: str | None = openslide.OpenSlide.detect_format(path)
    return vendor


class OpenSlideSlide(BaseSlide):
    """A slide that OpenSlide reads.

    Raises
    ------
    SlideError
        If OpenSlide cannot open it.
    """

    def __init__(self, path: Path, um_per_pixel: float | None = None, *, file: Path | None = None) -> None:
        self._file = file or path
        self._lock = threading.Lock()
        self._handle = self._open()
        raw = dict(self._handle.properties)
        properties = {
            "vendor": raw.get(openslide.PROPERTY_NAME_VENDOR, ""),
            "objective-power": raw.get(openslide.PROPERTY_NAME_OBJECTIVE_POWER, ""),
            **raw,
        }
        self._background = _colour(raw.get(openslide.PROPERTY_NAME_BACKGROUND_COLOR))
        scale = (_number(raw.get(openslide.PROPERTY_NAME_MPP_X)), _number(raw.get(openslide.PROPERTY_NAME_MPP_Y)))
        # OpenSlide maps positions with one factor a level, the mean of x and y.
        self._factors = self._handle.level_downsamples
        try:
            super().__init__(path, list(self._handle.level_dimensions), scale, um_per_pixel, properties)
        except SlideError:
            self._handle.close()
            raise

    def _open(self) -> openslide.OpenSlide:
        try:
            handle = openslide.OpenSlide(self._file)
            handle.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
        except openslide.OpenSlideError as error:
            raise SlideError(
                f"{self._file} looks like a slide but cannot be opened: {error}. It is probably cut off or damaged;"
                " copy it from its source again, with every file that belongs to it."
            ) from error
        return handle

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        factor = self._factors[level]
        where = (round(x * factor), round(y * factor))
        try:
            image = self._handle.read_region(where, level, (width, height))
        except openslide.OpenSlideError:
            image = self._read_again(where, level, (width, height))
        rgba = np.asarray(image)
        return on_background(rgba, self._background)

    def _read_again(self, where: tuple[int, int], level: int, size: tuple[int, int]) -> Any:
        # An OpenSlide handle that failed once fails for ever, for every thread; only a fresh one can tell whether
        # this very region is damaged.
        with self._lock:
            fresh = self._open()
            try:
                return fresh.read_region(where, level, size)
            finally:
                # The old handle is not closed here: another thread may be reading from it.  A failed `fresh` is
                # harmless too: the next reader that meets its error comes by here again.
                self._handle = self._open()
                fresh.close()

    def _close(self) -> None:
        self._handle.close()


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _colour(text: str | None) -> tuple[int, int, int]:
    try:
        red, green, blue = bytes.fromhex(text or "ffffff")
    except ValueError:
        return (255, 255, 255)
    return (red, green, blue)

"""What the backends share: bounds, white outside the slide, scale, closing, one kind of error."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import SlideError
from molf_engine.slides.overview import VirtualLevels
from molf_engine.slides.protocol import Level, make_levels
from molf_engine.slides.scale import resolve_scale

if TYPE_CHECKING:
    from typing import Self

    import numpy as np


class BaseSlide:
    """A :class:`~molf_engine.slides.protocol.Slide` but for the reading of pixels inside its bounds.

    Parameters
    ----------
    path : Path
        File or folder.
    sizes : list of (width, height)
        Levels, finest first.
    file_scale : tuple of float or None
        (x, y) um per pixel at level 0 as the file has it.
    um_per_pixel : float or None
        The user's um per pixel.
    properties : mapping
        What else the file says.
    """

    def __init__(
        self,
        path: Path,
        sizes: list[tuple[int, int]],
        file_scale: tuple[float | None, float | None],
        um_per_pixel: float | None,
        properties: Mapping[str, str],
    ) -> None:
        self.path = path
        self.name = _stem(path)
        self._own = make_levels(sizes)
        self._virtual = VirtualLevels(self._own, self.read_region)
        self.levels: tuple[Level, ...] = self._own + self._virtual.levels
        self.um_per_pixel, self.um_per_pixel_source = resolve_scale(path, file_scale, um_per_pixel)
        self.properties: Mapping[str, str] = dict(properties)
        self._closed = threading.Event()

    def read_region(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """Read a rectangle as RGB, shape ``(height, width, 3)``, uint8; see the protocol."""
        import numpy as np

        if self._closed.is_set():
            raise SlideError(f"{self.path} was closed. Open it again to read from it.")
        if width < 0 or height < 0:
            raise ValueError(f"a region cannot be {width} x {height} pixels")
        if not 0 <= level < len(self.levels):
            raise ValueError(f"level {level} of {self.path}: it has levels 0 to {len(self.levels) - 1}")
        size = self.levels[level]
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, size.width), min(y + height, size.height)
        if right <= left or bottom <= top:
            return np.full((height, width, 3), 255, dtype=np.uint8)
        if level >= len(self._own):
            inside = self._virtual.read(left, top, right - left, bottom - top, level)
        else:
            inside = self._checked(left, top, right - left, bottom - top, level)
        if (left, top, right, bottom) == (x, y, x + width, y + height):
            return inside
        region = np.full((height, width, 3), 255, dtype=np.uint8)
        region[top - y : bottom - y, left - x : right - x] = inside
        return region

    def _checked(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        try:
            return self._read_inside(x, y, width, height, level)
        except SlideError:
            raise
        except MemoryError as error:
            raise SlideError(
                f"{self.path}: too little memory for {width} x {height} px. Close other programs, or read a smaller"
                " region."
            ) from error
        except Exception as error:
            raise SlideError(
                f"{self.path}: cannot read {width} x {height} px at ({x}, {y}) of level {level}: {error}. That part of"
                " the file is probably damaged; copy the file from its source again."
            ) from error

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        """Read a rectangle that lies inside one of the file's own levels and is not empty."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file."""
        if not self._closed.is_set():
            self._closed.set()
            self._close()

    def _close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        size = self.levels[0]
        scale = "unknown" if self.um_per_pixel is None else f"{self.um_per_pixel:.4g}"
        return f"<{type(self).__name__} {self.path.name}: {size.width} x {size.height} px, {scale} um per pixel>"


def _stem(path: Path) -> str:
    name = path.name
    for ending in (".ome.tiff", ".ome.tif", ".ome.zarr", ".ome.btf"):
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name if path.is_dir() and path.suffix != ".zarr" else path.stem

"""What every slide can do, whatever file it comes from.

Pixel coordinates are ``(x, y)``: x to the right, y down, the first pixel covering ``[0, 1)``.  Level 0 is the finest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from typing import Self

    import numpy as np


@dataclass(frozen=True)
class Level:
    """One resolution of a slide.

    Attributes
    ----------
    width, height : int
        Size in pixels.
    downsample : tuple of float
        (x, y) size of level 0 over the size of this level: exact, seldom whole numbers, seldom equal.
    """

    width: int
    height: int
    downsample: tuple[float, float] = (1.0, 1.0)


@runtime_checkable
class Slide(Protocol):
    """A slide that is read region by region."""

    @property
    def path(self) -> Path:
        """File or folder that the slide was opened from."""

    @property
    def name(self) -> str:
        """File name without its ending."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """Resolutions, finest first."""

    @property
    def um_per_pixel(self) -> float | None:
        """Side of a level-0 pixel in um, ``None`` if nobody said."""

    @property
    def um_per_pixel_source(self) -> str:
        """``"file"``, ``"given"`` or ``"unknown"``."""

    @property
    def properties(self) -> Mapping[str, str]:
        """What else the file says: vendor, objective power and so on."""

    def read_region(self, x: int, y: int, width: int, height: int, level: int = 0) -> np.ndarray:
        """Read a rectangle as RGB, shape ``(height, width, 3)``, uint8; white outside the slide.

        ``x`` and ``y`` are pixels OF THAT LEVEL and may be negative.  Safe to call from several threads at once.

        Raises
        ------
        SlideError
            If that part of the file is damaged, or the slide is closed.
        """

    def close(self) -> None:
        """Let go of the file.  Closing twice is allowed."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *exception: object) -> None: ...


def make_levels(sizes: list[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels from their (width, height), finest first."""
    width, height = sizes[0]
    return tuple(Level(w, h, (width / w, height / h)) for w, h in sizes)

"""Patches as arrays that can be drawn: grids, limits, percentiles, positions.  No Qt, no napari, no AnnData.

Coordinates come in as level-0 pixels, (x, y), a pixel's centre on whole numbers; what goes to napari is (y, x) in world units:
um where the slide says how many um a pixel is, pixels where it does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class GridFrame:
    """A regular grid of patches.

    Attributes
    ----------
    origin
        (x, y) centre of the patch in row 0, column 0; level-0 pixels.
    stride_px
        Distance between neighbouring centres; level-0 pixels.
    shape
        Rows and columns of the whole grid.
    """

    origin: tuple[float, float]
    stride_px: float
    shape: tuple[int, int]


@dataclass(frozen=True)
class PatchMap:
    """Where each patch of a prediction is, on a grid or freely placed.

    Attributes
    ----------
    positions
        (P, 2) centres, x and y, level-0 pixels.
    rows, cols
        (P,) place on the grid; -1 for free positions.
    size_px
        Side of a patch, level-0 pixels.
    pixel_size
        World units in a level-0 pixel: um per pixel, or 1 if unknown.
    grid
        The grid; none for free positions.
    """

    positions: FloatArray
    rows: NDArray[np.integer]
    cols: NDArray[np.integer]
    size_px: float
    pixel_size: float
    grid: GridFrame | None

    def __post_init__(self) -> None:
        index: NDArray[np.int32] | None = None
        if self.grid is not None:
            index = np.full(self.grid.shape, -1, np.int32)
            index[self.rows, self.cols] = np.arange(len(self.rows), dtype=np.int32)
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def scale(self) -> tuple[float, float]:
        """Size of one grid cell, (y, x), world units."""
        stride = self.grid.stride_px if self.grid else self.size_px
        return (stride * self.pixel_size, stride * self.pixel_size)

    @property
    def translate(self) -> tuple[float, float]:
        """Centre of the grid's first cell, (y, x), world units: napari puts the centre of a pixel on whole numbers."""
        if self.grid is None:
            return (0.0, 0.0)
        x, y = self.grid.origin
        return (y * self.pixel_size, x * self.pixel_size)

    @property
    def centres(self) -> FloatArray:
        """(P, 2) centres, (y, x), world units."""
        return np.asarray(self.positions)[:, ::-1] * self.pixel_size

    def image(self, values: ArrayLike) -> NDArray[np.float32]:
        """(rows, cols) map of one value per patch; NaN where there is no patch."""
        grid = self._need_grid()
        out = np.full(grid.shape, np.nan, np.float32)
        out[self.rows, self.cols] = np.asarray(values, np.float32)
        return out

    def labels(self, experts: ArrayLike) -> NDArray[np.uint8]:
        """(rows, cols) map of experts counted from 1; 0 where there is no patch.  ``experts`` counts from 0; -1: unknown yet."""
        grid = self._need_grid()
        out = np.zeros(grid.shape, np.uint8)
        out[self.rows, self.cols] = np.asarray(experts, np.int64) + 1
        return out

    def colours(self, colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(rows, cols, 4) picture of one colour (P, 4) per patch; transparent where there is no patch."""
        grid = self._need_grid()
        out = np.zeros((*grid.shape, 4), np.uint8)
        out[self.rows, self.cols] = colours
        return out

    def patch_at(self, y: float, x: float) -> int | None:
        """Index of the patch under a world position, if there is one."""
        if self.grid is not None:
            index: NDArray[np.int32] = self._index  # type: ignore[attr-defined]
            # Half a cell to each side of a centre belongs to its patch.
            row = int(np.floor((y - self.translate[0]) / self.scale[0] + 0.5))
            col = int(np.floor((x - self.translate[1]) / self.scale[1] + 0.5))
            if 0 <= row < index.shape[0] and 0 <= col < index.shape[1] and index[row, col] >= 0:
                return int(index[row, col])
            return None
        if not len(self):
            return None
        distance = np.abs(self.centres - (y, x)).max(axis=1)
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= self.size_px * self.pixel_size / 2 else None

    def _need_grid(self) -> GridFrame:
        if self.grid is None:
            raise ValueError("patches at free positions have no grid image; draw them as points")
        return self.grid


def robust_limits(values: ArrayLike, low: float = 1.0, high: float = 99.0) -> tuple[float, float]:
    """Colour limits between two percentiles of the finite values, never empty: a constant map is drawn, too."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return (0.0, 1.0)
    bottom, top = (float(v) for v in np.percentile(finite, (low, high)))
    if top - bottom <= 1e-6 * max(1.0, abs(top)):
        return (bottom - 0.5, bottom + 0.5)
    return (bottom, top)


def wider_limits(shown: tuple[float, float] | None, needed: tuple[float, float]) -> tuple[float, float]:
    """Limits for a map that fills: those that are shown for as long as they come near, else as wide as both need."""
    if shown is None:
        return needed
    low, high = min(shown[0], needed[0]), max(shown[1], needed[1])
    return shown if high - low <= 1.2 * (shown[1] - shown[0]) else (low, high)


def percentile_of(values: ArrayLike, value: float) -> float:
    """Share (0-100) of the finite values that are at most ``value``."""
    finite = np.asarray(values)
    finite = finite[np.isfinite(finite)]
    return float(100.0 * np.count_nonzero(finite <= value) / finite.size) if finite.size else float("nan")


def ordinal(number: float) -> str:
    """``97th``, ``1st``: for a percentile, never above 99th or below 1st."""
    whole = min(99, max(1, round(number)))
    suffix = "th" if 10 <= whole % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{whole}{suffix}"


def ellipse_polygon(corners: ArrayLike, points: int = 64) -> FloatArray:
    """(points, 2) outline of the ellipse in a box of four corners (4, 2), any rotation."""
    box = np.asarray(corners, np.float64)
    centre = box.mean(axis=0)
    half_a, half_b = (box[1] - box[0]) / 2, (box[3] - box[0]) / 2
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)[:, None]
    return centre + np.cos(angle) * half_a + np.sin(angle) * half_b

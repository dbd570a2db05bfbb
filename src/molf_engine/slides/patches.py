"""Squares of tissue, measured in um: on a grid over the tissue, or at given positions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import NoTissueError, SlideError
from molf_engine.slides.reading import require_scale

if TYPE_CHECKING:
    from molf_engine.slides.protocol import Slide
    from molf_engine.slides.tissue import TissueMask

_WHOLE = 1e-6


@dataclass(frozen=True)
class Grid:
    """A regular grid over the whole slide.

    Attributes
    ----------
    origin : tuple of float
        x, y of the centre of row 0, column 0, in level-0 pixels.
    stride_px, stride_um : float
        Distance between neighbouring centres in level-0 pixels and in um.
    shape : tuple of int
        Rows, columns.
    """

    origin: tuple[float, float]
    stride_px: float
    stride_um: float
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Patches:
    """P patches of one slide, all of one size.

    Attributes
    ----------
    centres : ndarray, (P, 2), float64
        x, y in level-0 pixels.
    rows, cols : ndarray, (P,), int64
        Place on the grid, -1 for free positions.
    names : tuple of str
        Unique and stable: ``<col>_<row>`` on a grid.
    size_um, size_px : float
        Side in um and in level-0 pixels.
    um_per_pixel : float
        Of the slide, at level 0.
    grid : Grid or None
        ``None`` for free positions.
    """

    centres: np.ndarray
    rows: np.ndarray
    cols: np.ndarray
    names: tuple[str, ...]
    size_um: float
    size_px: float
    um_per_pixel: float
    grid: Grid | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def positions_um(self) -> np.ndarray:
        """Centres in um, ``(P, 2)``."""
        return self.centres * self.um_per_pixel

    def subset(self, index: np.ndarray | Sequence[int] | slice) -> Patches:
        """Patches chosen by an index array, a boolean mask ``(P,)`` or a slice; the grid stays that of the slide."""
        chosen = np.arange(len(self))[index]
        return replace(
            self,
            centres=self.centres[chosen],
            rows=self.rows[chosen],
            cols=self.cols[chosen],
            names=tuple(self.names[i] for i in chosen),
        )


def patch_grid(
    slide: Slide,
    size_um: float,
    *,
    stride_um: float | None = None,
    mask: TissueMask | None = None,
    regions: Sequence[np.ndarray] | None = None,
    min_tissue: float = 0.5,
) -> Patches:
    """Patches on a grid over the slide, those on tissue only, row by row.

    Row 0, column 0 covers ``[0, size)`` level-0 pixels, whatever the tissue or the regions are: a region's patches are
    patches of the whole slide.

    Parameters
    ----------
    slide : Slide
        With known um per pixel.
    size_um : float
        Side of a patch.
    stride_um : float, optional
        Distance between centres; the side of a patch if not given.
    mask : TissueMask, optional
        Found in the slide if not given.
    regions : sequence of (N, 2), optional
        Polygons, x, y in level-0 pixels: a patch belongs if its centre is inside one of them.
    min_tissue : float
        Share of a patch that must be tissue; 0: every patch.

    Raises
    ------
    MissingScaleError
        If the slide's um per pixel is unknown.
    NoTissueError
        If no patch is left; it says why.
    SlideError
        If a size or a polygon is nonsense.
    """
    scale = require_scale(slide)
    size_px = _checked_length("patch size", size_um) / scale
    stride = _checked_length("stride", size_um if stride_um is None else stride_um)
    grid = _grid(slide, size_px, stride / scale, stride)
    rows, cols = (index.ravel() for index in np.indices(grid.shape))
    centres = np.stack([grid.origin[0] + cols * grid.stride_px, grid.origin[1] + rows * grid.stride_px], axis=1)
    keep = np.ones(len(centres), dtype=bool)
    if regions is not None:
        keep = inside_any(centres, regions)
        if not keep.any():
            raise NoTissueError(
                f"{slide.path}: no patch of {size_um:g} um has its centre inside the {len(regions)} region(s). Draw"
                " larger regions, on the slide."
            )
    if min_tissue > 0:
        keep &= _on_tissue(slide, centres, size_px, mask, min_tissue)
    if not keep.any():
        where = " inside the regions" if regions is not None else ""
        raise NoTissueError(
            f"{slide.path}: no tissue was found{where}: no patch of {size_um:g} um is covered by at least"
            f" {min_tissue:.0%}. Check that this is a stained section; if it is, give the positions of patches"
            " (--positions; in the viewer: Measured, Predict at the spots)."
        )
    rows, cols = rows[keep], cols[keep]
    names = tuple(f"{col}_{row}" for row, col in zip(rows.tolist(), cols.tolist(), strict=True))
    return Patches(centres[keep], rows, cols, names, float(size_um), size_px, scale, grid)


def patches_at(slide: Slide, positions: np.ndarray, size_um: float, names: Sequence[str] | None = None) -> Patches:
    """Patches centred on given positions, on tissue or not.

    Parameters
    ----------
    slide : Slide
        With known um per pixel.
    positions : (P, 2)
        x, y in level-0 pixels.
    size_um : float
        Side of a patch.
    names : sequence of str, optional
        One for each position, such as barcodes; ``p0``, ``p1`` and so on if not given.

    Raises
    ------
    MissingScaleError
        If the slide's um per pixel is unknown.
    SlideError
        If positions are not numbers or not on the slide, or names are repeated or missing.
    """
    scale = require_scale(slide)
    size_px = _checked_length("patch size", size_um) / scale
    centres = np.array(positions, dtype=np.float64)
    if centres.ndim != 2 or centres.shape[1] != 2 or len(centres) == 0:
        raise SlideError(f"Positions must be a table of x, y with at least one row, not of shape {centres.shape}.")
    _check_on_slide(slide, centres, size_px)
    names = tuple(f"p{i}" for i in range(len(centres))) if names is None else tuple(str(name) for name in names)
    if len(names) != len(centres):
        raise SlideError(f"There are {len(names)} names for {len(centres)} positions. Give one name for each.")
    if len(set(names)) < len(names):
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise SlideError(f"The name {twice!r} stands for more than one position. Make the names unique.")
    free = np.full(len(centres), -1, dtype=np.int64)
    return Patches(centres, free, free.copy(), names, float(size_um), size_px, scale, None)


def inside_any(points: np.ndarray, regions: Sequence[np.ndarray]) -> np.ndarray:
    """Which of the points ``(P, 2)`` lie inside any of the polygons ``(N, 2)``; ``(P,)`` bool.

    Raises
    ------
    SlideError
        If a polygon has fewer than three corners or corners that are no numbers.
    """
    from skimage.measure import points_in_poly

    inside = np.zeros(len(points), dtype=bool)
    for number, region in enumerate(regions):
        corners = np.asarray(region, dtype=np.float64)
        if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
            raise SlideError(
                f"Region {number + 1} is not a polygon: it needs at least three corners, each x, y in level-0 pixels."
            )
        low, high = corners.min(axis=0), corners.max(axis=0)
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1) & ~inside)
        inside[near] = points_in_poly(points[near], corners)
    return inside


def _grid(slide: Slide, size_px: float, stride_px: float, stride_um: float) -> Grid:
    level = slide.levels[0]
    rows, cols = (
        max(1, math.ceil((length - size_px) / stride_px - _WHOLE) + 1) for length in (level.height, level.width)
    )
    return Grid((size_px / 2, size_px / 2), stride_px, stride_um, (rows, cols))


def _on_tissue(
    slide: Slide, centres: np.ndarray, size_px: float, mask: TissueMask | None, min_tissue: float
) -> np.ndarray:
    from molf_engine.slides.tissue import tissue_mask

    if mask is None:
        mask = tissue_mask(slide)
    low, high = centres - size_px / 2, centres + size_px / 2
    return mask.fraction(low[:, 0], low[:, 1], high[:, 0], high[:, 1]) >= min_tissue


def _check_on_slide(slide: Slide, centres: np.ndarray, size_px: float) -> None:
    level = slide.levels[0]
    margin = size_px / 2
    on_slide = ((centres > -margin) & (centres < np.array([level.width, level.height]) + margin)).all(axis=1)
    if not on_slide.all():
        first = centres[np.flatnonzero(~on_slide)[0]]
        raise SlideError(
            f"{slide.path}: {np.count_nonzero(~on_slide)} of {len(centres)} positions are not on the slide, which has"
            f" {level.width} x {level.height} px; the first is x {first[0]:g}, y {first[1]:g}. Positions are patch"
            " centres in level-0 pixels, x before y."
        )


def _checked_length(what: str, value: float) -> float:
    if not math.isfinite(value) or value <= 0:
        raise SlideError(f"The {what} cannot be {value} um: give a length above 0.")
    return value

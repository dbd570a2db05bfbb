"""Polygons with holes, and which points they hold, by the even-odd rule.

A point is inside a polygon if a ray from it crosses the rings of the polygon, the outer one and its holes together, an odd number of
times.  So a polygon that crosses itself needs no repair: what its outline encloses twice is outside, as QuPath and napari draw it.  A
region of several polygons holds what any of them holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from molf_engine.errors import RegionError

Ring = np.ndarray
Polygon = tuple[Ring, ...]
"""The outer ring and its holes, each (N, 2) x, y; the first corner is not repeated at the end."""

SCAN_LINES = 4096
"""An area is measured along so many lines: exact for a box, within a millionth for outlines that a person draws."""


@dataclass(frozen=True, eq=False)
class Region:
    """A named part of a slide.

    Attributes
    ----------
    name
        As the user calls it.
    polygons
        At least one; each the outer ring and its holes, (N, 2) x, y in level-0 pixels.
    classification
        Its class, such as `Tumor`; empty: none.
    colour
        As ``#rrggbb``; none: nobody has chosen one.
    """

    name: str
    polygons: tuple[Polygon, ...]
    classification: str = ""
    colour: str | None = None

    def __post_init__(self) -> None:
        """Check the rings.

        Raises
        ------
        RegionError
            If there is no polygon, or a ring has fewer than three corners or corners that are no numbers.
        """
        if not self.polygons or not all(self.polygons):
            raise RegionError(f"The region {self.name} is empty: it encloses nothing. Draw it again.")
        for ring in (ring for polygon in self.polygons for ring in polygon):
            if ring.ndim != 2 or ring.shape[1] != 2 or len(ring) < 3 or not np.isfinite(ring).all():
                raise RegionError(
                    f"The region {self.name} has an outline that encloses nothing: at least three corners are needed, each x, y in "
                    "level-0 pixels. Draw it again."
                )

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Smallest and largest x, smallest and largest y: (x0, x1, y0, y1)."""
        low, high = self._box
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of its extent, x, y."""
        x0, x1, y0, y1 = self.extent
        return (x0 + x1) / 2, (y0 + y1) / 2

    @cached_property
    def area(self) -> float:
        """Area in square pixels; what two of its polygons share counts once."""
        return even_odd_area(self.polygons)

    def holds(self, points: np.ndarray) -> np.ndarray:
        """Which of the points (P, 2) are inside, (P,) bool."""
        low, high = self._box
        inside = np.zeros(len(points), dtype=bool)
        near = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
        inside[near] = np.any([_inside(points[near], polygon) for polygon in self.polygons], axis=0)
        return inside

    def outlines(self) -> tuple[np.ndarray, ...]:
        """One outline (N, 2) for each polygon: holes hang on it by a bridge that is walked there and back.

        By the even-odd rule a bridge changes nothing, so whatever knows polygons without holes takes these as they are.
        """
        return tuple(bridged(polygon) for polygon in self.polygons)

    @cached_property
    def _box(self) -> tuple[np.ndarray, np.ndarray]:
        corners = np.concatenate([ring for polygon in self.polygons for ring in polygon])
        return corners.min(axis=0), corners.max(axis=0)


def membership(regions: Sequence[Region], centres: np.ndarray) -> np.ndarray:
    """Which patches belong to which region, (R, P) bool: a patch belongs if its centre is inside.

    Parameters
    ----------
    regions
        R regions.
    centres
        (P, 2) x, y in level-0 pixels.
    """
    centres = np.asarray(centres, dtype=np.float64).reshape(-1, 2)
    return np.array([region.holds(centres) for region in regions], dtype=bool).reshape(len(regions), len(centres))


def bridged(polygon: Polygon) -> np.ndarray:
    """A polygon with holes as one outline (N, 2)."""
    outer, *holes = polygon
    parts = [outer]
    for hole in holes:
        # Out of the first corner, around the hole, and back.
        parts += [outer[:1], hole, hole[:1]]
    return np.concatenate(parts)


def unbridged(outline: np.ndarray) -> Polygon:
    """The rings (outer first) of an outline as :func:`bridged` makes it: what is walked there and back is left out."""
    corners, index = np.unique(np.asarray(outline, dtype=np.float64), axis=0, return_inverse=True)
    index = index.ravel()
    following: dict[int, list[int]] = {}
    for start, end in zip(index.tolist(), np.roll(index, -1).tolist(), strict=True):
        if start == end:
            continue
        if start in following.get(end, ()):
            following[end].remove(start)
        else:
            following.setdefault(start, []).append(end)
    rings = []
    for start in index.tolist():
        while following.get(start):
            ring, corner = [start], following[start].pop(0)
            while corner != start and following.get(corner):
                ring.append(corner)
                corner = following[corner].pop(0)
            if len(ring) >= 3:
                rings.append(corners[ring])
    # The outer ring is the one that holds the others.
    rings.sort(key=lambda ring: -float(np.ptp(ring, axis=0).prod()))
    return tuple(rings)


def even_odd_area(polygons: Iterable[Polygon]) -> float:
    """Area of what polygons hold by the even-odd rule, each by itself and then together, square pixels."""
    polygons = tuple(polygons)
    corners = np.concatenate([ring for polygon in polygons for ring in polygon])
    (left, bottom), (right, top) = corners.min(axis=0), corners.max(axis=0)
    if not (right > left and top > bottom):
        return 0.0
    step = (top - bottom) / SCAN_LINES
    spans = np.concatenate([_spans(polygon, bottom, step) for polygon in polygons])
    if not len(spans):
        return 0.0
    # Each line is moved to a place of its own on one axis: the union of all spans is then one sweep along it.
    offset = spans[:, :1] * 2 * (right - left)
    start, end = (spans[:, 1:] - left + offset).T
    order = np.argsort(start, kind="stable")
    start, end = start[order], end[order]
    covered = np.concatenate([[-np.inf], np.maximum.accumulate(end)[:-1]])
    return float(np.maximum(end - np.maximum(start, covered), 0).sum() * step)


def _spans(polygon: Polygon, bottom: float, step: float) -> np.ndarray:
    """What a polygon covers of each scan line: (S, 3) line, from x, to x."""
    begin = np.concatenate(polygon)
    end = np.concatenate([np.roll(ring, -1, axis=0) for ring in polygon])
    swap = begin[:, 1] > end[:, 1]
    begin, end = np.where(swap[:, None], end, begin), np.where(swap[:, None], begin, end)
    # Line k runs through the middle of slab k.
    first, last = (np.ceil((side[:, 1] - bottom) / step - 0.5).astype(np.int64) for side in (begin, end))
    count = last - first
    edge = np.repeat(np.arange(len(begin)), count)
    line = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
    y = bottom + (line + 0.5) * step
    rise = end[edge, 1] - begin[edge, 1]
    x = begin[edge, 0] + (end[edge, 0] - begin[edge, 0]) * (y - begin[edge, 1]) / rise
    order = np.lexsort((x, line))
    # A closed ring crosses every line an even number of times.
    line, x = line[order].reshape(-1, 2), x[order].reshape(-1, 2)
    return np.column_stack([line[:, 0], x])


def _inside(points: np.ndarray, polygon: Polygon) -> np.ndarray:
    from skimage.measure import points_in_poly

    inside = np.zeros(len(points), dtype=bool)
    for ring in polygon:
        inside ^= points_in_poly(points, ring)
    return inside

"""Where on a map of areas their numbers stand: one in the middle of each area that is large enough to read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SMALLEST = 4
"""Patches of the smallest area that gets a number."""
MOST = 150
"""Numbers on one map, the largest areas first."""


def number_places(labels: NDArray[np.integer]) -> list[tuple[int, int, int]]:
    """(row, column, label) of the innermost patch of each connected area.

    Parameters
    ----------
    labels
        (rows, cols), 0 where there is nothing.
    """
    from scipy import ndimage

    found = []
    for label in np.unique(labels[labels > 0]).tolist():
        areas, _ = ndimage.label(labels == label)
        # How far inside its area each patch lies; a border of nothing, so that the edge of the map is an edge, too.
        depth = ndimage.distance_transform_cdt(np.pad(labels == label, 1), "chessboard")[1:-1, 1:-1]
        sizes = np.bincount(areas.ravel())
        large = [area for area in range(1, len(sizes)) if sizes[area] >= SMALLEST]
        for area, (row, col) in zip(large, ndimage.maximum_position(depth, areas, large) if large else (), strict=True):
            found.append((int(sizes[area]), (int(row), int(col), label)))
    found.sort(key=lambda each: -each[0])
    return [place for _, place in found[:MOST]]

"""Squares or a smooth surface: one value per patch as the picture that is drawn.  No Qt, no napari.

Linear interpolation on the graphics card gives way wherever a neighbour is missing: a map of it ends half a patch inside the tissue.
Here the patches that are there share the weight of those that are not, and the tissue keeps its edge: the outline of its squares.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMOOTH_PIXELS = 1_200_000
"""A smooth map has about as many pixels at most, so that it can be drawn anew while a slider moves."""
FINEST = 8
"""Pixels across a patch at most."""


def fineness(shape: tuple[int, int]) -> int:
    """Pixels across a patch in a smooth map of (rows, cols)."""
    cells = max(1, shape[0] * shape[1])
    return max(2, min(FINEST, int(np.sqrt(SMOOTH_PIXELS / cells))))


def smooth(image: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """(rows * factor, cols * factor) surface through the (rows, cols) patch centres; NaN exactly where ``image`` has it.

    Bilinear between the centres, with the weights of missing patches given to those that are there.
    """
    there = np.isfinite(image)
    weights = _between(_between(there.astype(np.float32), factor, 0), factor, 1)
    surface = _between(_between(np.where(there, image, np.float32(0)), factor, 0), factor, 1)
    # A patch that is there weighs at least a quarter in each of its own pixels.
    np.maximum(weights, np.float32(0.1), out=weights)
    surface /= weights
    rows, cols = image.shape
    blocks = surface.reshape(rows, factor, cols, factor)
    blocks.transpose(0, 2, 1, 3)[~there] = np.nan
    return surface


def _between(a: NDArray[np.float32], factor: int, axis: int) -> NDArray[np.float32]:
    """``factor`` times as many along an axis, linear between the centres of the cells and constant beyond the outermost."""
    a = np.moveaxis(a, axis, 0)
    before, after = np.concatenate([a[:1], a[:-1]]), np.concatenate([a[1:], a[-1:]])
    out = np.empty((len(a), factor, *a.shape[1:]), np.float32)
    for step in range(factor):
        # Where the pixel's centre is, in cells from the centre of its own.
        away = (step + 0.5) / factor - 0.5
        neighbour = before if away < 0 else after
        np.multiply(a, np.float32(1 - abs(away)), out=out[:, step])
        out[:, step] += np.float32(abs(away)) * neighbour
    return np.moveaxis(out.reshape(-1, *a.shape[1:]), 0, axis)


def shift(factor: int) -> float:
    """Where the first pixel of a map with ``factor`` pixels across a patch has its centre, in patches from that of the first patch."""
    return 0.5 / factor - 0.5

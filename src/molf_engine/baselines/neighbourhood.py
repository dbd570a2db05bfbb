"""Nearest neighbours of each spot, and where they lie in a frame that turns with the tissue.

The axes of a spot's frame are the principal axes of its neighbours' positions.  PCA leaves both signs open, so what reads the
coordinates averages over the four frames (Puny et al. 2022, frame averaging): it then does not change when the section is moved,
turned or mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TIE = 1.01
"""Spots at most this much farther away than the K-th are neighbours too: on a regular array many are equally near."""
SPARE = 8
"""Neighbours beyond K that are kept at most."""
_UNIT_UM = 100.0


@dataclass(frozen=True)
class Neighbours:
    """Of each of ``S`` spots its ``K`` nearest and itself; ``N`` columns, more than ``K + 1`` where there are ties."""

    index: np.ndarray
    """``(S, N)`` int64: rows of the neighbours; any row where not ``known``."""
    known: np.ndarray
    """``(S, N)`` bool."""
    axes: np.ndarray
    """``(S, N, 2)`` float32: coordinates along the principal axes, both signs arbitrary; 0 where neighbours lie evenly around."""
    distance: np.ndarray
    """``(S, N)`` float32: log of 1 + distance / 100 um."""


def nearest(positions_um: np.ndarray, k: int) -> Neighbours:
    """Find the ``k`` nearest neighbours of each spot, ties included.

    Parameters
    ----------
    positions_um
        ``(S, 2)``, in um, finite.
    k
        Neighbours besides the spot itself.
    """
    from scipy.spatial import cKDTree

    positions = np.asarray(positions_um, dtype=np.float64)
    spots = len(positions)
    if not spots:
        none = np.zeros((0, 1))
        return Neighbours(
            none.astype(np.int64), none.astype(bool), np.zeros((0, 1, 2), np.float32), none.astype(np.float32)
        )
    k = min(k, spots - 1)
    columns = min(spots, k + 1 + SPARE)
    away, index = (part.reshape(spots, columns) for part in cKDTree(positions).query(positions, k=columns))
    known = away <= away[:, k, None] * TIE
    used = known.any(axis=0)
    away, index, known = away[:, used], index[:, used], known[:, used]
    offset = np.where(known[:, :, None], positions[index] - positions[:, None], 0.0)
    near = np.log1p(away / _UNIT_UM)
    # Far neighbours of a lonely spot are drawn in, their direction kept.
    shrunk = offset * (near / np.maximum(away, 1e-9))[:, :, None]
    return Neighbours(
        index.astype(np.int64), known, _along_axes(shrunk, offset, known).astype(np.float32), near.astype(np.float32)
    )


def _along_axes(vectors: np.ndarray, offset: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Coordinates of ``(S, N, 2)`` vectors along the principal axes of the known offsets.

    They fade with the difference of the two variances: where neighbours lie evenly around, as inside a regular array, the
    axes of a PCA mean nothing.
    """
    count = known.sum(axis=1)[:, None, None]
    centred = np.where(known[:, :, None], offset - offset.sum(axis=1, keepdims=True) / count, 0.0)
    variances, axes = np.linalg.eigh(np.swapaxes(centred, 1, 2) @ centred)
    total = variances.sum(axis=1)
    clear = np.divide(variances[:, 1] - variances[:, 0], total, out=np.zeros_like(total), where=total > 0)
    return vectors @ axes * clear[:, None, None]

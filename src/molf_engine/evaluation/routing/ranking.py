"""Which patches to look at: those that an expert is surest of, next to each other or spread over the slide."""

from __future__ import annotations

import numpy as np


def surest(logits: np.ndarray, count: int) -> np.ndarray:
    """Rows of the highest gate logits of one expert, best first; the earlier row where two are equal.

    Parameters
    ----------
    logits : ndarray
        (P,).
    count : int
        At most so many.
    """
    return np.argsort(-logits, kind="stable")[: max(count, 0)]


def surest_apart(logits: np.ndarray, positions: np.ndarray, count: int, apart: float) -> np.ndarray:
    """As :func:`surest`, but no two closer than ``apart``, for as long as the slide has such patches.

    Where it has not, the best of the remaining ones follow at half that distance, and so on: the montage is always full.

    Parameters
    ----------
    logits : ndarray
        (P,).
    positions : ndarray
        (P, 2).
    count : int
        At most so many.
    apart : float
        Smallest distance wanted, in the units of ``positions``.
    """
    ranking = surest(logits, len(logits))
    chosen: list[int] = []
    closest = np.full(len(logits), np.inf)
    while len(chosen) < min(count, len(logits)):
        # Less than any distance between two patches: what is left is taken in its order.
        if apart < 1e-6 * max(np.ptp(positions), 1e-6):
            taken = set(chosen)
            chosen += [row for row in ranking.tolist() if row not in taken][: count - len(chosen)]
            break
        for row in ranking.tolist():
            if closest[row] >= apart:
                chosen.append(row)
                np.minimum(closest, np.hypot(*(positions - positions[row]).T), out=closest)
                if len(chosen) >= count:
                    break
        apart /= 2
    return np.array(chosen, dtype=np.int64)

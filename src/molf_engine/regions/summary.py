"""What is predicted in each region: how many patches, how much tissue, where the scores lie, which experts decided."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Summary:
    """R regions, S scores; NaN where a region holds no patch with a finite value.

    Attributes
    ----------
    patches
        (R,) patches in each region.
    mean, median, lower, upper
        (R, S) mean, median and quartiles over its patches.
    """

    patches: np.ndarray
    mean: np.ndarray
    median: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def summary(values: np.ndarray, membership: np.ndarray) -> Summary:
    """Summarise scores per region.

    Parameters
    ----------
    values
        (P, S).
    membership
        (R, P) bool, see :func:`molf_engine.regions.membership`.
    """
    rows = [_row(values[inside]) for inside in membership]
    table = np.array(rows, dtype=np.float64).reshape(len(membership), 4, values.shape[1])
    return Summary(membership.sum(axis=1), *(table[:, place] for place in range(4)))


def expert_shares(top_expert: np.ndarray, membership: np.ndarray, experts: int) -> np.ndarray:
    """(R, E) share of each region's patches that each expert decided most; NaN where there is no patch.

    Parameters
    ----------
    top_expert
        (P,) counted from 0.
    membership
        (R, P) bool.
    experts
        E.
    """
    counts = np.array([np.bincount(top_expert[inside], minlength=experts) for inside in membership], dtype=np.float64)
    counts = counts.reshape(len(membership), experts)
    total = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def square_mm(area_px: float, um_per_pixel: float) -> float:
    """Square pixels as square millimetres."""
    return area_px * (um_per_pixel / 1000.0) ** 2


def _row(values: np.ndarray) -> np.ndarray:
    """(4, S) mean, median, lower and upper quartile of the finite values of each column."""
    columns = [column[np.isfinite(column)] for column in values.T.astype(np.float64)]
    nothing = (np.nan,) * 4
    rows = [(c.mean(), *np.percentile(c, (50, 25, 75))) if len(c) else nothing for c in columns]
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T

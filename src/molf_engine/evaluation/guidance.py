"""Filter-and-Rank: which guidance scale a model uses by default (paper, eq. 11-12)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molf_engine.errors import ConfigError, DataError

_COSINE_DECIMALS = 3


def filter_and_rank(
    scales: Sequence[float],
    w1: Sequence[float],
    cosine: Sequence[float],
    mse: Sequence[float],
    tolerance: float = 0.05,
) -> int:
    """Index of the guidance scale to use, from its measures on validation sections.

    Filter (eq. 11): keep the scales whose Wasserstein distance is at most ``(1 + tolerance)`` times the smallest.  Rank
    (eq. 12): of these, the highest cosine.  The paper does not say what decides a tie; here scales whose cosines agree
    to three decimals are ranked by their mean squared error, then the smaller scale is taken.

    Parameters
    ----------
    scales
        Guidance scales ``w``.
    w1, cosine, mse
        Of each scale: mean Wasserstein distance per spot, mean cosine per spot, mean squared error.
    tolerance
        tau, 0 or more.

    Raises
    ------
    ConfigError
        If there is no scale, or the tolerance is negative.
    DataError
        If no scale has three finite measures.
    """
    values = np.array([scales, w1, cosine, mse], dtype=np.float64)
    if not values.size or tolerance < 0:
        raise ConfigError("Filter-and-Rank needs at least one guidance scale and a tolerance of 0 or more.")
    valid = np.isfinite(values).all(axis=0)
    if not valid.any():
        raise DataError("No guidance scale has finite measures on the validation sections: the model diverged there.")
    scale, distance, similarity, error = values
    # The last factor keeps a scale that is exactly at the limit but for rounding.
    limit = (1 + tolerance) * distance[valid].min() * (1 + 1e-12)
    kept = np.flatnonzero(valid & (distance <= limit))
    return int(min(kept, key=lambda i: (-round(similarity[i], _COSINE_DECIMALS), error[i], scale[i])))

"""Noise that looks like counts: zero-inflated negative binomial, matched gene by gene to the training sections."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from molf_engine.baselines.spread import Spread
from molf_engine.baselines.whole_slide import SpotRows

DRAWS = 512
"""Values kept of each gene; noise is drawn from these."""


def count_noise(sections: Iterator[SpotRows], seed: int) -> np.ndarray:
    """Draws ``(512, G)`` in the scale of the targets, which are taken for logarithms of 1 + counts.

    A gene's mean and variance give the negative binomial; zeros beyond its own are the inflation.  0 for a gene never measured.
    """
    counts, zeros = Spread(), Spread()
    for rows in sections:
        # Of a scale that is not log counts only the shape of the noise suffers.
        values = np.expm1(np.clip(rows.targets.astype(np.float64), 0, 20))
        counts.add(values, rows.measured)
        zeros.add(values == 0, rows.measured)
    mean, size, inflation = zinb(counts.mean, counts.variance, zeros.mean)
    rng = np.random.default_rng(seed)
    shape = (DRAWS, len(mean))
    drawn = rng.poisson(rng.gamma(size, mean / size, shape)) * (rng.random(shape) >= inflation)
    return np.log1p(drawn).astype(np.float32)


def zinb(mean: np.ndarray, variance: np.ndarray, zeros: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and size of the negative binomial part, and share of extra zeros.

    Parameters
    ----------
    mean, variance
        ``(G,)`` of the counts.
    zeros
        ``(G,)`` share of counts that are 0.

    Returns
    -------
    mean, size, inflation
        ``(G,)``; the whole mixture has the mean given.
    """
    # A gene with no more variance than a Poisson's gets a size so large that it is one.
    size = np.maximum(mean, 1e-6) ** 2 / np.maximum(variance - mean, 1e-3 * np.maximum(mean, 1e-6) ** 2)
    own_zeros = (size / (size + mean)) ** size
    inflation = np.clip((zeros - own_zeros) / np.maximum(1 - own_zeros, 1e-9), 0.0, 0.95)
    return mean / (1 - inflation), size, inflation

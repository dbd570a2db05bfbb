"""Centred moments of a prediction and a measurement, gene by gene: enough for Pearson correlations per section and over pooled spots.

A prediction of a thousand genes on thousands of spots need not be kept to be averaged in another way later: sections are pooled by
combining their moments (Chan, Golub & LeVeque 1979), which gives the correlation of the concatenated spots.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce

import numpy as np

from molf_engine.errors import DataError

# Spots times genes that are held as float64 at a time.
_BLOCK_VALUES = 4_000_000


@dataclass(frozen=True)
class Moments:
    """Moments of ``G`` genes over spots, (G,) float64 each; a gene without a spot has ``n`` 0 and a range from inf to -inf."""

    n: np.ndarray
    """Spots; 0 where the gene was not measured."""
    mean_predicted: np.ndarray
    mean_measured: np.ndarray
    m2_predicted: np.ndarray
    """Sum of squares about the mean."""
    m2_measured: np.ndarray
    comoment: np.ndarray
    """Sum of products about the means."""
    low_predicted: np.ndarray
    """Smallest value; with the largest it says whether the gene varies, which rounding cannot blur."""
    high_predicted: np.ndarray
    low_measured: np.ndarray
    high_measured: np.ndarray

    def __post_init__(self) -> None:
        """Check that every array is (G,)."""
        if len({getattr(self, part.name).shape for part in fields(self)}) != 1 or self.n.ndim != 1:
            raise DataError("Moments of genes should be arrays of one length.")

    def __len__(self) -> int:
        """Count the genes."""
        return len(self.n)

    @property
    def predicted_varies(self) -> np.ndarray:
        """(G,) bool, by value."""
        return self.high_predicted > self.low_predicted

    @property
    def measured_varies(self) -> np.ndarray:
        """(G,) bool, by value; false where unmeasured."""
        return self.high_measured > self.low_measured

    def pcc(self) -> np.ndarray:
        """Pearson correlation of each gene (G,), NaN where unmeasured or where one of the two does not vary.

        The same as :func:`molf_engine.evaluation.metrics.pcc` over the spots that the moments are of.
        """
        # Not the product of the two sums of squares: it leaves the range of floats before either does.
        size = np.sqrt(self.m2_predicted) * np.sqrt(self.m2_measured)
        usable = self.predicted_varies & self.measured_varies & (size > 0)
        result = np.divide(self.comoment, size, out=np.full(len(self), np.nan), where=usable)
        return np.clip(result, -1.0, 1.0)

    def mse(self) -> float:
        """Mean squared error over spots and measured genes; NaN if there is none."""
        squares = self.m2_predicted + self.m2_measured - 2 * self.comoment
        squares = squares + self.n * (self.mean_predicted - self.mean_measured) ** 2
        values = self.n.sum()
        return float(max(squares.sum(), 0.0) / values) if values else float("nan")

    def take(self, index: np.ndarray) -> Moments:
        """Moments of some genes, by their place or a mask."""
        return Moments(**{part.name: getattr(self, part.name)[index] for part in fields(self)})

    def arrays(self) -> Mapping[str, np.ndarray]:
        """Arrays by name, to be stored."""
        return {part.name: getattr(self, part.name) for part in fields(self)}


def moments(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> Moments:
    """Moments of a prediction and a measurement of the same spots.

    Parameters
    ----------
    predicted, measured : ndarray
        (S, G), finite, in one scale.
    mask : ndarray, optional
        (G,) bool: the gene was measured; none: all.
    """
    if predicted.ndim != 2 or predicted.shape != measured.shape:
        raise ValueError(f"predicted {predicted.shape} and measured {measured.shape} should both be (S, G)")
    spots, genes = predicted.shape
    used = np.arange(genes) if mask is None else np.flatnonzero(mask)
    parts = {part.name: np.zeros(genes) for part in fields(Moments)}
    for side in ("predicted", "measured"):
        parts[f"low_{side}"] += np.inf
        parts[f"high_{side}"] -= np.inf
    if not spots:
        return Moments(**parts)
    parts["n"][used] = spots
    width = max(1, _BLOCK_VALUES // spots)
    for start in range(0, len(used), width):
        columns = used[start : start + width]
        centred = {}
        for side, values in (("predicted", predicted), ("measured", measured)):
            block = values[:, columns].astype(np.float64)
            parts[f"low_{side}"][columns], parts[f"high_{side}"][columns] = block.min(axis=0), block.max(axis=0)
            parts[f"mean_{side}"][columns] = mean = block.mean(axis=0)
            centred[side] = block - mean
            parts[f"m2_{side}"][columns] = (centred[side] ** 2).sum(axis=0)
        parts["comoment"][columns] = (centred["predicted"] * centred["measured"]).sum(axis=0)
    return Moments(**parts)


def pooled(several: Iterable[Moments]) -> Moments:
    """Moments over the spots of several sections together.

    Raises
    ------
    DataError
        If there is none, or they are of different numbers of genes.

    References
    ----------
    Chan, Golub & LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances.
    """
    several = list(several)
    if not several:
        raise DataError("There is no section to pool.")
    if len({len(one) for one in several}) > 1:
        raise DataError("Sections can be pooled only if they were scored on one panel of genes.")
    return reduce(_combined, several)


def _combined(a: Moments, b: Moments) -> Moments:
    n = a.n + b.n
    share = np.divide(b.n, n, out=np.zeros_like(n), where=n > 0)
    weight = a.n * share
    step_predicted, step_measured = b.mean_predicted - a.mean_predicted, b.mean_measured - a.mean_measured
    return Moments(
        n=n,
        mean_predicted=a.mean_predicted + step_predicted * share,
        mean_measured=a.mean_measured + step_measured * share,
        m2_predicted=a.m2_predicted + b.m2_predicted + step_predicted**2 * weight,
        m2_measured=a.m2_measured + b.m2_measured + step_measured**2 * weight,
        comoment=a.comoment + b.comoment + step_predicted * step_measured * weight,
        low_predicted=np.minimum(a.low_predicted, b.low_predicted),
        high_predicted=np.maximum(a.high_predicted, b.high_predicted),
        low_measured=np.minimum(a.low_measured, b.low_measured),
        high_measured=np.maximum(a.high_measured, b.high_measured),
    )

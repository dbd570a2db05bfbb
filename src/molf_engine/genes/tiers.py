"""Hallmark sets in three tiers, by how much their genes vary (paper, Table 12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molf_engine.errors import ConfigError, DataError
from molf_engine.genes.hallmark import hallmark_sets

TIERS = ("Low", "Mid", "High")


@dataclass(frozen=True)
class SetTier:
    """Where one Hallmark set falls."""

    name: str
    genes: int
    """Genes of the set that were measured."""
    variance: float
    """Mean variance of these; NaN where there are none."""
    tier: str
    """``Low``, ``Mid`` or ``High`` by our terciles; empty where no gene is measured."""
    given_tier: str = ""
    """The same by the given thresholds, if any were given."""


@dataclass(frozen=True)
class Tiers:
    """All sets, and the two variances that part the tiers."""

    sets: tuple[SetTier, ...]
    thresholds: tuple[float, float]
    """A set is Low up to the first, Mid up to the second, High above."""
    given_thresholds: tuple[float, float] | None = None

    def names(self, tier: str) -> tuple[str, ...]:
        """Sets of one tier, by our terciles."""
        return tuple(row.name for row in self.sets if row.tier == tier)


def tiers(variance: np.ndarray, genes: Sequence[str], given: tuple[float, float] | None = None) -> Tiers:
    """Part the Hallmark sets at the terciles of the mean variance of their genes.

    The scale is the caller's and should be said beside the tiers: variances of ``log1p`` and of ``log1p-cp10k`` differ.

    Parameters
    ----------
    variance
        ``(G,)`` variance of each gene; NaN: not measured, left out.
    genes
        ``G`` symbols.
    given
        Two other thresholds, such as published ones, to show their tiers beside.

    Raises
    ------
    DataError
        If the lengths differ, a variance is negative or infinite, or no set has a measured gene.
    ConfigError
        If the given thresholds do not rise.
    """
    variance = np.asarray(variance, dtype=np.float64)
    if variance.shape != (len(genes),):
        raise DataError(f"{variance.size} variances for {len(genes)} genes: there should be one for each.")
    if np.isinf(variance).any() or (variance < 0).any():
        raise DataError(
            "A variance is negative or infinite. They should be variances of expression, NaN where unmeasured."
        )
    if given is not None and not given[0] <= given[1]:
        raise ConfigError(
            f"The thresholds {given[0]:g} and {given[1]:g} should rise: Low up to the first, High above the second."
        )
    of_gene = {gene: value for gene, value in zip(genes, variance.tolist(), strict=True) if value == value}
    found = {name: [of_gene[gene] for gene in members if gene in of_gene] for name, members in hallmark_sets().items()}
    means = {name: float(np.mean(values)) if values else float("nan") for name, values in found.items()}
    known = [mean for mean in means.values() if mean == mean]
    if not known:
        raise DataError("No Hallmark set has a measured gene. Are these human symbols?")
    low, high = (float(value) for value in np.quantile(known, [1 / 3, 2 / 3]))
    return Tiers(
        sets=tuple(
            SetTier(
                name=name,
                genes=len(found[name]),
                variance=mean,
                tier=_tier(mean, (low, high)),
                given_tier="" if given is None else _tier(mean, given),
            )
            for name, mean in means.items()
        ),
        thresholds=(low, high),
        given_thresholds=given,
    )


def _tier(variance: float, thresholds: tuple[float, float]) -> str:
    return "" if variance != variance else TIERS[sum(variance > threshold for threshold in thresholds)]

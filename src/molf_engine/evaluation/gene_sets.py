"""Sets of genes that results are averaged over: the panel, its most variable genes, Hallmark sets and their variance tiers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.scoring import HVG, TRUTH
from molf_engine.genes import Tiers, hallmark_sets, tiers
from molf_engine.genes.tiers import TIERS
from molf_engine.genes.units import UNITS

if TYPE_CHECKING:
    import pandas as pd

PANEL = "panel"
MOST_VARIABLE = f"HVG-{HVG}"
HALLMARK = "Hallmark"

Groups = Sequence[np.ndarray] | Callable[[str], Sequence[np.ndarray]]
"""Columns of one or more gene sets; or the same, told the name of the split."""


@dataclass(frozen=True)
class GeneSets:
    """Gene sets on one panel of ``G`` genes, as columns."""

    genes: tuple[str, ...]
    most_variable: Mapping[str, np.ndarray]
    """Scale to the columns of the 50 genes with the largest sd over the training spots, most variable first."""
    hallmark: Mapping[str, np.ndarray]
    """Hallmark set to the columns of its genes; a set without a gene on the panel is left out."""
    tiers: Tiers | None = None
    """Which sets vary little or much; none: no set has a gene that was measured."""
    tier_units: str = "log1p"
    """Scale of the variances behind the tiers."""
    of_split: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Split to its own most variable genes, as in ``most_variable``; splits that are not named have those."""

    def index(self, name: str, units: str, split: str = "") -> np.ndarray:
        """Columns of a set.

        Parameters
        ----------
        name : str
            `panel`, `HVG-50` (of the scale and split), `Hallmark` (all its genes), a tier (all genes of its sets), or a Hallmark set.
        units, split : str
            Scale; name of the split.

        Raises
        ------
        ConfigError
            For an unknown set.
        """
        if name == PANEL:
            return np.arange(len(self.genes))
        if name == MOST_VARIABLE:
            return self.of_split.get(split, self.most_variable)["log1p-cp10k" if units == TRUTH else units]
        if name == HALLMARK:
            return _union(self.hallmark.values())
        if name in TIERS:
            return _union(self.of_tier(name).values())
        if name in self.hallmark:
            return self.hallmark[name]
        raise ConfigError(
            f"Unknown gene set {name!r}: choose {PANEL}, {MOST_VARIABLE}, {HALLMARK}, {', '.join(TIERS)} or a Hallmark set."
        )

    def group(self, name: str, units: str) -> Groups:
        """A set as it is averaged over, split by split."""
        return lambda split: [self.index(name, units, split)]

    def correlated(self, units: str, split: str = "") -> dict[str, np.ndarray]:
        """Sets whose correlations between genes are compared."""
        return {name: self.index(name, units, split) for name in (MOST_VARIABLE, HALLMARK)}

    def of_tier(self, tier: str) -> dict[str, np.ndarray]:
        """Hallmark sets of a tier."""
        names = self.tiers.names(tier) if self.tiers else ()
        return {name: self.hallmark[name] for name in names if name in self.hallmark}

    def with_splits(self, statistics: Mapping[str, pd.DataFrame]) -> GeneSets:
        """The same, with the most variable genes of each split's own training spots; see :func:`gene_sets`.

        Raises
        ------
        DataError
            If a table lacks a column or is of another panel.
        """
        if wrong := [split for split, table in statistics.items() if tuple(table.index) != self.genes]:
            raise DataError(f"The gene statistics of {wrong[0]} are of another panel.")
        return replace(self, of_split={split: _most_variable(table) for split, table in statistics.items()})


def gene_sets(
    statistics: pd.DataFrame,
    of_tiers: Tiers | None = None,
    tier_units: str = "log1p",
    given: tuple[float, float] | None = None,
) -> GeneSets:
    """Gene sets of a panel.

    Parameters
    ----------
    statistics : DataFrame
        One row per gene of the panel in its order, indexed by symbol, with `sd_log1p`, `sd_log1p-cp10k` (over training spots, never
        over those that are scored) and `measured` (bool): a bundle's genes.
    of_tiers : Tiers, optional
        Variance tiers of the Hallmark sets; none: the terciles of these statistics.
    tier_units : str
        Scale of the variances behind the tiers.
    given : tuple of float, optional
        Two other thresholds, such as published ones, to show their tiers beside.

    Raises
    ------
    DataError
        If a column is missing.
    """
    variable = _most_variable(statistics)
    place = {symbol: column for column, symbol in enumerate(statistics.index)}
    members = {
        name: np.array(sorted(place[symbol] for symbol in symbols if symbol in place), dtype=int)
        for name, symbols in hallmark_sets().items()
    }
    hallmark = {name: index for name, index in members.items() if index.size}
    variance = statistics[f"sd_{tier_units}"].where(statistics["measured"].astype(bool)).to_numpy(dtype=np.float64) ** 2
    if of_tiers is None and np.isfinite(variance[_union(hallmark.values())]).any():
        of_tiers = tiers(variance, tuple(statistics.index), given)
    return GeneSets(tuple(statistics.index), variable, hallmark, of_tiers, tier_units)


def _most_variable(statistics: pd.DataFrame) -> dict[str, np.ndarray]:
    needed = (*(f"sd_{units}" for units in UNITS), "measured")
    if missing := [name for name in needed if name not in statistics]:
        raise DataError(
            f"The table of gene statistics has no column {', '.join(missing)}; it has {', '.join(statistics)}."
        )
    measured, variable = statistics["measured"].astype(bool), {}
    for units in UNITS:
        spread = statistics[f"sd_{units}"].where(measured).fillna(-np.inf).to_numpy(dtype=np.float64)
        order = np.argsort(-spread, kind="stable")[:HVG]
        variable[units] = order[np.isfinite(spread[order])]
    return variable


def _union(indices: Iterable[np.ndarray]) -> np.ndarray:
    parts = list(indices)
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, dtype=int)

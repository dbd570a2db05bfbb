"""Hallmark programmes (MSigDB, CC BY 4.0) and their scores on a slide."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import ConfigError
from molf_engine.genes.panels import table_lines

if TYPE_CHECKING:
    import pandas as pd

MIN_GENES = 10
"""Sets with fewer genes than this are marked wherever their score is shown."""
LIMIT = 5.0
"""A standardised gene is clipped at plus and minus this, so that no single gene carries a set."""


@cache
def hallmark_sets() -> MappingProxyType[str, tuple[str, ...]]:
    """Give the 50 Hallmark sets, whole: name without ``HALLMARK_`` to symbols, in MSigDB's (alphabetical) order."""
    sets = {}
    for line in table_lines("hallmark.tsv"):
        name, _, symbols = line.partition("\t")
        sets[name] = tuple(symbols.split())
    return MappingProxyType(sets)


def hallmark_scores(
    expression: np.ndarray,
    genes: Sequence[str],
    mean: np.ndarray,
    sd: np.ndarray,
    measured: np.ndarray,
    names: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Score of each Hallmark set: the mean over its genes of clip((x - mean) / sd, -5, 5).

    Mean and sd are those of the training spots, never of the slide, so that scores compare between slides.  Genes that
    were not measured in training, or did not vary there (sd 0), are left out.

    Parameters
    ----------
    expression
        ``(P, G)`` expression, in the scale of ``mean`` and ``sd``. ``G`` may be any part of the panel.
    genes
        ``G`` symbols.
    mean, sd
        ``(G,)`` of the training spots.
    measured
        ``(G,)`` bool: measured in training.
    names
        Only these sets; none: all 50.

    Returns
    -------
    pandas.DataFrame
        ``(P, 50)`` float32, one column a set; NaN where a set has no gene left.

    Raises
    ------
    ConfigError
        For an unknown set name.
    """
    import pandas as pd

    expression, mean, sd = np.asarray(expression), np.asarray(mean, dtype=np.float32), np.asarray(sd, dtype=np.float32)
    members = _members(genes, _usable(measured, sd), names)
    used = np.unique(np.concatenate([*members.values(), np.empty(0, dtype=int)])).astype(int)
    scores = np.full((len(expression), len(members)), np.nan, dtype=np.float32)
    if used.size:
        standardised = np.clip((expression[:, used] - mean[used]) / sd[used], -LIMIT, LIMIT).astype(
            np.float32, copy=False
        )
        weights = np.zeros((used.size, len(members)), dtype=np.float32)
        for column, index in enumerate(members.values()):
            if index.size:
                weights[np.searchsorted(used, index), column] = 1 / index.size
        filled = weights.any(axis=0)
        scores[:, filled] = standardised @ weights[:, filled]
    return pd.DataFrame(scores, columns=list(members))


def hallmark_sizes(genes: Sequence[str], measured: np.ndarray, sd: np.ndarray | None = None) -> pd.Series:
    """How many genes each Hallmark score averages; below :data:`MIN_GENES` a set is marked.

    Parameters
    ----------
    genes
        ``G`` symbols.
    measured
        ``(G,)`` bool: measured in training.
    sd
        ``(G,)`` of the training spots, to leave out genes that did not vary, as the scores do.

    Returns
    -------
    pandas.Series
        ``(50,)`` int, indexed by set name.
    """
    import pandas as pd

    members = _members(genes, _usable(measured, sd), None)
    return pd.Series({name: index.size for name, index in members.items()}, dtype=int, name="genes")


def _usable(measured: np.ndarray, sd: np.ndarray | None) -> np.ndarray:
    usable = np.asarray(measured, dtype=bool)
    return usable if sd is None else usable & (np.asarray(sd) > 0)


def _members(genes: Sequence[str], usable: np.ndarray, names: Iterable[str] | None) -> dict[str, np.ndarray]:
    """Set name to the columns of its usable genes."""
    sets = hallmark_sets()
    names = tuple(sets) if names is None else tuple(names)
    if unknown := [name for name in names if name not in sets]:
        raise ConfigError(
            f"Unknown Hallmark set {unknown[0]!r}: names are those of MSigDB without HALLMARK_, such as HYPOXIA."
        )
    columns = {symbol: column for column, symbol in enumerate(genes) if usable[column]}
    return {
        name: np.array(sorted(columns[symbol] for symbol in sets[name] if symbol in columns), dtype=int)
        for name in names
    }

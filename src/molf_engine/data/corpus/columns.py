"""Which column of a corpus is which gene of a model: the two panels may be years apart, and differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from molf_engine.genes import read_as


@dataclass(frozen=True)
class Columns:
    """Where the ``G`` genes that are asked for lie in a corpus."""

    places: np.ndarray
    """``(G,)`` int64, columns of the corpus; -1: it has no such gene."""
    others: dict[str, str] = field(default_factory=dict)
    """Genes that lie there under another name: symbol to that name."""


def find_columns(genes: tuple[str, ...], held: tuple[str, ...], measured: np.ndarray) -> Columns:
    """Columns of genes, by their symbol or by an earlier or other name.

    Names of a file were matched with the panel of the corpus.  A gene of that panel that the section does not measure, asked for
    under a name of today, may be there under the earlier name, which is in that panel too; so what is measured counts.

    Parameters
    ----------
    genes
        Asked for.
    held
        Panel of the corpus, ``H`` symbols.
    measured
        ``(H,)`` bool, what one section measures of it.
    """
    if genes == held:
        return Columns(np.arange(len(held)))
    place = {symbol: column for column, symbol in enumerate(held)}
    asked = set(genes)
    free = [symbol for symbol in held if symbol not in asked]
    others = read_as([gene for gene in genes if gene not in place], free)
    seen = {symbol for symbol, there in zip(held, measured.tolist(), strict=True) if there}
    unseen = [gene for gene in genes if others.get(gene, gene) not in seen]
    others |= read_as(unseen, [symbol for symbol in free if symbol in seen])
    return Columns(np.array([place.get(others.get(gene, gene), -1) for gene in genes], np.int64), others)

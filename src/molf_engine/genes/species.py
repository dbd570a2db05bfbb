"""Which species the genes of a file are of: human, mouse, or both, as in a tumour grown in a mouse.

Counts of a xenograft are aligned to both genomes at once.  The names then bear a prefix for their genome (``GRCh38_KRT5``,
``mm10___Krt5``, as Space Ranger writes them), or the file holds ``KRT5`` beside ``Krt5``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from molf_engine.errors import DataError
from molf_engine.genes.orthologs import orthologs

Kind = Literal["human", "mouse", "mixed", "unknown"]

MINORITY = 0.1
"""Share of the recognised names above which the rarer species counts: stray genes (a reporter, a spike-in) are far below."""
_PREFIX = re.compile(r"^(?:(grch3[78]|hg19|hg38|human)|(mm9|mm10|mm39|grcm3[89]|mouse))_+(?=.)", re.IGNORECASE)
_ENSEMBL = re.compile(r"^ENS(?:(G)|(MUSG))\d+", re.IGNORECASE)


@dataclass(frozen=True)
class Reference:
    """The genome or genomes behind the ``G`` genes of a file."""

    kind: Kind
    symbols: tuple[str, ...]
    """``G`` names without the prefix of their genome."""
    human: np.ndarray
    """``(G,)`` bool."""
    mouse: np.ndarray
    """``(G,)`` bool; neither: the name says nothing."""
    human_share: float = float("nan")
    """Share of all counts that fall on human genes; NaN where counts were not given."""
    mouse_share: float = float("nan")

    @property
    def text(self) -> str:
        """One line for a reader."""
        if self.kind != "mixed":
            return {"unknown": "genes of an unknown species"}.get(self.kind, f"{self.kind} genes")
        words = f"{self.human.sum():,} human and {self.mouse.sum():,} mouse genes"
        return (
            words
            if self.human_share != self.human_share
            else (f"{words} in one file, with {self.human_share:.1%} and {self.mouse_share:.1%} of its counts")
        )


def species_of(names: Sequence[str], counts: np.ndarray | None = None, ids: Sequence[str] | None = None) -> Reference:
    """Recognise the species of the genes of a file.

    In this order, a gene is of the species of its prefix, of its Ensembl id, of the ortholog table that holds its symbol, or,
    in a mixed file, of the species that writes symbols that way (mouse symbols have small letters).

    Parameters
    ----------
    names
        ``G`` gene names.
    counts
        ``(G,)`` counts of each gene in all, for the shares.
    ids
        ``G`` Ensembl ids, where the file has them.

    Raises
    ------
    DataError
        If ``counts`` or ``ids`` are not one for each name.
    """
    for what, values in (("counts", counts), ("ids", ids)):
        if values is not None and len(values) != len(names):
            raise DataError(f"{len(values)} {what} for {len(names)} genes: there should be one for each.")
    prefixes = [_PREFIX.match(name) for name in names]
    symbols = tuple(name[match.end() :] if match else name for name, match in zip(names, prefixes, strict=True))
    pairs = orthologs("mouse")
    mice = set(pairs.values())
    given = ids if ids is not None else symbols
    human, mouse = np.zeros(len(symbols), dtype=bool), np.zeros(len(symbols), dtype=bool)
    for place, (symbol, prefix, identity) in enumerate(zip(symbols, prefixes, given, strict=True)):
        match = prefix or _PREFIX.match(str(identity)) or _ENSEMBL.match(str(identity))
        if match:
            human[place], mouse[place] = match.group(1) is not None, match.group(2) is not None
        else:
            human[place], mouse[place] = symbol in pairs, symbol in mice
    # The few symbols that both species write alike tell nothing.
    human, mouse = human & ~mouse, mouse & ~human
    kind = _kind(int(human.sum()), int(mouse.sum()))
    if kind == "mixed":
        small = np.array([_is_small(symbol) for symbol in symbols])
        unknown = ~human & ~mouse
        human, mouse = human | (unknown & ~small), mouse | (unknown & small)
    shares = (float("nan"), float("nan"))
    if counts is not None and (total := float(np.sum(counts))) > 0:
        shares = (float(np.sum(counts[human])) / total, float(np.sum(counts[mouse])) / total)
    return Reference(kind, symbols, human, mouse, *shares)


def _kind(humans: int, mice: int) -> Kind:
    if not humans + mice:
        return "unknown"
    if min(humans, mice) > MINORITY * (humans + mice):
        return "mixed"
    return "human" if humans >= mice else "mouse"


def _is_small(symbol: str) -> bool:
    """Whether a symbol is written as in the mouse: Krt5, mt-Co1, 1700001C19Rik, H2-K1; but not C1orf112."""
    return symbol.startswith("H2-") or any(letter.islower() for letter in symbol.replace("orf", ""))

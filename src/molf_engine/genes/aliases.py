"""Earlier and other names of human genes: a file and a panel may be years apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from types import MappingProxyType

from molf_engine.genes.panels import table_lines


@cache
def approved_symbols() -> MappingProxyType[str, str]:
    """Earlier or other name to the approved symbol (HGNC), for names that mean exactly one gene.

    A name that is also the approved symbol of another gene, that two genes share, or that is written as the symbols of
    the mouse are, is not in it: genes of a mouse are matched by :func:`~molf_engine.genes.orthologs.orthologs` alone.
    """
    approved = {}
    for line in table_lines("aliases.tsv"):
        symbol, _, names = line.partition("\t")
        approved.update(dict.fromkeys(names.split(), symbol))
    return MappingProxyType(approved)


def approved_symbol(name: str) -> str:
    """Today's symbol of a gene; the name itself where it is that, or unknown, or means several genes."""
    return approved_symbols().get(name, name)


def read_as(missing: Iterable[str], present: Sequence[str]) -> dict[str, str]:
    """Panel genes that a file has under another name, and that name.

    Only where exactly one name of the file means the same gene, and no two missing genes claim it.

    Parameters
    ----------
    missing
        Symbols of the panel that the file does not have.
    present
        Symbols of the file that are not in the panel.
    """
    by_gene: dict[str, set[str]] = {}
    for name in present:
        if name:
            by_gene.setdefault(approved_symbol(name), set()).add(name)
    claims: dict[str, list[str]] = {}
    for symbol in missing:
        claims.setdefault(approved_symbol(symbol), []).append(symbol)
    return {
        symbols[0]: next(iter(by_gene[gene]))
        for gene, symbols in claims.items()
        if len(symbols) == 1 and len(by_gene.get(gene, ())) == 1
    }

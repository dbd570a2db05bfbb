"""Other names of the genes of a panel.  No Qt."""

from __future__ import annotations

from collections.abc import Iterable


def other_names(genes: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Earlier and other names (HGNC) of genes, by the symbol that the panel uses; tens of milliseconds at the first call.

    Where the panel itself uses an earlier name, today's symbol is among the others.
    """
    from molf_engine.genes import approved_symbol, approved_symbols

    wanted: dict[str, list[str]] = {}
    for gene in genes:
        wanted.setdefault(approved_symbol(gene), []).append(gene)
    names: dict[str, list[str]] = {gene: [] for panel in wanted.values() for gene in panel}
    for symbol, panel in wanted.items():
        for gene in panel:
            if gene != symbol:
                names[gene].append(symbol)
    for name, symbol in approved_symbols().items():
        for gene in wanted.get(symbol, ()):
            if gene != name:
                names[gene].append(name)
    return {gene: tuple(others) for gene, others in names.items() if others}

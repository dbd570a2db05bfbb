"""One-to-one orthologs between human and another species."""

from __future__ import annotations

from functools import cache
from types import MappingProxyType

from molf_engine.errors import ConfigError
from molf_engine.genes.panels import table_lines


@cache
def orthologs(species: str) -> MappingProxyType[str, str]:
    """Human symbol to the other species' symbol, for genes that have exactly one counterpart.

    Parameters
    ----------
    species
        Only ``mouse``.

    Raises
    ------
    ConfigError
        For another species.
    """
    if species != "mouse":
        raise ConfigError(f"No orthologs for {species!r}: only mouse is known.")
    pairs = {}
    for line in table_lines("orthologs-mouse.tsv"):
        human, _, mouse = line.partition("\t")
        pairs[human] = mouse or human.capitalize()
    return MappingProxyType(pairs)

"""Gene panels, Hallmark programmes, aliases, human-mouse orthologs and the scales of expression.

The tables are package data (``tables/``, with source and licence); nothing here knows slides or networks.
"""

from molf_engine.genes.aliases import approved_symbol, approved_symbols, read_as
from molf_engine.genes.hallmark import MIN_GENES, hallmark_scores, hallmark_sets, hallmark_sizes
from molf_engine.genes.orthologs import orthologs
from molf_engine.genes.panels import panel
from molf_engine.genes.species import Reference, species_of
from molf_engine.genes.tiers import SetTier, Tiers, tiers
from molf_engine.genes.units import convert_units

__all__ = [
    "MIN_GENES",
    "Reference",
    "SetTier",
    "Tiers",
    "approved_symbol",
    "approved_symbols",
    "convert_units",
    "hallmark_scores",
    "hallmark_sets",
    "hallmark_sizes",
    "orthologs",
    "panel",
    "read_as",
    "species_of",
    "tiers",
]

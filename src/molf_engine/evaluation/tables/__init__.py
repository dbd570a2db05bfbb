"""Tables of a benchmark: results in, a table with its caption and notes out."""

from molf_engine.evaluation.tables.ablations import Ablation, ablation
from molf_engine.evaluation.tables.hallmark import by_set, by_tier
from molf_engine.evaluation.tables.models import by_section, by_type, pooled_by_type
from molf_engine.evaluation.tables.other import measures, structure, sweeps_table
from molf_engine.evaluation.tables.table import Bootstrap, Table

__all__ = [
    "Ablation",
    "Bootstrap",
    "Table",
    "ablation",
    "by_section",
    "by_set",
    "by_tier",
    "by_type",
    "measures",
    "pooled_by_type",
    "structure",
    "sweeps_table",
]

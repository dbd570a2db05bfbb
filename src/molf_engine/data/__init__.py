"""Sections of tissue with measured expression: the HEST layout, splits, and simulated tissue."""

from molf_engine.data.expression import Expression, load_expression
from molf_engine.data.sections import Section, cancer_code, read_hest
from molf_engine.data.splits import read_split

__all__ = ["Expression", "Section", "cancer_code", "load_expression", "read_hest", "read_split"]

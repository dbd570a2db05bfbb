"""Reports that a person opens: one HTML file with its tables as CSV and its figures as PNG and SVG beside it."""

from molf_engine.evaluation.report.cells import Estimate
from molf_engine.evaluation.report.drawing import COLOURS, MARKERS, new_figure
from molf_engine.evaluation.report.page import Page

__all__ = ["COLOURS", "MARKERS", "Estimate", "Page", "new_figure"]

"""Figures of reports: one look, told apart by colour-blind readers too, and no window system needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555", "#8a6d3b")
"""After Okabe and Ito's palette, its yellow left out: it does not show on white."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A marker beside each colour, for a reader or printer without colour."""


def new_figure(width: float = 7.0, height: float = 4.0) -> Figure:
    """An empty figure, inches, that draws to a file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def tidy(axes: Axes) -> None:
    """Take away what holds no data: the frame above and to the right; add a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e3e3e3", linewidth=0.7)
    axes.set_axisbelow(True)

"""Expert use per cancer type, and the distance between types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.report import new_figure
from molf_engine.evaluation.report.drawing import tidy
from molf_engine.evaluation.routing.divergence import cluster_order, distance_matrix
from molf_engine.evaluation.routing.figures.palette import EDGE, SOFT, expert_colours, legend, type_colours
from molf_engine.evaluation.routing.usage import SectionUse, by_type, type_shares

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

_LEAST_LABELLED = 0.07


def draw_use(uses: Sequence[SectionUse], experts: Sequence[str]) -> Figure:
    """Stacked bars of each type's mean use, one below the other, and even use at the end."""
    shares = type_shares(uses)
    rows = [*shares.items(), ("even use", np.full(len(experts), 1 / len(experts)))]
    figure = new_figure(7.6, 0.75 + 0.36 * len(rows))
    axes = figure.subplots()
    groups = by_type(uses)
    colours = expert_colours(len(experts))
    for place, (name, values) in enumerate(rows):
        left = np.concatenate([[0], np.cumsum(values)[:-1]])
        faint = 1.0 if name in shares else 0.35
        axes.barh(place, values, 0.72, left=left, color=colours, edgecolor="white", linewidth=1, alpha=faint)
        for start, value, colour in zip(left, values, colours, strict=True):
            if value >= _LEAST_LABELLED and name in shares:
                axes.text(
                    start + value / 2, place, f"{100 * value:.0f}", ha="center", va="center", size=8, color=_ink(colour)
                )
    labels = [f"{name}  (n = {len(groups[name])})" if name in shares else name for name, _ in rows]
    axes.set_yticks(range(len(rows)), labels, size=9)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_xlabel("share of top-k assignments, %; mean over sections", size=9)
    axes.set_xticks(np.linspace(0, 1, 6), [f"{tick:.0f}" for tick in np.linspace(0, 100, 6)], size=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    legend(axes, dict(zip(experts, colours, strict=True)))
    return figure


def draw_section_use(uses: Sequence[SectionUse], experts: Sequence[str]) -> Figure:
    """A panel per expert, a row per type: every section a dot, their mean a bar, even use a dashed line."""
    groups, colours = by_type(uses), type_colours([use.type for use in uses])
    columns = min(len(experts), 6)
    lines = -(-len(experts) // columns)
    figure = new_figure(1.0 + 1.35 * columns, lines * (0.8 + 0.34 * len(groups)))
    grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    most = max(float(use.shares.max()) for use in uses)
    for number, axes in enumerate(grid.flat):
        if number >= len(experts):
            axes.set_axis_off()
            continue
        tidy(axes)
        axes.axvline(1 / len(experts), color=SOFT, linewidth=1, linestyle=(0, (3, 2)))
        for place, (name, of_type) in enumerate(groups.items()):
            values = np.array([use.shares[number] for use in of_type])
            # Spread over the row's height in the order of the sections: no chance, so the same figure every time.
            offsets = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else np.zeros(1)
            axes.plot([values.mean()] * 2, [place - 0.36, place + 0.36], color="#222222", linewidth=1.6, zorder=3)
            axes.scatter(
                values, place + offsets, s=20, color=colours[name], edgecolor=EDGE, linewidth=0.5, zorder=4, alpha=0.9
            )
        axes.set_title(experts[number], size=9)
        axes.tick_params(labelsize=8)
    first = grid[0, 0]
    first.set_yticks(range(len(groups)), list(groups), size=9)
    first.set(ylim=(len(groups) - 0.5, -0.5), xlim=(-0.03 * most, 1.08 * most))
    figure.supxlabel("share of top-k assignments", size=9)
    return figure


def draw_distances(models: Sequence[tuple[str, Sequence[SectionUse]]]) -> Figure:
    """Heat map of the distance between every two types, one per model, in the first one's order (paper, Figure 7).

    Parameters
    ----------
    models : sequence
        Name of the model, and its use of the same sections.
    """
    shares = [type_shares(uses) for _, uses in models]
    names = list(shares[0])
    matrices = [distance_matrix(np.array([of_model[name] for name in names])) for of_model in shares]
    order = cluster_order(matrices[0])
    side = max(2.4, 0.62 * len(names))
    figure = new_figure((side + 0.9) * len(models) + 0.8, side + 0.9)
    grid = figure.subplots(1, len(models), squeeze=False)[0]
    highest = max(0.05, *(float(matrix.max()) for matrix in matrices))
    for axes, (model, _), matrix in zip(grid, models, matrices, strict=True):
        image = _heat_map(axes, matrix[np.ix_(order, order)], [names[place] for place in order], highest)
        axes.set_title(model, size=9)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.75, pad=0.02)
    bar.set_label("Jensen-Shannon distance", size=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _heat_map(axes: Axes, matrix: np.ndarray, names: Sequence[str], highest: float) -> AxesImage:
    image = axes.imshow(matrix, cmap="YlGnBu", vmin=0, vmax=highest)
    size = 8 if len(names) <= 12 else 6
    for row, line in enumerate(matrix):
        for column, value in enumerate(line):
            if row != column:
                ink = "white" if value > 0.6 * highest else "#222222"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", size=size, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", size=size)
    axes.set_yticks(range(len(names)), names, size=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return image


def _ink(colour: str) -> str:
    """Black or white, whichever is read better on a colour."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return "#1a1a1a" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "white"

"""What the experts see: patches they are surest of, genes where they are used, and their partners in another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.report import new_figure
from molf_engine.evaluation.report.drawing import tidy
from molf_engine.evaluation.routing.comparison import Comparison
from molf_engine.evaluation.routing.exemplars import COUNT, SIZE_PX, Exemplar, Images
from molf_engine.evaluation.routing.figures.palette import expert_colours, legend, type_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 6
GAP_PX = 5
MISSING = 230
"""Grey of a patch that could not be read."""
SCALE_BAR_UM = 50
GENES_EACH_WAY = 6
PROGRAMMES = 24
FALSE_DISCOVERY = 0.05


def draw_montage(
    blocks: Sequence[tuple[str, Sequence[Exemplar]]],
    images: Images,
    types: Sequence[str],
    size_um: float,
    width: int = ACROSS,
) -> Figure:
    """Blocks of patches side by side, best first, each framed in the colour of its cancer type.

    Parameters
    ----------
    blocks : sequence
        Title of a block, and its patches.
    images : Images
        Their pixels; a patch without is left grey.
    types : sequence of str
        All cancer types, for the colours.
    size_um : float
        Side of a patch, for the scale bar.
    width : int
        Patches in a row.
    """
    lines = -(-COUNT // width)
    colours = type_colours(types)
    figure = new_figure(4.5 * len(blocks) + 0.8, 0.75 * lines + 0.35)
    grid = figure.subplots(1, len(blocks), squeeze=False)[0]
    for axes, (title, patches) in zip(grid, blocks, strict=True):
        _block(axes, patches, images, [colours[exemplar.type] for exemplar in patches], width, lines)
        _scale_bar(axes, size_um)
        axes.set(xlim=(-0.05, width + 0.05), ylim=(lines + 0.05, -0.05), aspect="equal")
        axes.set_axis_off()
        axes.set_title(title, size=9)
    shown = {exemplar.type for _, patches in blocks for exemplar in patches}
    legend(grid[-1], {name: colour for name, colour in colours.items() if name in shown})
    return figure


def draw_programmes(table: pd.DataFrame, experts: Sequence[str], marked: Sequence[str] = ()) -> Figure:
    """Heat map of the Hallmark sets whose use differs most: sets by experts; a dot where the false discovery rate is below 5 %.

    Parameters
    ----------
    table : DataFrame
        Rows of kind `programme`, see :func:`molf_engine.evaluation.routing.effect_table.effect_table`.
    experts : sequence of str
        Names.
    marked : sequence of str
        Sets with few genes, which get a star.
    """
    grid = table.pivot(index="name", columns="expert", values="difference").reindex(columns=list(experts))
    strongest = grid.abs().max(axis=1).sort_values(ascending=False).index[:PROGRAMMES]
    chosen = grid.loc[strongest]
    chosen = chosen.iloc[_row_order(chosen.to_numpy())]
    q = table.pivot(index="name", columns="expert", values="q").reindex(index=chosen.index, columns=list(experts))
    figure = new_figure(4.1 + 0.52 * len(experts), 1.1 + 0.23 * len(chosen))
    axes = figure.subplots()
    reach = max(0.2, float(np.nanmax(np.abs(chosen.to_numpy()))))
    image = axes.imshow(np.ma.masked_invalid(chosen.to_numpy()), cmap="PuOr_r", vmin=-reach, vmax=reach, aspect="auto")
    rows, columns = np.nonzero(q.to_numpy() < FALSE_DISCOVERY)
    dark = np.abs(chosen.to_numpy()[rows, columns]) > 0.6 * reach
    axes.scatter(columns, rows, s=7, c=np.where(dark, "white", "#222222"), linewidth=0)
    axes.set_facecolor("#eeeeee")
    axes.set_xticks(range(len(experts)), list(experts), size=9)
    names = [name.replace("_", " ") + ("*" if name in marked else "") for name in chosen.index]
    axes.set_yticks(range(len(chosen)), names, size=7)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.5, pad=0.03)
    bar.set_label("standardised difference\n(spots of the expert against the others)", size=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def draw_genes(table: pd.DataFrame, experts: Sequence[str], each_way: int = GENES_EACH_WAY) -> Figure:
    """A panel per expert: the genes most above and most below the others, with their 95 % interval where there is one."""
    most = 2 * each_way
    columns = min(3, len(experts))
    lines = -(-len(experts) // columns)
    figure = new_figure(3.1 * columns, lines * (0.75 + 0.19 * most))
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
    for axes in grid.flat[len(experts) :]:
        axes.set_axis_off()
    colours = expert_colours(len(experts))
    for axes, expert, colour in zip(grid.flat, experts, colours, strict=False):
        tidy(axes)
        axes.set_title(expert, size=9)
        axes.axvline(0, color="#555555", linewidth=0.8)
        axes.tick_params(labelsize=8)
        rows = table[table["expert"] == expert].sort_values("difference", ascending=False, kind="stable")
        rows = rows if len(rows) <= most else rows.iloc[[*range(each_way), *range(-each_way, 0)]]
        if rows.empty:
            axes.text(0.5, 0.5, "too few spots", transform=axes.transAxes, ha="center", size=8, color="#777777")
            axes.set_yticks([])
            continue
        places = np.arange(len(rows))
        known = rows["low"].notna().to_numpy()
        axes.hlines(places[known], rows["low"][known], rows["high"][known], color="#9a9a9a", linewidth=2.2)
        sure = (rows["q"] < FALSE_DISCOVERY).to_numpy()
        axes.scatter(
            rows["difference"],
            places,
            s=22,
            facecolor=[colour if s else "white" for s in sure],
            edgecolor="#333333",
            linewidth=0.7,
            zorder=3,
        )
        axes.set_yticks(places, list(rows["name"]), size=7.5)
        axes.set_ylim(most - 0.5, -0.5)
    figure.supxlabel("standardised difference within sections: spots of the expert against the others", size=9)
    return figure


def draw_matching(
    comparison: Comparison, names: tuple[str, str], experts: tuple[Sequence[str], Sequence[str]]
) -> Figure:
    """Where the spots of each expert go in another model; partners are framed."""
    from matplotlib.patches import Rectangle

    counts = comparison.counts
    total = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    figure = new_figure(1.7 + 0.62 * counts.shape[1], 1.1 + 0.55 * counts.shape[0])
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for row, line in enumerate(shares):
        for column, value in enumerate(line):
            ink = "white" if value > 0.55 else "#222222"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", size=8, color=ink)
    for row, column in comparison.matched:
        axes.add_patch(Rectangle((column - 0.47, row - 0.46), 0.94, 0.92, fill=False, edgecolor="#d55e00", linewidth=2))
    axes.set_xticks(range(counts.shape[1]), list(experts[1]), size=9)
    axes.set_yticks(range(counts.shape[0]), list(experts[0]), size=9)
    axes.set_xlabel(f"first expert in {names[1]}", size=9)
    axes.set_ylabel(f"first expert in {names[0]}", size=9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.03, shrink=0.8)
    bar.set_label("share of the row's spots", size=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _block(
    axes: Axes, patches: Sequence[Exemplar], images: Images, colours: Sequence[str], width: int, lines: int
) -> None:
    """Patches as one image, a cell of side 1 each, with a frame around every one."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    cell = SIZE_PX + 2 * GAP_PX
    canvas = np.full((lines * cell, width * cell, 3), 255, dtype=np.uint8)
    frames = []
    for place, exemplar in enumerate(patches):
        row, column = divmod(place, width)
        top, left = row * cell + GAP_PX, column * cell + GAP_PX
        pixels = images.of(exemplar)
        canvas[top : top + SIZE_PX, left : left + SIZE_PX] = MISSING if pixels is None else pixels
        frames.append(Rectangle((left / cell, top / cell), SIZE_PX / cell, SIZE_PX / cell))
    axes.imshow(canvas, extent=(0, width, lines, 0), interpolation="antialiased")
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=list(colours), linewidth=1.6))


def _scale_bar(axes: Axes, size_um: float) -> None:
    """A bar in the first patch."""
    length = SIZE_PX / (SIZE_PX + 2 * GAP_PX) * SCALE_BAR_UM / size_um
    if length > 0.8:
        return
    axes.plot([0.12, 0.12 + length], [0.87, 0.87], color="white", linewidth=4, solid_capstyle="butt")
    axes.plot([0.12, 0.12 + length], [0.87, 0.87], color="black", linewidth=2.2, solid_capstyle="butt")


def _row_order(values: np.ndarray) -> list[int]:
    """Rows with their highest value at the same expert together, strongest first."""
    filled = np.nan_to_num(values)
    best = filled.argmax(axis=1)
    return sorted(range(len(values)), key=lambda row: (best[row], -filled[row].max()))

"""The latent space in a plane (paper, Figure 5), and the paths that lead into it (Figures 3 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.report import new_figure
from molf_engine.evaluation.routing.figures.palette import EDGE, SOFT, expert_colours, legend, type_colours
from molf_engine.evaluation.routing.latent_space import Embedding, LatentSample
from molf_engine.evaluation.routing.transport import SectionPaths, plane_of_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

START = "#c9c9c9"
MOST_NAMES = 30
"""In a legend."""


def draw_latents(
    sample: LatentSample, embeddings: Sequence[tuple[str, Embedding]], experts: Sequence[str], seed: int = 0
) -> Figure:
    """A row per kind of latent; one column coloured by cancer type (by patient if there is one type), one by first expert."""
    title, labels = ("cancer type", sample.types) if len(set(sample.types)) > 1 else ("patient", sample.patients)
    palette = type_colours(sorted(set(labels)))
    columns = [(title, np.array([palette[name] for name in labels]), palette)]
    if sample.experts is not None:
        colours = expert_colours(len(experts))
        columns.append(("first expert", np.array(colours)[sample.experts], dict(zip(experts, colours, strict=True))))
    # In a random order: the last group drawn must not hide the others.
    order = np.random.default_rng(seed).permutation(len(sample))
    size = float(np.clip(16_000 / len(sample), 2, 14))
    figure = new_figure(1.2 + 4.0 * len(columns), 3.5 * len(embeddings))
    grid = figure.subplots(len(embeddings), len(columns), squeeze=False)
    for number, (row, (name, embedding)) in enumerate(zip(grid, embeddings, strict=True)):
        points = embedding.points[order]
        for place, (axes, (title, colours_of, names)) in enumerate(zip(row, columns, strict=True)):
            axes.scatter(
                *points.T, s=size, c=colours_of[order], linewidth=0.15, edgecolor=EDGE, alpha=0.85, rasterized=True
            )
            _bare(axes)
            if place == 0:
                axes.set_ylabel(f"{name}\n{embedding.method} 2", size=9)
            if number == 0:
                axes.set_title(f"coloured by {title}", size=9)
                if len(names) <= MOST_NAMES:
                    legend(axes, names, columns=1 + len(names) // 15)
            axes.set_xlabel(f"{embedding.method} 1", size=8)
    return figure


def draw_paths(paths: Sequence[SectionPaths], experts: Sequence[str]) -> Figure:
    """One step and many for each section, coloured by first expert (by type where there are none).

    One section lies in a row, several stand in columns.
    """
    plane, palette = plane_of_ends(paths), type_colours([found.type for found in paths])
    alone = len(paths) == 1
    width = 3.7 if alone else min(3.2, 8.6 / len(paths))
    figure = new_figure(1.1 + width * (2 if alone else len(paths)), width + 0.5 if alone else 2 * width + 0.9)
    grid = figure.subplots(*((1, 2) if alone else (2, len(paths))), squeeze=False, sharex=True, sharey=True)
    cells = grid if alone else grid.T
    for pair, found in zip(cells, paths, strict=True):
        colours = (
            np.full(len(found.paths), palette[found.type], dtype=object)
            if found.experts is None
            else np.array(expert_colours(len(experts)))[found.experts]
        )
        one = np.stack([found.paths[:, 0], found.one_step], axis=1)
        for axes, lines, steps in zip(pair, (one, found.paths), ("one step", f"{found.steps} steps"), strict=True):
            _paths(axes, plane.project(lines), colours)
            axes.set_title(f"{found.section} ({found.type}),\n{steps}", size=9 if width > 2 else 7)
    for axes in grid[:, 0]:
        axes.set_ylabel("component 2", size=8)
    for axes in grid[-1]:
        axes.set_xlabel("component 1", size=8)
    names = palette if paths[0].experts is None else dict(zip(experts, expert_colours(len(experts)), strict=True))
    legend(grid[0, -1], {"noise": START, **names})
    return figure


def draw_paths_by_type(paths: Sequence[SectionPaths]) -> Figure:
    """All sections in one picture, coloured by cancer type: in one step, in many, and the ends alone."""
    plane = plane_of_ends(paths)
    palette = type_colours([found.type for found in paths])
    colours = np.concatenate([np.full(len(found.paths), palette[found.type], dtype=object) for found in paths])
    lines = plane.project(np.concatenate([found.paths for found in paths]))
    one = np.stack([lines[:, 0], plane.project(np.concatenate([found.one_step for found in paths]))], axis=1)
    order = np.random.default_rng(0).permutation(len(lines))
    figure = new_figure(9.4, 3.3)
    grid = figure.subplots(1, 3, sharex=True, sharey=True)
    titles = ("one step", f"{paths[0].steps} steps", f"ends of {paths[0].steps} steps")
    for axes, drawn, title, bare in zip(grid, (one, lines, lines), titles, (False, False, True), strict=True):
        _paths(axes, drawn[order], colours[order], ends_only=bare)
        axes.set_title(title, size=9)
        axes.set_xlabel(
            f"component 1 (with 2: {100 * plane.share:.0f} % of the ends' variance)" if bare else "component 1", size=8
        )
    grid[0].set_ylabel("component 2", size=8)
    legend(grid[-1], {"noise": START, **palette})
    return figure


def draw_straightness(paths: Sequence[SectionPaths]) -> Figure:
    """How the length of the paths over their chord is distributed, per section."""
    palette = type_colours([found.type for found in paths])
    figure = new_figure(6.4, 0.9 + 0.4 * len(paths))
    axes = figure.subplots()
    values = [found.straightness[np.isfinite(found.straightness)] for found in paths]
    boxes = axes.boxplot(
        values, orientation="horizontal", whis=(5, 95), showfliers=False, patch_artist=True, widths=0.55,
        medianprops={"color": "#111111"},
    )  # fmt: skip
    for box, found in zip(boxes["boxes"], paths, strict=True):
        box.set(facecolor=palette[found.type], alpha=0.75)
    axes.axvline(1, color=SOFT, linestyle=(0, (3, 2)), linewidth=1)
    axes.set_yticks(range(1, len(paths) + 1), [f"{found.section} ({found.type})" for found in paths], size=9)
    axes.invert_yaxis()
    axes.set_xlabel(f"length of the path in {paths[0].steps} steps over its chord (1: straight)", size=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="x", labelsize=8)
    return figure


def _paths(axes: Axes, lines: np.ndarray, colours: np.ndarray, ends_only: bool = False) -> None:
    """Grey starts, thin lines, coloured ends; lines is (Q, points, 2)."""
    from matplotlib.collections import LineCollection

    if not ends_only:
        axes.add_collection(LineCollection(list(lines), colors=list(colours), linewidths=0.6, alpha=0.8, zorder=2))
    axes.scatter(lines[:, 0, 0], lines[:, 0, 1], s=7, color=START, linewidth=0, zorder=1, rasterized=True)
    axes.scatter(
        lines[:, -1, 0],
        lines[:, -1, 1],
        s=15,
        c=list(colours),
        edgecolor=EDGE,
        linewidth=0.4,
        zorder=3,
        rasterized=True,
    )
    _bare(axes)
    axes.margins(0.04)


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color("#d5d5d5")

"""What came out, drawn: the clouds of points, and which expert is in charge where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from molf_engine.evaluation.gaussians.models import EXPERTS
from molf_engine.evaluation.gaussians.study import Run, Study
from molf_engine.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARGIN = 2.2
"""Room around the circle of the centres."""
BINS = 160
TIMES = (0.0, 0.5, 0.9)
PANEL = 2.1
"""Inches."""


def draw_clouds(path: Path, study: Study) -> None:
    """Truth and condition, then a column per network and a row per number of steps, as one PNG; the first seed of each."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    few, many = min(study.floors.points), max(study.floors.points)
    firsts = _first_runs(study)
    columns = len({run.variant.name for run in firsts})
    norms = sorted({run.variant.input_norm for run in firsts})
    rows = 1 + 2 * len(norms)
    figure = Figure(figsize=(PANEL * max(columns, 4), 0.45 + (PANEL + 0.25) * rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, max(columns, 4), squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat:
        axes.set_axis_off()
    known = [
        (study.test.value, "truth"),
        (study.test.condition, "condition"),
        (study.floors.points[few], f"exact velocity, {_count(few)}"),
        (study.floors.points[many], f"exact velocity, {_count(many)}"),
    ]
    for axes, (points, title) in zip(grid[0], known, strict=False):
        _cloud(axes, points, study, title)
    for block, norm in enumerate(norms):
        for column, run in enumerate(run for run in firsts if run.variant.input_norm == norm):
            for row, steps in enumerate((few, many)):
                score = next(score for score in run.scores if score.steps == steps)
                axes = grid[1 + 2 * block + row, column]
                title = f"{run.variant.name}\n{_count(steps)}: W2 {score.w2:.3f}"
                _cloud(axes, run.points[steps], study, title)
                if column == 0:
                    words = "with input norm" if norm else "no input norm"
                    axes.text(-0.06, 0.5, words, transform=axes.transAxes, rotation=90, ha="right", va="center", size=9)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110)


def draw_experts(path: Path, study: Study) -> None:
    """Map of the expert in charge of each condition, a column per time and a row per network, as one PNG; the first seed.

    For a condition, z is where the straight path from 0 to the exact conditional mean is at that time; contours are the density of the
    conditions.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import ListedColormap
    from matplotlib.figure import Figure

    runs = [run for run in _first_runs(study) if run.routing is not None]
    figure = Figure(figsize=(0.4 + PANEL * len(TIMES), (PANEL + 0.1) * len(runs)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(runs), len(TIMES), squeeze=False, sharex=True, sharey=True)
    colours = ListedColormap(COLOURS)
    reach = study.problem.radius + MARGIN
    ticks = torch.linspace(-reach, reach, BINS)
    condition = torch.cartesian_prod(ticks, ticks)
    goal = study.problem.posterior(condition).mean()
    for axes, t in zip(grid[0], TIMES, strict=True):
        axes.set_title(f"t = {t:g}", size=9)
    for row, run in zip(grid, runs, strict=True):
        for axes, t in zip(row, TIMES, strict=True):
            with torch.no_grad():
                expert = run.network.choose(t * goal, t, condition).view(BINS, BINS)
            axes.imshow(
                expert.T, origin="lower", extent=(-reach, reach) * 2, cmap=colours, vmin=-0.5, vmax=EXPERTS - 0.5,
                interpolation="nearest", alpha=0.75,
            )  # fmt: skip
            _contours(axes, study)
            axes.set(xticks=[], yticks=[], aspect="equal")
        norm = "with input norm" if run.variant.input_norm else "no input norm"
        row[0].set_ylabel(f"{run.variant.name}\n{norm}", size=9)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110)


COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#ee8866")
"""One per expert, told apart by colour-blind readers too (after Paul Tol's bright scheme)."""


def _first_runs(study: Study) -> list[Run]:
    """The first seed of each network, in order."""
    return list({run.variant: run for run in reversed(study.runs)}.values())[::-1]


def _count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"


def _cloud(axes: Axes, points: Tensor, study: Study, title: str) -> None:
    from matplotlib.colors import LogNorm

    reach = study.problem.radius + MARGIN
    x, y = points.T.numpy()
    axes.set_axis_on()
    axes.hist2d(x, y, bins=BINS, range=((-reach, reach),) * 2, cmap="magma_r", norm=LogNorm(vmin=1), rasterized=True)
    axes.set_title(title, size=9)
    axes.set(xticks=[], yticks=[], aspect="equal")


def _contours(axes: Axes, study: Study) -> None:
    """Two lines around each peak of the conditions, at 1 and 2 sd."""
    from matplotlib.patches import Circle

    seen = (study.problem.sd**2 + study.problem.noise**2) ** 0.5
    for centre in study.problem.centres().tolist():
        for times in (1, 2):
            axes.add_patch(Circle((centre[0], centre[1]), times * seen, fill=False, edgecolor="black", linewidth=0.7))

"""Figures of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.gene_sets import GeneSets
from molf_engine.evaluation.protocols import Comparison, Scores
from molf_engine.evaluation.report.drawing import COLOURS, MARKERS, new_figure, tidy
from molf_engine.evaluation.sweep import Sweep
from molf_engine.evaluation.tables.hallmark import variance_of
from molf_engine.evaluation.tables.table import Bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def models_figure(scores: Scores, bootstrap: Bootstrap) -> Figure:
    """Score of every section and model: a mark per section, its colour the cancer type; a bar at the mean, with its interval.

    Parameters
    ----------
    scores : Scores
        Per section.
    bootstrap : Bootstrap
        For the intervals.
    """
    figure = new_figure(8.0, 1.2 + 0.5 * len(scores.models))
    axes = figure.subplots()
    tidy(axes)
    codes = np.array(scores.design.code)
    # Cancer types side by side in a row, so that equal values of two types are both seen.
    offsets = dict(
        zip(scores.codes, np.linspace(-0.22, 0.22, len(scores.codes)) if len(scores.codes) > 1 else [0.0], strict=True)
    )
    for row, model in enumerate(scores.models):
        values = scores.values(model)
        for place, code in enumerate(scores.codes):
            chosen = (codes == code) & np.isfinite(values)
            # With more types than colours, a colour comes again with another marker.
            marker = MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]
            axes.scatter(
                values[chosen], np.full(chosen.sum(), row + offsets[code]), s=24, alpha=0.8, linewidths=0,
                color=COLOURS[place % len(COLOURS)], marker=marker, label=code if row == 0 else None,
            )  # fmt: skip
        mean, bounds = scores.overall(model), bootstrap.interval(scores, model)
        axes.plot([mean, mean], [row - 0.36, row + 0.36], color="black", linewidth=2)
        if bounds.known:
            axes.plot([bounds.low, bounds.high], [row + 0.36] * 2, color="black", linewidth=1.2)
    axes.set_yticks(range(len(scores.models)), scores.models)
    axes.set_ylim(len(scores.models) - 0.4, -0.6)
    axes.set_xlabel(f"PCC of {scores.genes}, {scores.units}")
    if scores.codes:
        figure.legend(loc="outside right upper", frameon=False, title="cancer type", fontsize=9)
    return figure


def variance_figure(comparison: Comparison, sets: GeneSets, models: tuple[str, ...] = ()) -> Figure:
    """PCC of each Hallmark set against the variance of its genes: one mark per set and model, and each model's trend.

    Parameters
    ----------
    comparison : Comparison
        Of the models.
    sets : GeneSets
        With variances.
    models : tuple of str
        To show; none: all, up to the number of colours.
    """
    shown = (models or comparison.models)[: len(COLOURS)]
    figure = new_figure(8.0, 4.6)
    axes = figure.subplots()
    tidy(axes)
    names = [one for one in sets.hallmark if np.isfinite(variance_of(sets, one))]
    variance = np.array([variance_of(sets, one) for one in names])
    every = [comparison.per_section(one, [sets.hallmark[one]]) for one in names]
    for model, colour, marker in zip(shown, COLOURS, MARKERS, strict=False):
        pcc = np.array([scores.overall(model) for scores in every])
        known = np.isfinite(pcc) & (variance > 0)
        axes.scatter(
            variance[known], pcc[known], s=26, color=colour, marker=marker, alpha=0.75, linewidths=0, label=model
        )
        if known.sum() > 2 and np.ptp(variance[known]):
            slope, start = np.polyfit(np.log(variance[known]), pcc[known], 1)
            ends = np.array([variance[known].min(), variance[known].max()])
            axes.plot(ends, start + slope * np.log(ends), color=colour, linewidth=1.4)
    for threshold in sets.tiers.thresholds if sets.tiers else ():
        axes.axvline(threshold, color="#888888", linewidth=1, linestyle=":")
    if (variance > 0).any():
        axes.set_xscale("log")
    axes.axhline(0, color="#888888", linewidth=0.8)
    axes.set(
        xlabel=f"Mean variance of the set's genes over training spots, {sets.tier_units} (log scale)",
        ylabel=f"PCC, {comparison.units}",
    )
    if shown:
        figure.legend(loc="outside right upper", frameon=False)
    return figure


def sweep_figure(sweeps: Sequence[Sweep]) -> Figure:
    """MSE, W1 and cosine against the guidance scale, a line per sweep, its chosen scale ringed."""
    figure = new_figure(9.0, 3.4)
    panels = figure.subplots(1, 3)
    for axes, (name, label) in zip(
        panels, (("mse", "MSE"), ("w1", "W1 per spot"), ("cosine", "cosine per spot")), strict=True
    ):
        tidy(axes)
        for place, sweep in enumerate(sweeps):
            values, colour = getattr(sweep, name), COLOURS[place % len(COLOURS)]
            what = ", ".join(filter(None, (sweep.model, sweep.split, f"seed {sweep.seed}", sweep.units)))
            axes.plot(
                sweep.scales, values, color=colour, marker=MARKERS[place % len(MARKERS)], markersize=3.5, linewidth=1.3,
                label=what if name == "mse" else None,
            )  # fmt: skip
            axes.scatter(sweep.scale, values[sweep.chosen], s=90, facecolors="none", edgecolors=colour, linewidths=1.6)
            if name == "w1":
                axes.axhline(sweep.limit, color=colour, linewidth=0.9, linestyle=":")
        axes.set(xlabel="guidance scale w", ylabel=label)
    if len(sweeps) > 1:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure

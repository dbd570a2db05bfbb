"""Measures that are no correlation with the measurement: errors and profiles, structure of maps, the guidance sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from molf_engine.evaluation.gene_sets import HALLMARK, MOST_VARIABLE, GeneSets
from molf_engine.evaluation.protocols import Comparison, Scores
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.sweep import Sweep
from molf_engine.evaluation.tables.table import Bootstrap, Table, counts, overall, plural, seen_notes

_AVERAGED = (
    "Mean over the sections of a cancer type, then over cancer types, then over splits; ± is the standard deviation over trainings "
    "(split and seed)."
)


def measures(comparison: Comparison, name: str, bootstrap: Bootstrap) -> Table:
    """Mean squared error, Wasserstein distance and cosine of each model."""
    return _of_measures(
        comparison,
        name,
        "Error and profile",
        bootstrap,
        {
            "MSE (lower is better)": lambda result: result.scales[comparison.units].mse,
            "W1 per spot (lower is better)": lambda result: result.scales[comparison.units].w1,
            "cosine per spot": lambda result: result.scales[comparison.units].cosine,
        },
        [
            "Over the measured genes of the panel. W1 compares the sorted values of a spot, whichever gene has which; cosine compares the "
            "profile of a spot."
        ],
    )


def structure(comparison: Comparison, sets: GeneSets, name: str, bootstrap: Bootstrap) -> Table:
    """Agreement of each model's maps with the measured ones in smoothness and in which genes go together."""
    units = comparison.units
    genes = comparison.genes
    neighbours = {
        scale.structure.neighbours
        for result in comparison.results
        if (scale := result.scales[units]).structure is not None
    }

    def places(result: SectionResult) -> np.ndarray:
        """Columns of the most variable genes on the result's own panel."""
        variable = sets.index(MOST_VARIABLE, units, result.split)
        if result.genes == genes:
            return variable
        own = {symbol: column for column, symbol in enumerate(result.genes)}
        return np.array([own[genes[one]] for one in variable if genes[one] in own], dtype=int)

    def of(measure: Callable[..., float], result: SectionResult) -> float:
        found = result.scales[units].structure
        return float("nan") if found is None else measure(found, result)

    def pair(gene_set: str) -> Callable[[SectionResult], float]:
        return lambda result: of(
            lambda found, _: found.pairs[gene_set].correlation if gene_set in found.pairs else float("nan"), result
        )

    columns: dict[str, Callable[[SectionResult], float]] = {
        "Moran's I, agreement over the panel": lambda result: of(lambda found, _: found.moran_agreement(), result),
        f"agreement over {MOST_VARIABLE}": lambda result: of(
            lambda found, one: found.moran_agreement(places(one)), result
        ),
        "mean absolute difference": lambda result: of(lambda found, _: found.moran_difference(), result),
        "predicted minus measured": lambda result: of(lambda found, _: found.moran_bias(), result),
        f"gene pairs of {MOST_VARIABLE}": pair(MOST_VARIABLE),
        f"gene pairs of {HALLMARK}": pair(HALLMARK),
    }
    told = ", ".join(map(str, sorted(neighbours))) or "unknown"
    return _of_measures(
        comparison,
        name,
        "Structure of the maps",
        bootstrap,
        columns,
        [
            f"Moran's I of a gene's map, predicted and measured, over the {told} nearest neighbours of each spot (equally far ones too). "
            "Agreement is the Pearson correlation of the two over genes; predicted minus measured above 0 is a map that is too smooth, "
            "though the noise of counting makes the measured map less smooth than the tissue.",
            "Gene pairs: Pearson correlation, over all pairs of a set's genes, of their predicted with their measured correlation. Each "
            "model on the genes that it does not predict as constants.",
        ],
    )


def _of_measures(
    comparison: Comparison,
    name: str,
    title: str,
    bootstrap: Bootstrap,
    columns: dict[str, Callable[[SectionResult], float]],
    notes: Sequence[str],
) -> Table:
    import pandas as pd

    several = {label: comparison.measured(label, measure) for label, measure in columns.items()}
    first: Scores = next(iter(several.values()))
    rows = [
        {"model": model} | {label: overall(scores, model, bootstrap) for label, scores in several.items()}
        for model in first.models
    ]
    return Table(
        name,
        f"{title}, {comparison.units}. {counts([first])}",
        pd.DataFrame(rows).set_index("model"),
        (*notes, _AVERAGED, bootstrap.interval(first, first.models[0]).text(), *seen_notes(first), *first.left_out),
        first.protocol,
    )


def sweeps_table(sweeps: Sequence[Sweep], name: str, title: str) -> Table:
    """Measures at each guidance scale, one block per sweep, and what the filter and the ranking make of them."""
    import pandas as pd

    rows: list[dict[str, object]] = []
    ruled = []
    for sweep in sweeps:
        if rows:
            ruled.append(len(rows))
        for place, scale in enumerate(sweep.scales):
            rows.append(
                {
                    "model": sweep.model,
                    "split": sweep.split,
                    "seed": sweep.seed,
                    "sections": f"{len(sweep.sections)} {sweep.role}",
                    "scale": sweep.units,
                    "guidance w": f"{scale:g}",
                    "MSE": sweep.mse[place],
                    "W1 per spot": sweep.w1[place],
                    "cosine per spot": sweep.cosine[place],
                    "passes the filter": sweep.valid[place],
                    "taken": "taken" if place == sweep.chosen else "",
                }
            )
    frame = pd.DataFrame(rows)
    for column in ("model", "split", "seed", "sections", "scale"):
        if frame[column].nunique() == 1 and column != "sections":
            frame = frame.drop(columns=column)
    told = [
        f"{sweep.model}{f' on {sweep.split}' if sweep.split else ''}, seed {sweep.seed}, {sweep.units}: the smallest W1 is "
        f"{np.nanmin(sweep.w1):.4f}, the filter lets W1 up to {sweep.limit:.4f} pass (tolerance {sweep.tolerance:g}), and of "
        f"{plural(sum(sweep.valid), 'scale')} that pass w = {sweep.scale:g} has the highest cosine."
        for sweep in sweeps
    ]
    notes = [
        *told,
        "Cosines that agree to three decimals are ranked by their MSE, then the smaller scale is taken; the paper does not say what "
        "decides a tie.",
        "w = 1 is the conditional mean without guidance. With one Euler step a guidance scale moves latents along a line, so neighbouring "
        "scales differ little.",
    ]
    return Table(name, title, frame, tuple(notes), digits=4, ruled=tuple(ruled))


def structure_is_known(comparison: Comparison) -> bool:
    """Whether any result holds structure scores."""
    return any(result.scales[comparison.units].structure is not None for result in comparison.results)

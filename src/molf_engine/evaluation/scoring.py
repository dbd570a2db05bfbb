"""Scores of a bundle and of its rivals on measured sections.  Nothing is fitted here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.baselines import RIVALS, total_counts
from molf_engine.bundle import Bundle
from molf_engine.bundle.latents import slide_latents
from molf_engine.data.expression import Expression
from molf_engine.evaluation.metrics import mean_finite, pcc
from molf_engine.files import atomic_path
from molf_engine.flow.guidance import guide
from molf_engine.genes import convert_units
from molf_engine.genes.species import Reference
from molf_engine.genes.units import UNITS

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.nn.velocity import VelocityField

MODELS = ("molf", *RIVALS)
HVG = 50

TRUTH = "truth"

PROTOCOL = "Pearson correlation per gene over the spots of one section, mean over genes; sections are never pooled"

_SHARED = ("role", "seen", "units", "genes")

Predictions = dict[str, dict[str, np.ndarray]]
"""Model -> scale -> (S, G)."""


@dataclass(frozen=True)
class SectionScores:
    """Per-gene PCC of every model on one section, in both scales.

    ``pcc[model][units]`` is (G,), NaN where the gene was not measured or does not vary.  Simulated tissue has one more scale,
    :data:`TRUTH`: the prediction in log1p-cp10k against the expression that its counts were drawn from.
    """

    section: str
    patient: str
    role: str
    """What the section was to the model: `training`, `validation`, `test`, or `new`."""
    seen: bool
    """Whether the model has learned from this patient, by this section or another."""
    spots: int
    left_out: int
    pcc: Mapping[str, Mapping[str, np.ndarray]]
    reference: Reference | None = None
    """Which species' genes were counted and used, if known."""


@dataclass(frozen=True)
class Row:
    """One line of a table of results."""

    section: str
    patient: str
    role: str
    seen: bool
    spots: int
    units: str
    genes: str
    n_genes: int
    molf: float
    ridge: float
    mlp: float
    depth: float


def predict_models(
    bundle: Bundle,
    field: VelocityField,
    features: np.ndarray,
    positions: np.ndarray,
    code: int,
    guidance: float,
) -> Predictions:
    """Predictions of MoLF (conditional mean, guided) and of the rivals in both scales.

    Imported weights have no rivals; without them and without a depth of its own, a model predicts in its own scale alone.

    Parameters
    ----------
    features : ndarray
        (S, D).
    positions : ndarray
        (S, 2), um.
    """
    latents = slide_latents(field, features, positions, code)
    decoder = bundle.decoder()
    hidden = decoder.hidden(guide(latents.conditional, latents.unconditional, guidance))
    own, rivals = bundle.config.units, bundle.rivals()
    if not rivals and not decoder.has_depth:
        return {"molf": {own: decoder.columns(hidden)}}
    total = decoder.total(hidden) if decoder.has_depth else total_counts(rivals[f"depth.{own}"], features)
    predicted = {"molf": (decoder.columns(hidden), total)}
    for name in ("ridge", "mlp"):
        if name in rivals:
            predicted[name] = (rivals[name].predict(features), total_counts(rivals[name], features))
    results = {
        name: {units: convert_units(values, totals, own, units) for units in UNITS}
        for name, (values, totals) in predicted.items()
    }
    # A line on depth is fitted in the scale that it is scored in: it is the bar that tissue density alone sets.
    if rivals:
        results["depth"] = {units: rivals[f"depth.{units}"].predict(features) for units in UNITS}
    return results


def role_of(bundle: Bundle, section: str) -> str:
    """What a section was to a model."""
    config = bundle.config
    roles = {
        **dict.fromkeys(config.test_sections, "test"),
        **dict.fromkeys(config.validation_sections, "validation"),
        **dict.fromkeys(config.training_sections, "training"),
    }
    return roles.get(section, "new")


def score_section(
    predictions: Predictions, expression: Expression, patient: str, *, role: str, seen: bool
) -> SectionScores:
    """Correlate predictions with what was measured."""
    measured = {units: expression.in_units(units) for units in UNITS}
    if expression.truth is not None:
        measured[TRUTH] = expression.truth
        predictions = {
            model: {**scales, TRUTH: scales["log1p-cp10k"]} if "log1p-cp10k" in scales else scales
            for model, scales in predictions.items()
        }
    return SectionScores(
        expression.section_id,
        patient,
        role,
        seen,
        len(expression),
        expression.left_out,
        {
            model: {units: pcc(values, measured[units], expression.measured) for units, values in scales.items()}
            for model, scales in predictions.items()
        },
        expression.reference,
    )


def table(scores: Sequence[SectionScores], genes: pd.DataFrame) -> list[Row]:
    """Mean PCC of each section, scale and gene set.

    Parameters
    ----------
    scores : sequence of SectionScores
        One per section.
    genes : DataFrame
        A bundle's genes: the 50 most variable are chosen by their training sd in the scale that is scored; where that is not known
        (imported weights) there is no such row.
    """
    rows = []
    for score in scores:
        for units in score.pcc["molf"]:
            models = [model for model in MODELS if units in score.pcc.get(model, {})]
            for name, index in _gene_sets(genes, units).items():
                # A gene that one model predicts as a constant has no PCC there: compare on the genes that all can be scored on.
                shared = np.all([np.isfinite(score.pcc[model][units][index]) for model in models], axis=0)
                means = {
                    model: mean_finite(score.pcc[model][units][index][shared]) if model in models else float("nan")
                    for model in MODELS
                }
                rows.append(
                    Row(
                        score.section,
                        score.patient,
                        score.role,
                        score.seen,
                        score.spots,
                        units,
                        name,
                        int(shared.sum()),
                        **means,
                    )
                )
    return rows


def _gene_sets(genes: pd.DataFrame, units: str) -> dict[str, np.ndarray]:
    """Places in the panel of the gene sets that are averaged over."""
    sets = {"panel": np.arange(len(genes))}
    column = f"sd_{'log1p-cp10k' if units == TRUTH else units}"
    # Imported weights without statistics have the same sd, or none, for every gene.
    if column in genes and genes[column].nunique() > 1:
        spread = genes[column].where(genes["measured"], -np.inf).to_numpy()
        sets[f"HVG-{HVG}"] = np.argsort(-spread, kind="stable")[:HVG]
    return sets


def as_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as plain dictionaries, figures rounded to 4 decimals, for JSON."""
    return [
        {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(row).items()}
        for row in rows
    ]


def mean_over_sections(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Mean of the rows of :func:`as_records` over sections: one for each role, scale and gene set, seen patients apart."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(tuple(record[name] for name in _SHARED), []).append(record)
    return [
        {
            **dict(zip(_SHARED, shared, strict=True)),
            "sections": len(rows),
            "spots": sum(row["spots"] for row in rows),
            **{model: round(mean_finite(np.array([row[model] for row in rows])), 4) for model in MODELS},
        }
        for shared, rows in groups.items()
    ]


def mean_pcc_per_gene(scores: Sequence[SectionScores], units: str) -> np.ndarray:
    """PCC of MoLF for each gene, mean over the sections that can score it, (G,)."""
    stacked = np.array([score.pcc["molf"][units] for score in scores])
    count = np.isfinite(stacked).sum(axis=0)
    mean: np.ndarray = np.divide(
        np.nansum(stacked, axis=0), count, out=np.full(stacked.shape[1], np.nan), where=count > 0
    )
    return mean


def write_per_gene(path: Path, scores: Sequence[SectionScores], genes: pd.DataFrame) -> None:
    """PCC of every gene, section, scale and model as CSV."""
    import pandas as pd

    tables = [
        pd.DataFrame({"section": score.section, "units": units, "gene": genes.index}).assign(
            **{model: score.pcc[model][units] for model in MODELS if units in score.pcc.get(model, {})}
        )
        for score in scores
        for units in score.pcc["molf"]
    ]
    with atomic_path(Path(path)) as beside:
        pd.concat(tables).to_csv(beside, index=False, float_format="%.4f")

"""What each part of the model is worth: variants beside the model as it is, over variable genes and Hallmark tiers."""

from __future__ import annotations

from dataclasses import dataclass

from molf_engine.evaluation.gene_sets import HALLMARK, MOST_VARIABLE, GeneSets
from molf_engine.evaluation.protocols import Comparison
from molf_engine.evaluation.report.cells import Estimate
from molf_engine.evaluation.tables.hallmark import EACH_SET, threshold_notes, tier_scores
from molf_engine.evaluation.tables.table import Bootstrap, Table, caption, overall, seen_notes, shared_notes


@dataclass(frozen=True)
class Ablation:
    """A question, and the models whose results answer it."""

    name: str
    """Of its file: small letters, digits and hyphens."""
    title: str
    """Of its table, such as `Mixture of experts against attention and a dense network`."""
    models: tuple[str, ...]
    """Names of the results, the model as it is first; see :attr:`molf_engine.evaluation.results.SectionResult.name`."""
    paper: str = ""
    """Such as `the paper's Tables 6 and 7`."""


def ablation(comparison: Comparison, sets: GeneSets, about: Ablation, bootstrap: Bootstrap) -> Table:
    """PCC of each variant over HVG-50 and by Hallmark tier, and its difference from the model as it is.

    Parameters
    ----------
    comparison : Comparison
        Of the ablation's models and of any that stand beside them.
    sets : GeneSets
        Of the model as it is.
    about : Ablation
        Its first model with results is the reference.
    bootstrap : Bootstrap
        For the intervals.
    """
    import pandas as pd

    variable = comparison.per_section(MOST_VARIABLE, sets.group(MOST_VARIABLE, comparison.units))
    tiers = tier_scores(comparison, sets)
    several = {MOST_VARIABLE: variable} | tiers
    reference = next((model for model in about.models if model in comparison.models), comparison.models[0])
    own = [model for model in about.models if model in comparison.models]
    models = own + [model for model in comparison.models if model not in own]
    rows = []
    for model in models:
        row: dict[str, object] = {"model": model}
        for name, scores in several.items():
            label = f"{HALLMARK}, all sets" if name == HALLMARK else name if name == MOST_VARIABLE else f"tier {name}"
            row[label] = overall(scores, model, bootstrap)
        against = bootstrap.difference(variable, model, reference)
        row[f"{MOST_VARIABLE} minus {reference}"] = (
            None
            if model == reference
            else Estimate(against.value, low=against.interval.low, high=against.interval.high)
        )
        rows.append(row)
    listed = list(several.values())
    missing = [model for model in about.models if model not in comparison.models]
    notes = [
        *shared_notes(listed, bootstrap),
        EACH_SET,
        *threshold_notes(sets),
        "The last column is the paired difference on the same sections; where its interval includes 0, these sections cannot tell the two "
        "apart.",
        *seen_notes(variable),
    ]
    if missing:
        notes.append(f"Without a result: {', '.join(missing)}.")
    frame = pd.DataFrame(rows).set_index("model")
    ruled = (len(own),) if 0 < len(own) < len(models) else ()
    return Table(
        about.name, caption(about.title, listed, about.paper), frame, tuple(notes), variable.protocol, None, ruled=ruled
    )

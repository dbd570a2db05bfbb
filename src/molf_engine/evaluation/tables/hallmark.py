"""Hallmark sets: by variance tier, and one by one."""

from __future__ import annotations

import numpy as np

from molf_engine.evaluation.gene_sets import HALLMARK, GeneSets
from molf_engine.evaluation.protocols import Comparison, Scores
from molf_engine.evaluation.report.cells import Estimate
from molf_engine.evaluation.tables.table import (
    BOLD,
    Bootstrap,
    Table,
    caption,
    overall,
    seen_notes,
    shared_notes,
)
from molf_engine.genes import MIN_GENES
from molf_engine.genes.tiers import TIERS

EACH_SET = "Each Hallmark set counts the same, whatever its size; a gene counts in every set that it is in."


def tier_scores(comparison: Comparison, sets: GeneSets) -> dict[str, Scores]:
    """Scores of each tier that has a set, then of all sets."""
    groups = {tier: list(sets.of_tier(tier).values()) for tier in TIERS} | {HALLMARK: list(sets.hallmark.values())}
    return {name: comparison.per_section(name, indices) for name, indices in groups.items() if indices}


def by_tier(
    comparison: Comparison, sets: GeneSets, name: str, title: str, bootstrap: Bootstrap, *, paper: str = ""
) -> Table:
    """PCC of Hallmark sets by variance tier and model."""
    import pandas as pd

    several = tier_scores(comparison, sets)
    rows = []
    for tier, scores in several.items():
        members = sets.of_tier(tier) if tier in TIERS else sets.hallmark
        rows.append(
            {"tier": tier if tier in TIERS else "all sets", "sets": len(members)}
            | {model: overall(scores, model, bootstrap) for model in scores.models}
        )
    listed = list(several.values())
    notes = [*shared_notes(listed, bootstrap), EACH_SET, *threshold_notes(sets), BOLD, *seen_notes(listed[0])]
    return Table(
        name,
        caption(title, listed, paper),
        pd.DataFrame(rows).set_index("tier"),
        tuple(notes),
        listed[0].protocol,
        "row",
        ruled=(len(rows) - 1,),
    )


def by_set(comparison: Comparison, sets: GeneSets, name: str, title: str, *, paper: str = "") -> Table:
    """PCC of every Hallmark set and model, with its variance and tier, by variance."""
    import pandas as pd

    several = {one: comparison.per_section(one, [index]) for one, index in sets.hallmark.items()}
    about = {row.name: row for row in sets.tiers.sets} if sets.tiers else {}
    given = sets.tiers is not None and sets.tiers.given_thresholds is not None
    order = sorted(several, key=lambda one: (variance_of(sets, one), one))
    rows = [
        {
            "set": f"{one} †" if len(sets.hallmark[one]) < MIN_GENES else one,
            "tier": about[one].tier if one in about else "",
            **({"tier, given": about[one].given_tier} if given else {}),
            "variance": about[one].variance if one in about else np.nan,
            "genes": len(sets.hallmark[one]),
        }
        | {model: Estimate(several[one].overall(model), several[one].spread(model)) for model in several[one].models}
        for one in order
    ]
    listed = [several[one] for one in order]
    notes = [
        *shared_notes(listed),
        "Variance is the mean variance of a set's genes over the training spots; genes are those of the set on the panel.",
        *threshold_notes(sets),
        "Bold is the highest.",
        *seen_notes(listed[0]),
    ]
    if any("†" in str(row["set"]) for row in rows):
        notes.append(f"† fewer than {MIN_GENES} genes on the panel.")
    ruled = tuple(place for place in range(1, len(rows)) if rows[place]["tier"] != rows[place - 1]["tier"])
    frame = pd.DataFrame(rows).set_index("set")
    return Table(name, caption(title, listed, paper), frame, tuple(notes), listed[0].protocol, "row", ruled=ruled)


def threshold_notes(sets: GeneSets) -> list[str]:
    """Where the tiers begin."""
    if sets.tiers is None:
        return ["Tiers are not known: no Hallmark set has a gene that was measured in training."]
    low, high = sets.tiers.thresholds
    notes = [
        f"Tiers are the terciles of the sets' variance ({sets.tier_units}, over training spots): Low up to {low:.4g}, Mid up to "
        f"{high:.4g}, High above."
    ]
    if sets.tiers.given_thresholds:
        low, high = sets.tiers.given_thresholds
        notes.append(f"By the given thresholds a set is Low up to {low:.4g}, Mid up to {high:.4g}, High above.")
    return notes


def variance_of(sets: GeneSets, name: str) -> float:
    """Mean variance of the genes of a Hallmark set; infinite where it is not known."""
    found = {row.name: row.variance for row in sets.tiers.sets} if sets.tiers else {}
    value = found.get(name, np.nan)
    return float(value) if np.isfinite(value) else np.inf

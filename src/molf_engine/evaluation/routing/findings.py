"""Sentences that say what the numbers show, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.routing.effect_table import MIN_PATIENTS_FOR_TEST
from molf_engine.evaluation.routing.latent_space import Purity
from molf_engine.evaluation.routing.study import ModelUse, RoutingStudy
from molf_engine.evaluation.routing.transport import SectionPaths
from molf_engine.evaluation.routing.type_test import TypeTest
from molf_engine.evaluation.routing.usage import effective_experts

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
NOTABLE = 0.2
"""Standardised difference that is said to be one: small, by Cohen's convention."""
DEAD = 0.01
"""An expert with a smaller share of the assignments is said to be hardly used."""


def type_sentences(use: ModelUse) -> list[str]:
    """Whether experts differ by cancer type, and whether the image alone makes them differ."""
    return [_test_sentence(use.test), *_nameless_sentences(use)]


def _test_sentence(test: TypeTest) -> str:
    if test.reason:
        return f"Whether expert use differs by cancer type cannot be said: {test.reason}."
    verdict = "differs" if test.p < LEVEL else "is not shown to differ"
    text = (
        f"Expert use {verdict} by cancer type: mean Jensen-Shannon distance between types {test.distance:.3f}, "
        f"{test.distance_by_chance:.3f} with shuffled labels, p = {_p(test.p)} ({test.units} patients of {len(test.types)} types, "
        f"{test.permutations:,} permutations). Type explains {_percent(test.explained)} of the variance between patients; shuffled "
        f"labels explain {_percent(test.explained_by_chance)}."
    )
    if test.smallest_p > LEVEL:
        text += f" With so few patients no p below {test.smallest_p:.2f} is possible: the test could not have shown a difference."
    return text


def _nameless_sentences(use: ModelUse) -> list[str]:
    """What is left of the difference if the network is not told the cancer type, which is an input of its gate."""
    test = use.nameless_test
    if use.test.reason:
        return []
    if test is None:
        return [
            "The gate is told the cancer type, so types may differ because of the label alone. This model has not learned the code "
            "`Unknown`, so the two cannot be told apart."
        ]
    if test.reason or all(told.told == UNKNOWN for told in use.uses):
        return []
    verdict = "still differs" if test.p < LEVEL else "is no longer shown to differ"
    return [
        "The gate is told the cancer type, so types may differ because of the label alone. With the code `Unknown` for every section, "
        f"expert use {verdict}: distance {test.distance:.3f} ({test.distance_by_chance:.3f} with shuffled labels), p = {_p(test.p)}."
    ]


def use_sentences(use: ModelUse) -> list[str]:
    """How many experts there are in effect, who is hardly used, how balanced it is, and what noise would change."""
    names = use.experts
    shares = np.mean([section.shares for section in use.uses], axis=0)
    sentences = [
        f"In effect {effective_experts(shares):.1f} of {len(names)} experts are used over all sections (the exponential of the entropy "
        f"of the mean use), and {np.mean([effective_experts(section.shares) for section in use.uses]):.1f} within a section."
    ]
    if idle := [name for name, share in zip(names, shares, strict=True) if share < DEAD]:
        sentences.append(f"Hardly used, with less than {DEAD:.0%} of the assignments: {', '.join(idle)}.")
    agreement = np.array([section.noise_agreement for section in use.uses])
    sentences.append(
        "The gate is read at t = 0 from z0 = 0, without noise, so that the same spot always has the same expert. From fresh noise, as "
        f"in the released analysis, {_percent(float(agreement.mean()))} of the spots would have the same first expert "
        f"(lowest section {_percent(float(agreement.min()))})."
    )
    return sentences


def distance_sentence(names: Sequence[str], matrix: np.ndarray) -> str:
    """The closest and the farthest two types."""
    if len(names) < 2:
        return ""
    rows, columns = np.triu_indices(len(names), 1)
    values = matrix[rows, columns]
    near, far = int(values.argmin()), int(values.argmax())

    def pair(place: int) -> str:
        return f"{names[rows[place]]} and {names[columns[place]]} ({values[place]:.3f})"

    if len(values) == 1:
        return f"The distance between {names[0]} and {names[1]} is {values[0]:.3f}."
    return f"Closest are {pair(near)}, farthest {pair(far)}; the mean of {len(values)} pairs is {values.mean():.3f}."


def purity_sentences(found: Sequence[Purity]) -> list[str]:
    """Neighbours in the latent space, those of other sections where there are any."""
    apart = [purity for purity in found if purity.neighbours == "other sections" and purity.spots]
    where = "in other sections" if apart else "in the same section or others"
    return [
        f"In the {purity.space} latents a spot's nearest neighbours {where} share its {purity.label} in {_percent(purity.purity)} of "
        f"the cases; {_percent(purity.chance)} by chance."
        for purity in apart or found
    ]


def path_sentences(paths: Sequence[SectionPaths]) -> list[str]:
    """How straight the paths are, and what one step misses."""
    straight = np.concatenate([found.straightness for found in paths])
    error = np.concatenate([found.one_step_error for found in paths])
    straight, error = straight[np.isfinite(straight)], error[np.isfinite(error)]
    if not len(straight):
        return ["No path has a length: its straightness cannot be said."]
    low, middle, high = np.percentile(straight, (5, 50, 95))
    return [
        f"In {paths[0].steps} steps a path is {middle:.2f} times as long as its chord (median over {len(straight):,} spots; "
        f"5 % to 95 %: {low:.2f} to {high:.2f}; 1 is straight).",
        f"One step from the same noise ends {np.median(error):.2f} chords away from there (median). It ends at an estimate of the "
        "conditional mean, not at a draw, so this is no error of the solver alone.",
    ]


def effect_sentences(table: pd.DataFrame, kind: str) -> list[str]:
    """How many of the differences hold, or why none was tested."""
    rows = table[table["kind"] == kind]
    what = "genes" if kind == "gene" else "Hallmark sets"
    if rows.empty:
        return [f"No expert has both enough spots with it and without it in a section to compare {what}."]
    tested = rows[rows["q"].notna()]
    if tested.empty:
        most = int(rows["patients"].max())
        return [
            f"Differences of {what} are described, not tested: {most} patient{'s' if most != 1 else ''} at most, and a test over "
            f"patients needs {MIN_PATIENTS_FOR_TEST}."
        ]
    held = int((tested["q"] < LEVEL).sum())
    return [
        f"{held:,} of {len(tested):,} differences of {what} hold at a false discovery rate of 5 % (t-test over patients, all experts "
        "counted together, after Benjamini and Hochberg)."
    ]


def depth_sentences(table: pd.DataFrame) -> list[str]:
    """Which experts get spots with more or fewer counts than the others: their differences may be of depth."""
    rows = table[(table["kind"] == "depth") & (table["difference"].abs() >= NOTABLE)]
    if rows.empty:
        return []
    experts = ", ".join(f"{row['expert']} ({row['difference']:+.2f})" for _, row in rows.iterrows())
    return [
        f"Spots of {experts} differ from the others in their total counts (standardised difference of the log). Counts per 10,000 do "
        "not undo that where counts are few, so part of what follows may be depth: see the column `at equal depth`."
    ]


def comparison_sentences(study: RoutingStudy) -> list[str]:
    """How much of the routing stays in the other model."""
    found, other, use = study.comparison, study.other, study.use
    if found is None or other is None or use is None:
        return []
    pairs = ", ".join(f"{use.experts[row]} with {other.experts[column]}" for row, column in found.matched)
    return [
        f"Best matching of experts: {pairs}.",
        f"With the best matching of experts, {_percent(found.agreement)} of {found.spots:,} spots have the same first expert in both "
        f"models, {_percent(found.by_chance)} by chance: kappa {found.kappa:.2f}, where 1 is the same routing and 0 is what chance gives.",
    ]


def limit_sentences(study: RoutingStudy) -> list[str]:
    """What cannot be concluded, each sentence with the number that it rests on."""
    sentences = []
    if simulated := sum(section.section.is_simulated for section in study.routed):
        sentences.append(
            f"{simulated} of {len(study.routed)} sections are of simulated tissue: what is found there says nothing about real tissue."
        )
    if seen := sum(section.role in {"training", "validation"} for section in study.routed):
        sentences.append(
            f"The model was trained with, or chosen on, {seen} of {len(study.routed)} sections: experts may be used there as they would "
            "not be in a new patient."
        )
    patients = {name: {one.patient for one in study.routed if one.type == name} for name in study.types}
    if few := [f"{name} ({len(known)})" for name, known in patients.items() if len(known) < MIN_PATIENTS_FOR_TEST]:
        sentences.append(
            f"Nothing can be said of a cancer type by itself that has fewer than {MIN_PATIENTS_FOR_TEST} patients: {', '.join(few)}."
        )
    if study.use is not None:
        sentences.append(
            "That an expert is used more in a type, or where a gene is high, is a fact about this training. Another seed may share the "
            "work out otherwise: compare two with `--compare`. It does not show that the model needs that expert there."
        )
    return sentences


def missing_slides(study: RoutingStudy) -> list[str]:
    """Which sections have no pictures, and why."""
    if study.montage is None:
        return []
    return [f"No patches of {name}: {reason}." for name, reason in study.montage.images.missing.items()]


def _p(value: float) -> str:
    return f"{value:.1g}" if value < 0.001 else f"{value:.3f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if np.isfinite(share) else "an unknown share"

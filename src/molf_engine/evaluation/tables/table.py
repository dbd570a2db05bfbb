"""What every table has: a frame, a caption that says of what and of how many, and notes that say how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.bootstrap import DRAWS, LEVEL, Difference, Interval, Unit, difference, interval
from molf_engine.evaluation.protocols import Protocol, Score, Scores, one_protocol
from molf_engine.evaluation.report.cells import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.evaluation.report.page import Highest, Page

SEEN = "*"
"""Marks what includes a patient that a model has learned from."""
BOLD = "Bold is the highest. A difference that lies inside the intervals, or inside the spread of training, is none."


_SAME = 1e-6
"""PCC: what float32 leaves of a difference."""


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made."""

    draws: int = DRAWS
    seed: int = 0
    level: float = LEVEL

    def interval(self, scores: Scores, model: str, rows: np.ndarray | None = None, over: Unit = "sections") -> Interval:
        """Interval of a model's overall score, of some rows of the design if told."""
        values = scores.values(model)
        values = values if rows is None else np.where(rows, values, np.nan)
        return interval(values, scores.design, over=over, level=self.level, draws=self.draws, seed=self.seed)

    def difference(self, scores: Scores, first: str, second: str, over: Unit = "sections") -> Difference:
        """Difference of two models on the same sections."""
        return difference(
            scores.values(first), scores.values(second), scores.design,
            over=over, level=self.level, draws=self.draws, seed=self.seed,
        )  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table that explains itself."""

    name: str
    """Of its file, without suffix."""
    caption: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    protocol: Protocol | None = None
    """How its correlations were averaged; none: it has no correlation."""
    highest: Highest | None = None
    digits: int = 3
    ruled: tuple[int, ...] = ()
    """Rows that have a line above."""

    def add_to(self, page: Page) -> None:
        """Add it to a report."""
        page.table(
            self.frame, self.caption, self.notes, self.name, digits=self.digits, highest=self.highest, ruled=self.ruled
        )


def caption(title: str, several: Sequence[Scores], paper: str = "") -> str:
    """Caption of a table of correlations: what, in which scale, by which protocol, of how many.

    Raises
    ------
    DataError
        If the scores were averaged in different ways.
    """
    protocol = one_protocol(several)
    same = f" ({paper})" if paper else ""
    return f"{title}, {several[0].units}{same}. Protocol: {protocol.name}. {counts(several)}"


def counts(several: Sequence[Scores]) -> str:
    """How many sections, patients, spots, genes, splits and seeds the means of scores are over."""
    every = [row for scores in several for row in scores.rows]
    rows = [row for row in every if row.code] or every
    parts = []
    sections = {row.section: row for row in rows if row.section}
    if sections:
        known = {row.patient for row in sections.values()} - {"", UNKNOWN}
        unknown = sum(row.patient in {"", UNKNOWN} for row in sections.values())
        patients = plural(len(known), "patient") + (f" (of {unknown} the patient is unknown)" if unknown else "")
        parts += [
            f"{plural(len(sections), 'section')} of {patients}",
            f"{sum(r.spots for r in sections.values()):,} spots",
        ]
    else:
        folds = {(row.split, row.code): row.spots for row in rows}
        parts += [plural(len({row.code for row in rows}), "cancer type"), f"{sum(folds.values()):,} spots"]
    parts += [f"{genes_range(rows)} genes", plural(len({row.split for row in rows}), "split")]
    seeds: dict[str, set[int]] = {}
    for row in rows:
        seeds.setdefault(row.model, set()).add(row.seed)
    numbers = {len(own) for own in seeds.values()} or {0}
    parts.append(("up to " if len(numbers) > 1 else "") + plural(max(numbers), "seed"))
    apart = {row.section for row in every if not row.code}
    more = (
        f" {plural(len(apart), 'section')} without a cancer type: in no mean."
        if apart and len(rows) < len(every)
        else ""
    )
    return f"{', '.join(parts)}.{more}"


def genes_range(rows: Sequence[Score]) -> str:
    """Smallest and largest number of genes that were scored."""
    numbers = sorted({row.genes for row in rows})
    if not numbers:
        return "0"
    return f"{numbers[0]:,}" if len(numbers) == 1 else f"{numbers[0]:,} to {numbers[-1]:,}"


def plural(number: int, noun: str) -> str:
    """A count with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def overall(scores: Scores, model: str, bootstrap: Bootstrap, rows: np.ndarray | None = None) -> Estimate:
    """Overall score of a model with its spread over trainings and its interval over sections."""
    bounds = bootstrap.interval(scores, model, rows)
    if rows is None:
        spread = scores.spread(model)
    else:
        # By section: a split without any of these rows has no say.
        design = scores.design
        kept = {key for key, used in zip(zip(design.split, design.section, strict=True), rows, strict=True) if used}
        spread = scores.spread(model, lambda row: (row.split, row.section) in kept)
    return Estimate(scores.overall(model, rows), spread, bounds.low, bounds.high)


def shared_notes(several: Sequence[Scores], bootstrap: Bootstrap | None = None) -> list[str]:
    """Notes that hold for the whole table: spread, interval, genes that nobody was compared on, sections left out."""
    first = several[0]
    notes = []
    repeats = {(row.split, row.seed) for scores in several for row in scores.rows}
    if len(repeats) > 1:
        notes.append("± is the standard deviation over trainings (split and seed).")
        if still := [model for model in first.models if all(_same_for_seeds(scores, model) for scores in several)]:
            notes.append(f"The seed does not enter the fit of {', '.join(still)}: another gives the same figures.")
    else:
        notes.append("One training: how far another seed or split would move these figures is not known.")
    if bootstrap and first.models:
        notes.append(bootstrap.interval(first, first.models[0]).text())
    notes += constant_notes(several)
    if unscored := _unscored(first):
        notes.append(f"In no mean, for no gene can be scored there: {', '.join(unscored)}.")
    notes += dict.fromkeys(line for scores in several for line in scores.left_out)
    return notes


def _unscored(scores: Scores) -> list[str]:
    """Sections without any score, with their number of spots."""
    rows = {row.section: row for row in scores.rows if row.section}
    known = {row.section for row in scores.rows if np.isfinite(row.value)}
    return [f"{name} ({plural(row.spots, 'spot')})" for name, row in rows.items() if name not in known]


def _same_for_seeds(scores: Scores, model: str) -> bool:
    """Whether there are several seeds, and a model has the same values with each."""
    values: dict[tuple[str, str, str], list[float]] = {}
    for row in scores.rows:
        if row.model == model:
            values.setdefault((row.split, row.code, row.section), []).append(row.value)
    finite = [np.array(own) for own in values.values() if np.isfinite(own).all()]
    return bool(finite) and all(len(own) > 1 and np.ptp(own) < _SAME for own in finite)


def constant_notes(several: Sequence[Scores]) -> list[str]:
    """Which models predict genes as constants, so that nobody is compared on those."""
    most: dict[str, int] = {}
    for scores in several:
        for row in scores.rows:
            if row.constant:
                most[row.model] = max(most.get(row.model, 0), row.constant)
    if not most:
        return []
    told = ", ".join(f"{model} (up to {plural(number, 'gene')})" for model, number in most.items())
    return [
        "Every model is scored on the genes that all can be scored on. A gene is left out for all where one predicts a constant or "
        f"does not have it: {told}."
    ]


def seen_notes(scores: Scores, *, marked: bool = False) -> list[str]:
    """Says which sections are of patients that a model has learned from, if there is any; marked: that they bear the mark."""
    design, seen = scores.design, scores.seen
    sections = sorted({section for section, own in zip(design.section, seen, strict=True) if own})
    if not sections:
        return []
    start = f"{SEEN} includes" if marked else "Includes"
    return [
        f"{start} patients that a model has learned from by other sections ({', '.join(sections)}): that says nothing about new patients."
    ]


def patient_notes(scores: Scores, bootstrap: Bootstrap) -> list[str]:
    """Intervals by patient, where that differs: all patients are known, and some have several sections."""
    design = scores.design
    if not design.patients_known or len(set(design.patient)) == len(set(design.section)):
        return []
    found = {model: bootstrap.interval(scores, model, over="patients") for model in scores.models}
    first = found[scores.models[0]]
    if not first.known:
        return [f"Drawn by patient instead of by section: {first.text()[0].lower()}{first.text()[1:]}"]
    told = ", ".join(f"{model} {one.low:.3f} to {one.high:.3f}" for model, one in found.items())
    return [
        f"Sections of one patient are alike. Drawn by patient ({first.units}) instead of by section, the intervals are: {told}."
    ]


def difference_notes(scores: Scores, bootstrap: Bootstrap, reference: str) -> list[str]:
    """How a model compares with each other, section by section."""
    others = [model for model in scores.models if model != reference]
    if reference not in scores.models:
        return []
    return [bootstrap.difference(scores, reference, other).text(reference, other) for other in others]

"""What cannot be concluded from a benchmark, read off its own numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.protocols import Scores
from molf_engine.evaluation.report.run import BenchmarkRun
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.tables.table import plural

PAPER_ENCODER = "uni2-h"
DEPTH = "depth"

_FEW_PATIENTS = 3
_MANY_LEFT_OUT = 0.2


def limits(run: BenchmarkRun, results: Sequence[SectionResult], several: Sequence[Scores]) -> list[str]:
    """Sentences, each with the number that it rests on.

    Parameters
    ----------
    run : BenchmarkRun
        What the benchmark was.
    results : sequence of SectionResult
        Those that are scored.
    several : sequence of Scores
        Main models per section, over the most variable genes, one per scale.
    """
    sections = {result.section: result for result in results}
    return [
        *_simulated(run),
        *_patients(list(sections.values())),
        *_seen(results, run),
        *_trainings(results),
        *(line for scores in several for line in _apart(scores, run)),
        *_depth(several, run),
        *_reduced(run),
        *_encoder(run),
        *_panel(run),
        *_kinds(list(sections.values())),
        *_spots(list(sections.values())),
        *run.trouble,
    ]


def _simulated(run: BenchmarkRun) -> list[str]:
    if not run.simulated:
        return []
    return [
        "The tissue is simulated: these figures say whether a model can learn what the simulator put there, and nothing about real tissue."
    ]


def _patients(sections: list[SectionResult]) -> list[str]:
    unknown = sorted(one.section for one in sections if one.patient in {"", UNKNOWN})
    types: dict[str, set[str]] = {}
    for one in sections:
        if one.code != UNKNOWN:
            types.setdefault(one.code, set()).add(one.section if one.patient in {"", UNKNOWN} else one.patient)
    few = {code: len(patients) for code, patients in sorted(types.items()) if len(patients) < _FEW_PATIENTS}
    lines = []
    if few:
        told = ", ".join(f"{code} ({plural(number, 'patient')})" for code, number in few.items())
        lines.append(
            f"Nothing can be said of a cancer type by itself where it was tested on fewer than {_FEW_PATIENTS} patients: {told}. "
            "Spots of one section are not independent; patients are what counts."
        )
    if unknown:
        lines.append(
            f"The patient of {plural(len(unknown), 'section')} is not known ({_listed(unknown)}): whether a model has learned from "
            "the same patient cannot be told."
        )
    return lines


def _seen(results: Sequence[SectionResult], run: BenchmarkRun) -> list[str]:
    seen = sorted({result.section for result in results if result.seen})
    lines = []
    if seen:
        lines.append(
            f"{plural(len(seen), 'section')} of {len({result.section for result in results})} "
            f"{'is' if len(seen) == 1 else 'are'} of patients that a model has learned from ({_listed(seen)}): scores there are no "
            "evidence for new patients."
        )
    if found := [split.name for split in run.splits if split.findings]:
        lines.append(
            f"The audit found something in {_listed(found)}: see the chapter on splits before quoting a figure of it."
        )
    if unchecked := [split.name for split in run.splits if not split.audited]:
        lines.append(f"No audit was made of {_listed(unchecked)}: whether patients are on both sides is not known.")
    return lines


def _trainings(results: Sequence[SectionResult]) -> list[str]:
    splits, seeds = {result.split for result in results}, {result.seed for result in results}
    if len(splits) > 1 and len(seeds) > 1:
        return []
    missing = " and ".join(name for name, values in (("one split", splits), ("one seed", seeds)) if len(values) == 1)
    return [
        f"Everything was trained with {missing}: how far another would move the figures is not known, and the intervals, which are over "
        "test sections, do not contain it."
    ]


def _apart(scores: Scores, run: BenchmarkRun) -> list[str]:
    """Which models the reference cannot be told from."""
    if run.reference not in scores.models:
        return []
    lines, same, few = [], [], False
    for other in scores.models:
        if other == run.reference:
            continue
        found = run.bootstrap.difference(scores, run.reference, other)
        if not found.interval.known:
            return [
                f"In {scores.units}, no model can be told from another over {scores.genes}: {found.interval.reason}, so there is no "
                "interval."
            ]
        few = few or found.interval.few > 0
        if not found.interval.excludes(0.0):
            same.append(other)
    if same:
        lines.append(
            f"In {scores.units}, over {scores.genes}, {run.reference} cannot be told from {_listed(same)}: the interval of the paired "
            "difference includes 0."
        )
    if few and len(same) + 1 < len(scores.models):
        lines.append(
            f"In {scores.units}, where an interval of a difference excludes 0, that is weak evidence: some cancer types have so few "
            "sections that such intervals are too narrow."
        )
    return lines


def _depth(several: Sequence[Scores], run: BenchmarkRun) -> list[str]:
    lines = []
    for scores in several:
        if not {DEPTH, run.reference} <= set(scores.models):
            continue
        depth, own = scores.overall(DEPTH), scores.overall(run.reference)
        if np.isfinite(depth) and np.isfinite(own) and own > 0 and depth > own / 2:
            lines.append(
                f"In {scores.units}, a line on predicted total counts alone reaches {depth:.3f} where {run.reference} reaches "
                f"{own:.3f}: most of such a score is how dense the tissue is, not which genes it expresses."
            )
    return lines


def _reduced(run: BenchmarkRun) -> list[str]:
    return [
        f"{model.name} is reduced ({model.reduced.rstrip('.')}): its figures are not those that its authors would get."
        for model in run.models
        if model.reduced
    ]


def _encoder(run: BenchmarkRun) -> list[str]:
    if run.encoder.lower().replace("_", "-") == PAPER_ENCODER:
        return []
    return [
        f"Patch features are those of `{run.encoder}`, not of UNI2-h as in the paper: none of these figures can be set beside a "
        "published one."
    ]


def _panel(run: BenchmarkRun) -> list[str]:
    if run.panel != "molf-1386":
        return []
    return [
        "The panel `molf-1386` holds 430 genes that are the union of HEST-bench's own lists of variable genes: they were chosen with the "
        "samples of that benchmark in view, so on those samples the choice of genes is not held out."
    ]


def _kinds(sections: list[SectionResult]) -> list[str]:
    lines = []
    for name in ("technology", "species"):
        kinds = sorted({str(getattr(one, name)) for one in sections} - {UNKNOWN})
        if len(kinds) == 1:
            lines.append(f"All tested sections are of one {name}, {kinds[0]}: another was not tested.")
    return lines


def _spots(sections: list[SectionResult]) -> list[str]:
    lost = sorted(one.section for one in sections if one.left_out > _MANY_LEFT_OUT * max(one.spots + one.left_out, 1))
    if not lost:
        return []
    return [
        f"More than {_MANY_LEFT_OUT:.0%} of the spots of {_listed(lost)} were not scored, for too few counts or an unreadable patch: the "
        "figures are of the better part of that tissue."
    ]


def _listed(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

"""Models side by side: by cancer type per section, by cancer type pooled, and section by section."""

from __future__ import annotations

import numpy as np

from molf_engine.evaluation.metrics import mean_finite
from molf_engine.evaluation.protocols import PER_SECTION, POOLED, Score, Scores
from molf_engine.evaluation.report.cells import Estimate
from molf_engine.evaluation.tables.table import (
    BOLD,
    SEEN,
    Bootstrap,
    Table,
    caption,
    difference_notes,
    overall,
    patient_notes,
    plural,
    seen_notes,
    shared_notes,
)


def by_type(
    scores: Scores, name: str, title: str, bootstrap: Bootstrap, *, paper: str = "", reference: str = ""
) -> Table:
    """PCC per cancer type and model, the mean over types below, and sections without a type apart.

    Parameters
    ----------
    scores : Scores
        Per section.
    name, title, paper : str
        Of its file; of the caption; what the paper calls such a table.
    bootstrap : Bootstrap
        For the interval of the mean over types.
    reference : str
        Model that the others are compared with in the notes; empty: the first.
    """
    import pandas as pd

    _expect(scores, PER_SECTION.name)
    design, seen = scores.design, scores.seen
    rows: list[dict[str, object]] = []
    for code in scores.codes:
        of_code = np.array([one == code for one in design.code])
        label = f"{code} {SEEN}" if (seen & of_code).any() else code
        rows.append(
            {
                "cancer type": label,
                "sections": _counted(scores, of_code),
            }
            | {model: _of_type(scores, model, code) for model in scores.models}
        )
    ruled = [len(rows)]
    rows.append(
        {
            "cancer type": f"mean over {plural(len(scores.codes), 'type')}",
            "sections": _counted(scores, np.ones(len(design), bool)),
        }
        | {model: overall(scores, model, bootstrap) for model in scores.models}
    )
    if seen.any() and not seen.all():
        unseen = ~seen
        rows.append(
            {
                "cancer type": "mean over types, unseen patients",
                "sections": _counted(scores, unseen),
            }
            | {model: overall(scores, model, bootstrap, unseen) for model in scores.models}
        )
    apart = scores.without_code()
    if apart:
        ruled.append(len(rows))
        rows.append(
            {"cancer type": "no type known", "sections": len({row.section for row in apart})}
            | {model: Estimate(_mean(apart, model)) for model in scores.models}
        )
    notes = [*shared_notes([scores], bootstrap), BOLD, *seen_notes(scores, marked=True)]
    notes += patient_notes(scores, bootstrap)
    notes += difference_notes(scores, bootstrap, reference or scores.models[0])
    frame = pd.DataFrame(rows).set_index("cancer type")
    return Table(name, caption(title, [scores], paper), frame, tuple(notes), scores.protocol, "row", ruled=tuple(ruled))


def pooled_by_type(scores: Scores, name: str, title: str) -> Table:
    """PCC over the pooled spots of each cancer type's test sections, mean and sd over folds."""
    import pandas as pd

    _expect(scores, POOLED.name)
    rows: list[dict[str, object]] = []
    for code in scores.codes:
        own = [row for row in scores.rows if row.code == code]
        rows.append(
            {
                "cancer type": f"{code} {SEEN}" if any(row.seen for row in own) else code,
                "folds": len({row.split for row in own}),
            }
            | {model: _of_type(scores, model, code) for model in scores.models}
        )
    rows.append(
        {
            "cancer type": f"mean over {plural(len(scores.codes), 'type')}",
            "folds": len({row.split for row in scores.rows}),
        }
        | {model: Estimate(scores.overall(model), scores.spread(model)) for model in scores.models}
    )
    notes = [
        *shared_notes([scores]),
        "Differences between sections count as much as those within one: these figures are never to be set beside those per section.",
        "Bold is the highest.",
    ]
    if any(row.seen for row in scores.rows):
        notes.append(f"{SEEN} includes patients that a model has learned from by other sections.")
    frame = pd.DataFrame(rows).set_index("cancer type")
    return Table(name, caption(title, [scores]), frame, tuple(notes), scores.protocol, "row", ruled=(len(rows) - 1,))


def by_section(scores: Scores, name: str, title: str) -> Table:
    """PCC of every section, split and model, mean over seeds."""
    import pandas as pd

    _expect(scores, PER_SECTION.name)
    groups: dict[tuple[str, str], list[Score]] = {}
    for row in scores.rows:
        groups.setdefault((row.split, row.section), []).append(row)
    rows = []
    for (split, section), members in sorted(
        groups.items(), key=lambda item: (not item[1][0].code, item[1][0].code, item[0])
    ):
        first = members[0]
        about = {
            "section": f"{section} {SEEN}" if any(row.seen for row in members) else section,
            "cancer type": first.code or "none known",
            "patient": first.patient,
            "split": split,
            "spots": first.spots,
            "genes": first.genes,
        }
        rows.append(about | {model: _estimate(members, model) for model in scores.models})
    frame = pd.DataFrame(rows).set_index("section")
    if frame["split"].nunique() == 1:
        frame = frame.drop(columns="split")
    notes = [*shared_notes([scores]), *seen_notes(scores, marked=True), "Bold is the highest."]
    # The numbers before the models are no scores.
    return Table(name, caption(title, [scores]), frame, tuple(notes), scores.protocol, "row")


def _counted(scores: Scores, rows: np.ndarray) -> int:
    """Sections among these rows that have a score, and so enter a mean."""
    scored = np.isfinite([scores.values(model) for model in scores.models]).any(axis=0)
    return len({section for section, used in zip(scores.design.section, scored & rows, strict=True) if used})


def _expect(scores: Scores, protocol: str) -> None:
    if scores.protocol.name != protocol:
        raise TypeError(f"this table is of scores {protocol}, not {scores.protocol.name}")


def _of_type(scores: Scores, model: str, code: str) -> Estimate:
    return Estimate(scores.of_type(model, code), scores.spread(model, lambda row: row.code == code))


def _estimate(members: list[Score], model: str) -> Estimate:
    values = np.array([row.value for row in members if row.model == model])
    values = values[np.isfinite(values)]
    return Estimate(mean_finite(values), float(values.std(ddof=1)) if len(values) > 1 else np.nan)


def _mean(rows: tuple[Score, ...], model: str) -> float:
    sections: dict[str, list[float]] = {}
    for row in rows:
        if row.model == model:
            sections.setdefault(row.section, []).append(row.value)
    return mean_finite(np.array([mean_finite(np.array(values)) for values in sections.values()]))

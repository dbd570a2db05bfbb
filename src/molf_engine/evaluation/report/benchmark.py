"""Report of a benchmark: what was asked, on what data, how it was measured, every table and figure, and what they do not show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.errors import DataError
from molf_engine.evaluation import tables
from molf_engine.evaluation.gene_sets import HALLMARK, MOST_VARIABLE, PANEL, GeneSets
from molf_engine.evaluation.protocols import PER_SECTION, POOLED, Comparison, Scores
from molf_engine.evaluation.report.figures import models_figure, sweep_figure, variance_figure
from molf_engine.evaluation.report.limits import limits
from molf_engine.evaluation.report.page import Page
from molf_engine.evaluation.report.run import BenchmarkRun
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.scoring import TRUTH
from molf_engine.evaluation.sweep import Sweep
from molf_engine.evaluation.tables.hallmark import threshold_notes
from molf_engine.evaluation.tables.other import structure_is_known
from molf_engine.evaluation.tables.table import plural
from molf_engine.genes.units import UNITS

SCORED_ROLES = ("test", "new")
LEAST_SHARE = 0.5
"""Share of the panel that a model has to predict to be compared with others over more than the most variable genes."""

_SCALES = {
    "log1p": "log(1 + counts): the paper's scale, in which much of a map is how many counts a spot has at all.",
    "log1p-cp10k": "log(1 + counts per 10,000 of the spot): composition, without depth.",
    TRUTH: "Predictions in log1p-cp10k against the simulated expression that the counts were drawn from: no noise of counting.",
}


def write_report(
    folder: Path | str,
    run: BenchmarkRun,
    results: Sequence[SectionResult],
    sets: GeneSets,
    sweeps: Sequence[Sweep] = (),
) -> Path:
    """Write ``report.html`` with its tables and figures; returns its path.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    run : BenchmarkRun
        What the benchmark was.
    results : sequence of SectionResult
        Of all models, variants, splits, seeds and sections; only test sections are shown.
    sets : GeneSets
        On the panel of the reference model, by statistics of training spots.
    sweeps : sequence of Sweep
        Over guidance scales, if any was made.

    Raises
    ------
    DataError
        If there is no result on a test section, or none that all models have.
    MolfError
        If the folder cannot be written to.
    """
    tested = [result for result in results if result.role in SCORED_ROLES]
    if not tested:
        raise DataError("No model has a result on a test section yet: there is nothing to report.")
    main = [result for result in tested if not result.variant]
    if not main:
        raise DataError(
            "All results are of variants: without the model as it is there is nothing to compare them with."
        )
    scales = [units for units in (*UNITS, TRUTH) if any(units in result.scales for result in main)]
    comparisons = {units: Comparison(_ordered(main, run), units, sets.genes) for units in scales}
    whole, partial = _of_the_panel(main)
    over_panel = {units: Comparison(_ordered(whole, run), units, sets.genes) for units in scales}
    variable = {
        units: comparison.per_section(MOST_VARIABLE, sets.group(MOST_VARIABLE, units))
        for units, comparison in comparisons.items()
    }

    page = Page(run.title, _lead(run, variable))
    _short(page, run, variable)
    _asked(page, run)
    _data(page, run, tested)
    _splits(page, run, tested)
    _method(page, run, sets, scales)
    _models(page, run, tested)
    for units in scales:
        _scale(page, run, over_panel[units], variable[units], sets, tested, partial)
    if sweeps:
        page.heading("Guidance")
        page.text(
            "Every scale is decoded from the end points of two network evaluations per section. Filter-and-Rank (paper, eq. 11-12) "
            "keeps the scales whose Wasserstein distance is close to the smallest, then takes the one with the highest cosine."
        )
        tables.sweeps_table(sweeps, "guidance", "Measures at each guidance scale (the paper's Table 13)").add_to(page)
        page.figure(
            sweep_figure(sweeps),
            "Measures against the guidance scale. A ring marks the scale that is taken, a dotted line the limit of the filter.",
            "guidance",
        )
    _how(page, run, tested)
    page.heading("What cannot be concluded")
    page.points(limits(run, tested, list(variable.values())))
    return page.write(folder)


def _of_the_panel(results: Sequence[SectionResult]) -> tuple[list[SectionResult], tuple[str, ...]]:
    """Results of the models that predict most of what a section measured, and the names of the other models."""
    widest: dict[str, int] = {}
    for result in results:
        widest[result.section] = max(widest.get(result.section, 0), int(result.measured.sum()))
    narrow = {result.name for result in results if result.measured.sum() < LEAST_SHARE * widest[result.section]}
    return [result for result in results if result.name not in narrow], tuple(sorted(narrow))


def _ordered(results: Sequence[SectionResult], run: BenchmarkRun) -> list[SectionResult]:
    """The reference first, then the models in the order that the run tells."""
    order = {name: place for place, name in enumerate((run.reference, *(model.name for model in run.models)))}
    order = {run.reference: -1, **{name: place for name, place in order.items() if name != run.reference}}
    return sorted(results, key=lambda result: order.get(result.name, len(order)))


def _lead(run: BenchmarkRun, variable: dict[str, Scores]) -> str:
    scores = next(iter(variable.values()))
    sections = {row.section for row in scores.rows}
    return (
        f"{plural(len(scores.models), 'model')} on {plural(len(sections), 'test section')} of {plural(len(scores.codes), 'cancer type')} "
        f"({run.data}). Predicted, not measured; for research use only."
    )


def _short(page: Page, run: BenchmarkRun, variable: dict[str, Scores]) -> None:
    page.heading("In short")
    lines = []
    for units, scores in variable.items():
        told = []
        for model in scores.models:
            bounds = run.bootstrap.interval(scores, model)
            interval = f" ({bounds.low:.3f} to {bounds.high:.3f})" if bounds.known else ""
            told.append(f"{model} {scores.overall(model):.3f}{interval}")
        lines.append(f"Mean PCC over {MOST_VARIABLE}, {units}: {', '.join(told)}.")
        if scores.seen.any():
            lines.append(_unseen(scores))
        best = max(scores.models, key=lambda model: np.nan_to_num(scores.overall(model), nan=-2.0))
        others = [model for model in scores.models if model != best]
        if others:
            second = max(others, key=lambda model: np.nan_to_num(scores.overall(model), nan=-2.0))
            lines.append(f"{units}: {run.bootstrap.difference(scores, best, second).text(best, second)}")
    page.points(lines)
    page.text("Intervals are over test sections, see below; the last chapter says what these figures do not show.")


def _unseen(scores: Scores) -> str:
    """What remains without the patients that a model has learned from."""
    if scores.seen.all():
        return f"{scores.units}: every test section is of a patient that a model has learned from."
    unseen = ~scores.seen
    told = ", ".join(f"{model} {scores.overall(model, unseen):.3f}" for model in scores.models)
    return f"{scores.units}, without patients that a model has learned from: {told}."


def _asked(page: Page, run: BenchmarkRun) -> None:
    page.heading("What was asked").text(run.asked)


def _data(page: Page, run: BenchmarkRun, results: Sequence[SectionResult]) -> None:
    import pandas as pd

    sections = {result.section: result for result in results}
    every = list(sections.values())
    patients = {one.patient for one in every} - {"", UNKNOWN}
    unknown = sum(one.patient in {"", UNKNOWN} for one in every)
    page.heading("Data")
    page.facts(
        {
            "Data": run.data + (" (simulated)" if run.simulated else ""),
            "Test sections": len(sections),
            "Patients": f"{len(patients)} known"
            + (f", and {plural(unknown, 'section')} of unknown patients" if unknown else ""),
            "Spots": f"{sum(one.spots for one in every):,} scored, {sum(one.left_out for one in every):,} left out"
            + (f"; spots with fewer than {run.min_counts:g} counts are not scored" if run.min_counts else ""),
            "Technology": _listing(one.technology for one in every),
            "Species": _listing(one.species for one in every),
            "Patch features": f"`{run.encoder}`",
            "Gene panel": f"`{run.panel}`, {len(every[0].genes):,} genes, {_range([int(one.measured.sum()) for one in every])} of them "
            "measured by a section",
        }
    )
    rows = []
    for code in sorted({one.code for one in every}):
        own = [one for one in every if one.code == code]
        rows.append(
            {
                "cancer type": "none known" if code == UNKNOWN else code,
                "sections": len(own),
                "patients": len({one.patient for one in own} - {"", UNKNOWN}),
                "spots": sum(one.spots for one in own),
                "organ": _listing(one.organ for one in own),
                "technology": _listing(one.technology for one in own),
            }
        )
    page.table(pd.DataFrame(rows).set_index("cancer type"), "Test sections by cancer type.", name="data")


def _splits(page: Page, run: BenchmarkRun, results: Sequence[SectionResult]) -> None:
    import pandas as pd

    page.heading("Splits")
    if run.splits:
        rows = [
            {
                "split": split.name,
                "training": split.training,
                "validation": split.validation,
                "test": split.test,
                "audit": "not made" if not split.audited else plural(len(split.findings), "finding"),
            }
            for split in run.splits
        ]
        page.table(pd.DataFrame(rows).set_index("split"), "Sections of each split.", name="splits")
        page.points([f"{split.name}: {finding}" for split in run.splits for finding in split.findings])
    seen = sorted({result.section for result in results if result.seen})
    page.text(
        f"Of patients that a model has learned from by other sections: {', '.join(seen)}. They are marked * in every table."
        if seen
        else "No test section is known to be of a patient that a model has learned from."
    )


def _method(page: Page, run: BenchmarkRun, sets: GeneSets, scales: Sequence[str]) -> None:
    page.heading("How it was measured")
    page.text("Two protocols are used, which give different numbers and are never set in one table:")
    page.points([f"{one.name}: {one.text}." for one in (PER_SECTION, POOLED)])
    page.text("Scales:")
    page.points([f"{units}: {_SCALES[units]}" for units in scales])
    page.text("Genes:")
    own = " of each split" if sets.of_split else ""
    page.points(
        [
            f"{MOST_VARIABLE}: the 50 genes of the panel with the largest standard deviation over the training spots{own}, in the "
            "scale that is scored.",
            f"{HALLMARK}: {len(sets.hallmark)} MSigDB Hallmark sets with a gene on the panel, each averaged over its genes on the panel. "
            + " ".join(threshold_notes(sets)),
            "Models in one table are compared on the genes and the sections that all of them have.",
        ]
    )


def _models(page: Page, run: BenchmarkRun, results: Sequence[SectionResult]) -> None:
    import pandas as pd

    page.heading("Models")
    about = {model.name: model for model in run.models}
    rows = []
    for name in dict.fromkeys((*about, *(result.name for result in results))):
        own = [result for result in results if result.name == name]
        facts = about.get(name)
        rows.append(
            {
                "model": name,
                "what it is": facts.text if facts else "",
                "parameters": facts.parameters if facts else None,
                "training, s": facts.training_seconds if facts else None,
                "trainings": len({(result.split, result.seed) for result in own}),
                "sections": len({result.section for result in own}),
                "reduced": "yes" if facts and facts.reduced else "",
            }
        )
    page.table(
        # Objects, or a model without a count would turn all counts into fractions.
        pd.DataFrame(rows, dtype=object).set_index("model"),
        "Models. Training time is that of one training, mean over trainings, on the device named below.",
        name="models",
        digits=1,
    )
    page.points([f"{model.name}, reduced: {model.reduced.rstrip('.')}." for model in run.models if model.reduced])


def _scale(
    page: Page,
    run: BenchmarkRun,
    comparison: Comparison,
    variable: Scores,
    sets: GeneSets,
    tested: Sequence[SectionResult],
    partial: Sequence[str],
) -> None:
    """All tables and figures of one scale; ``comparison`` is of the models that predict the whole panel."""
    units, bootstrap = comparison.units, run.bootstrap
    group = sets.group(MOST_VARIABLE, units)
    page.heading(f"Results in {units}").text(_SCALES[units])
    if partial:
        page.text(
            f"{', '.join(partial)} predicts a small part of the panel: it stands beside the others over {MOST_VARIABLE} alone, since "
            "models in one table are compared on the genes that all of them predict."
        )

    page.heading(f"Variable genes by cancer type, {units}", 3)
    if variable.codes:
        tables.by_type(
            variable,
            f"hvg-{units}",
            f"PCC over {MOST_VARIABLE}",
            bootstrap,
            paper=_like("Table 2", units),
            reference=run.reference,
        ).add_to(page)
        page.figure(
            models_figure(variable, bootstrap),
            f"PCC over {MOST_VARIABLE} of every section, {units}: a mark per section (mean over seeds), a bar at the mean over "
            "cancer types, and under it the interval over sections.",
            f"models-{units}",
        )
        panel = comparison.per_section(PANEL, sets.group(PANEL, units))
        tables.by_type(panel, f"panel-{units}", "PCC over the whole panel", bootstrap, reference=run.reference).add_to(
            page
        )
    else:
        page.text("No section has a cancer type: there is no table by type.")

    if sets.tiers is not None:
        page.heading(f"Hallmark sets, {units}", 3)
        tables.by_tier(
            comparison,
            sets,
            f"tiers-{units}",
            "PCC of Hallmark sets by variance tier",
            bootstrap,
            paper=_like("Table 3", units),
        ).add_to(page)
        page.figure(
            variance_figure(comparison, sets),
            f"PCC of each Hallmark set against the variance of its genes, {units}, with a line fitted to each model (the paper's "
            "Figure 6). Dotted lines separate the tiers.",
            f"hallmark-variance-{units}",
        )
        tables.by_set(
            comparison, sets, f"hallmark-{units}", "PCC of every Hallmark set", paper=_like("Tables 10 to 12", units)
        ).add_to(page)

    _ablations(page, run, units, sets, tested)

    page.heading(f"Pooled spots, {units}", 3)
    pooled = comparison.pooled(MOST_VARIABLE, group)
    if pooled.codes:
        tables.pooled_by_type(pooled, f"pooled-{units}", f"PCC over {MOST_VARIABLE}").add_to(page)
    else:
        page.text("No section has a cancer type: nothing is pooled.")

    page.heading(f"Error, profile and structure, {units}", 3)
    tables.measures(comparison, f"measures-{units}", bootstrap).add_to(page)
    if structure_is_known(comparison):
        tables.structure(comparison, sets, f"structure-{units}", bootstrap).add_to(page)

    page.heading(f"Section by section, {units}", 3)
    tables.by_section(variable, f"sections-{units}", f"PCC over {MOST_VARIABLE} of every section").add_to(page)


def _like(table: str, units: str) -> str:
    """What the paper calls such a table; it has each in one scale."""
    return f"the paper's {table}" if units == "log1p" else f"as the paper's {table}, in another scale"


def _ablations(page: Page, run: BenchmarkRun, units: str, sets: GeneSets, tested: Sequence[SectionResult]) -> None:
    opened = False
    for one in run.ablations:
        own = [
            result for result in tested if (result.name in one.models or not result.variant) and units in result.scales
        ]
        if not any(result.variant for result in own):
            continue
        if not opened:
            page.heading(f"What each part is worth, {units}", 3)
            opened = True
        try:
            comparison = Comparison(_ordered(own, run), units, sets.genes)
        except DataError as error:
            page.text(f"{one.title}: {error}")
            continue
        table = tables.ablation(comparison, sets, one, run.bootstrap)
        page.table(table.frame, table.caption, table.notes, f"{table.name}-{units}", ruled=table.ruled)


def _how(page: Page, run: BenchmarkRun, results: Sequence[SectionResult]) -> None:
    page.heading("How it was run")
    seeds = sorted({result.seed for result in results})
    facts: dict[str, object] = {
        "Seeds": ", ".join(map(str, seeds)),
        "Bootstrap": f"{run.bootstrap.draws:,} draws, seed {run.bootstrap.seed}, level {run.bootstrap.level:g}",
        "Device": run.device or "not told",
    }
    if run.seconds is not None:
        facts["Time"] = _duration(run.seconds)
    page.facts(facts | dict(run.versions))
    if run.commands:
        page.code("\n".join(run.commands))


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _listing(values: Iterable[str]) -> str:
    return ", ".join(sorted(set(values)))


def _range(values: Sequence[int]) -> str:
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"

"""The routing report: one page, with its tables and figures as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.evaluation.report import Estimate, Page
from molf_engine.evaluation.report.cells import expand
from molf_engine.evaluation.report.run import versions
from molf_engine.evaluation.routing import findings
from molf_engine.evaluation.routing.chapters.experts import (
    comparison_chapter,
    effect_chapter,
    montage_chapter,
    patch_table,
)
from molf_engine.evaluation.routing.chapters.latent import latent_chapter, path_chapter
from molf_engine.evaluation.routing.chapters.use import distance_chapter, use_chapter
from molf_engine.evaluation.routing.observe import NO_EXPERTS
from molf_engine.evaluation.routing.study import RoutingStudy
from molf_engine.evaluation.routing.usage import evenness_by_type, use_by_section, use_by_type
from molf_engine.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd


def write_report(study: RoutingStudy, folder: Path, *, command: str = "", overwrite: bool = False) -> Path:
    """Write the folder with ``report.html``, ``tables/*.csv`` and ``figures/*.png`` and ``.svg``; returns the path of the page.

    ``command`` is what was typed, for the page.

    Raises
    ------
    MolfError
        If the folder exists and may not be replaced, or cannot be written.
    """
    with atomic_path(folder, overwrite=overwrite) as beside:
        page = build_page(study, command).write(beside)
        for name, table in whole_tables(study).items():
            table.to_csv(beside / "tables" / f"{name}.csv", index=False, encoding="utf-8")
    return folder / page.name


def whole_tables(study: RoutingStudy) -> dict[str, pd.DataFrame]:
    """Tables that are too long for a page, by the name of their file."""
    if study.use is None or study.effects is None or study.montage is None:
        return {}
    return {
        "expert-use-by-section": use_by_section(study.use.uses, study.use.experts),
        "differences": study.effects,
        "patches": patch_table(study.montage, study.use.experts),
    }


def use_records(study: RoutingStudy) -> list[dict[str, Any]]:
    """Expert use per cancer type as rows of plain values: shares, sd beside mean, and evenness; none without experts."""
    if study.use is None:
        return []
    table = expand(use_by_type(study.use.uses, study.use.experts))
    return table.merge(evenness_by_type(study.use.uses), on="type", how="left").to_dict("records")


def use_texts(study: RoutingStudy) -> list[dict[str, Any]]:
    """Expert use per cancer type in a form that fits a terminal: in %, mean ± sd over sections."""
    if study.use is None:
        return []
    table = use_by_type(study.use.uses, study.use.experts)
    for expert in study.use.experts:
        table[expert] = [_share(cell) for cell in table[expert]]
    return table.to_dict("records")


def build_page(study: RoutingStudy, command: str = "") -> Page:
    """Chapters in the order of the questions; those that need experts only where there are any."""
    page = Page(f"Routing of {study.bundle.name}", " ".join(_lead(study)))
    page.heading("What was looked at").facts(_facts(study))
    if study.use is None:
        page.text(NO_EXPERTS)
    else:
        use_chapter(page, study.use)
        distance_chapter(page, study, study.use)
    latent_chapter(page, study)
    path_chapter(page, study)
    if study.use is not None:
        montage_chapter(page, study, study.use)
        effect_chapter(page, study, study.use)
        comparison_chapter(page, study, study.use)
    page.heading("What cannot be concluded").points(findings.limit_sentences(study))
    page.heading("How it was run").facts(run_facts(study))
    return page.code(command) if command else page


def headlines(study: RoutingStudy) -> list[str]:
    """The main findings, in sentences, for the top of the page and for a terminal."""
    sentences = [NO_EXPERTS] if study.use is None else findings.type_sentences(study.use)
    sentences += findings.path_sentences(study.paths)[:1]
    return sentences + findings.comparison_sentences(study)[1:]


def _lead(study: RoutingStudy) -> list[str]:
    spots = sum(len(section) for section in study.routed)
    return [
        f"{study.bundle.id} on {len(study.routed)} section{'s' if len(study.routed) != 1 else ''}, {spots:,} spots.",
        *headlines(study)[:1],
    ]


def _facts(study: RoutingStudy) -> dict[str, Any]:
    roles = [section.role for section in study.routed]
    given = {section.told for section in study.routed}
    lost = sorted({section.type for section in study.routed if section.told != section.type})
    flow = study.bundle.config.flow
    facts = {
        "Model": f"{study.bundle.id}: {study.bundle.card_line}",
        "Experts": f"{flow.experts}, of which each spot uses {flow.active}" if study.use else "none",
        "Sections": f"{len(roles)}: "
        + ", ".join(f"{roles.count(role)} {role}" for role in sorted(set(roles)))
        + " (what they were to the model)",
        "Patients": str(len({section.patient for section in study.routed})),
        "Cancer types": ", ".join(study.types),
        "Codes given to the network": ", ".join(sorted(given))
        + (f"; `Unknown` for {', '.join(lost)}, which it has not learned" if lost else ""),
        "Spots": f"{sum(len(section) for section in study.routed):,} with {study.bundle.config.min_counts:g} counts or more",
    }
    if study.other is not None:
        facts["Compared with"] = f"{study.other.bundle.id}: {study.other.bundle.card_line}"
    return facts


def run_facts(study: RoutingStudy) -> dict[str, Any]:
    """Settings and versions."""
    options = study.options
    return {
        "Seed": str(options.seed),
        "Settings": f"{options.permutations:,} permutations, {options.steps} steps of a path, {options.per_type:,} latents of a type at "
        "most",
        **versions(),
    }


def _share(cell: Estimate) -> str:
    spread = "" if np.isnan(cell.sd) else f" ± {100 * cell.sd:.0f}"
    return f"{100 * cell.value:.0f}{spread}"

"""What the experts see: patches, genes, and their partners in another model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.report import Page
from molf_engine.evaluation.routing import findings
from molf_engine.evaluation.routing.divergence import js_distance
from molf_engine.evaluation.routing.effect_table import small_programmes
from molf_engine.evaluation.routing.effects import MIN_SPOTS
from molf_engine.evaluation.routing.exemplars import COUNT
from molf_engine.evaluation.routing.figures.experts import draw_genes, draw_matching, draw_montage, draw_programmes
from molf_engine.evaluation.routing.figures.use import draw_use
from molf_engine.evaluation.routing.study import ModelUse, Montage, RoutingStudy
from molf_engine.evaluation.routing.usage import in_percent, type_shares, use_by_type

if TYPE_CHECKING:
    import pandas as pd

SHOWN_EFFECTS = 5
"""Rows of each expert in the page; the file has all."""


def montage_chapter(page: Page, study: RoutingStudy, use: ModelUse) -> None:
    """Patches that each expert is surest of, and where they come from."""
    montage, size_um = study.montage, study.bundle.config.patch.size_um
    assert montage is not None
    page.heading("What each expert is surest of")
    page.text(
        f"The {COUNT} patches with the highest gate logit of each expert (paper, Figure 8), best first, {size_um:g} um wide, framed in "
        f"the colour of their cancer type. Left: at most {montage.per_section} patches of one section, so that no slide fills the page; "
        "right: no limit, as in the paper."
    )
    page.points(findings.missing_slides(study))
    for expert, (limited, unlimited) in zip(
        use.experts, zip(montage.limited, montage.unlimited, strict=True), strict=True
    ):
        sections = len({exemplar.section for exemplar in unlimited})
        served = sum(exemplar.used for exemplar in limited)
        if any(montage.images.of(exemplar) is not None for exemplar in (*limited, *unlimited)):
            page.figure(
                draw_montage(
                    [
                        (f"{expert}, at most {montage.per_section} of a section", limited),
                        (f"{expert}, no limit", unlimited),
                    ],
                    montage.images,
                    study.types,
                    size_um,
                ),
                f"{expert}: patches it is surest of, each {size_um:g} um wide (bar: 50 um). It is used by {served} of the {len(limited)} "
                f"on the left. Without the limit they come from {sections} section{'s' if sections != 1 else ''}.",
                f"patches-{expert.lower()}",
            )
    every = patch_table(montage, use.experts)
    counts = every.groupby(["expert", "montage"], sort=False).agg(
        patches=("rank", "size"), sections=("section", "nunique"), types=("type", "nunique"), used=("used", "sum")
    )
    page.table(
        counts.reset_index(),
        "Where the patches of the montages come from.",
        ("used: patches that have the expert among those they use.", "Every patch: `tables/patches.csv`."),
        "patches-summary",
    )


def patch_table(montage: Montage, experts: Sequence[str]) -> pd.DataFrame:
    """Every patch of the montages, with its place on the slide."""
    import pandas as pd

    return pd.DataFrame(
        {
            "montage": kind,
            "expert": experts[exemplar.expert],
            "rank": rank,
            "section": exemplar.section,
            "type": exemplar.type,
            "x px": exemplar.centre[0],
            "y px": exemplar.centre[1],
            "gate logit": exemplar.logit,
            "used": exemplar.used,
        }
        for kind, blocks in (("limited", montage.limited), ("unlimited", montage.unlimited))
        for block in blocks
        for rank, exemplar in enumerate(block, start=1)
    )


def effect_chapter(page: Page, study: RoutingStudy, use: ModelUse) -> None:
    """Hallmark sets and genes that differ where an expert is used."""
    table = study.effects
    assert table is not None
    page.heading("What is expressed where an expert is used")
    page.text(
        "Measured expression (log1p of counts per 10,000), not predicted: spots that use an expert against the other spots of the same "
        "section, as a standardised difference (Cohen's d), so that differences between sections cannot pass for effects; averaged "
        f"over the sections of a patient, then over patients. Sections with fewer than {MIN_SPOTS} spots on either side say nothing; a "
        "gene or set is kept if it is seen in at least half of the patients (and two, where there are two)."
    )
    page.points(findings.depth_sentences(table))
    marked = small_programmes(study.bundle.genes)
    for kind, what in (("programme", "Hallmark sets"), ("gene", "genes")):
        rows = table[table["kind"] == kind].drop(columns="kind")
        page.heading(what.capitalize(), 3).points(findings.effect_sentences(table, kind))
        if rows.empty:
            continue
        if kind == "programme":
            page.figure(
                draw_programmes(rows, use.experts, marked),
                "Hallmark sets that differ most between the spots of an expert and the others. A dot: false discovery rate below 5 %."
                + (" A star, if any: fewer than 10 genes of the panel." if marked else ""),
                "programmes",
            )
        else:
            page.figure(
                draw_genes(rows, use.experts),
                "Genes most above and most below the other spots, per expert; lines are 95 % intervals (bootstrap over patients), filled "
                "dots have a false discovery rate below 5 %. These are the strongest of many genes, so their size is flattered.",
                "genes",
            )
        page.table(
            rows.groupby("expert", sort=False)
            .head(SHOWN_EFFECTS)
            .drop(columns=["sections", "p"])
            .reset_index(drop=True),
            f"The {SHOWN_EFFECTS} {what} with the largest differences of each expert.",
            (
                "low, high: central 95 % of 2,000 bootstraps over patients; q: t-test over patients after Benjamini and Hochberg, "
                f"over all {len(rows):,} rows of all experts. Fewer than three patients: neither.",
                "at equal depth: the difference after taking out what a line on the log total counts of the spots explains; same sign: "
                "share of the sections on the side of the mean.",
                "Every gene and set: `tables/differences.csv`.",
            ),
            f"{kind}s",
        )


def comparison_chapter(page: Page, study: RoutingStudy, use: ModelUse) -> None:
    """The other model, if there is one: partners of the experts, and what stays."""
    import pandas as pd

    other, found = study.other, study.comparison
    if other is None or found is None:
        return
    page.heading("Beside the other model").points(findings.comparison_sentences(study))
    page.figure(
        draw_matching(found, (study.bundle.id, other.bundle.id), (use.experts, other.experts)),
        f"Where the {found.spots:,} spots of each expert go in the other model, % of a row. Framed: partners, chosen so that as many "
        "spots as can be agree (Hungarian method).",
        "expert-matching",
    )
    page.figure(
        draw_use(other.uses, other.experts), f"Expert use per cancer type of {other.bundle.id}.", "expert-use-compared"
    )
    page.table(
        in_percent(use_by_type(other.uses, other.experts), other.experts),
        f"Share of the assignments per expert and cancer type in %, {other.bundle.id}; as in the table of the first model.",
        name="expert-use-by-type-compared",
        digits=1,
    )
    mine, theirs = type_shares(use.uses), _in_partner_order(other, found.matched, len(use.experts))
    if theirs is not None:
        page.table(
            pd.DataFrame(
                {"type": name, "distance": float(js_distance(mine[name], theirs[name]))}
                for name in mine
                if name in theirs
            ),
            "Jensen-Shannon distance between the two models' expert use of a type, after matching.",
            (
                "Small distances say that the experts' shares are alike, not that the same spots use them: see the agreement.",
            ),
            "model-distances",
        )


def _in_partner_order(
    other: ModelUse, matched: tuple[tuple[int, int], ...], experts: int
) -> dict[str, np.ndarray] | None:
    """Use of the other model with its experts in the order of their partners; none if some have no partner."""
    if len(matched) != experts or len(other.experts) != experts:
        return None
    order = [column for _, column in sorted(matched)]
    return {name: shares[order] for name, shares in type_shares(other.uses).items()}

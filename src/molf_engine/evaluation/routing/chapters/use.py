"""Who uses which expert, and how far apart cancer types are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.report import Page
from molf_engine.evaluation.routing import findings
from molf_engine.evaluation.routing.divergence import distance_matrix
from molf_engine.evaluation.routing.figures.use import draw_distances, draw_section_use, draw_use
from molf_engine.evaluation.routing.study import ModelUse, RoutingStudy
from molf_engine.evaluation.routing.usage import (
    evenness_by_type,
    in_percent,
    pooled_by_type,
    type_shares,
    use_by_section,
    use_by_type,
)

if TYPE_CHECKING:
    import pandas as pd

SHOWN_SECTIONS = 30
"""Rows in the page; the file has all."""
LEFT_OUT = ["code given", "balance / optimum", "same expert from noise %"]
"""Columns that the page has no room for."""


def use_chapter(page: Page, use: ModelUse) -> None:
    """Expert use per cancer type, the test between types, and every section."""
    experts, active = use.experts, use.bundle.config.flow.active
    page.heading("Expert use per cancer type")
    page.points([*findings.type_sentences(use), *findings.use_sentences(use)])
    page.figure(
        draw_use(use.uses, experts),
        f"Expert use per cancer type: share of the top-{active} assignments, mean over the n sections of a type (paper, Table 4).",
        "expert-use",
    )
    page.figure(
        draw_section_use(use.uses, experts),
        "The same, section by section: a dot is a section, the bar their mean, the dashed line even use.",
        "expert-use-by-section",
    )
    by_type = in_percent(use_by_type(use.uses, experts), experts)
    several = len(by_type) > 1
    page.table(
        by_type,
        f"Share of the top-{active} assignments per expert and cancer type in % (paper, Table 4): mean ± sd over sections, every "
        "section counting once.",
        ("mean of types: every type counts once; its sd is over types.",) if several else (),
        "expert-use-by-type",
        digits=1,
        ruled=(len(by_type) - 1,) if several else (),
    )
    page.table(
        evenness_by_type(use.uses),
        "How evenly the experts are used.",
        (
            "effective experts: exponential of the entropy of the type's mean use; within a section: of each section's own use, averaged.",
            f"balance / optimum: the load-balancing loss in its released form over its value at even use ({active}), mean over sections; "
            "1 is even.",
        ),
        "evenness",
        digits=2,
    )
    page.table(
        in_percent(pooled_by_type(use.uses, experts), experts),
        "Share in %, pooled over the spots of a type, as the released analysis counts.",
        ("largest section: its share of the type's spots, and so of this table's figures.",),
        "expert-use-pooled",
        digits=1,
    )
    if not use.test.reason:
        page.table(_test_table(use), "Do experts differ by cancer type?", _test_notes(), "type-test")
    if len(use.uses) <= SHOWN_SECTIONS:
        page.table(
            in_percent(use_by_section(use.uses, experts), experts).drop(columns=LEFT_OUT),
            f"Expert use of each of the {len(use.uses)} sections, in %.",
            digits=1,
        )
    page.text(
        "Every section, with its balance and the share of spots that have the same first expert where the gate starts from noise: "
        "`tables/expert-use-by-section.csv`."
    )


def distance_chapter(page: Page, study: RoutingStudy, use: ModelUse) -> None:
    """Jensen-Shannon distance between types, for one model or two."""
    models = [model for model in (use, study.other) if model is not None]
    shares = [type_shares(model.typed) for model in models]
    page.heading("Distance between cancer types")
    if len(shares[0]) < 2:
        page.text("There is one known cancer type, or none: there is no distance to show.")
        return
    names = list(shares[0])
    matrices = [distance_matrix(np.array([of_model[name] for name in names])) for of_model in shares]
    page.points(
        [
            (f"{model.bundle.id}: " if len(models) > 1 else "") + findings.distance_sentence(names, matrix)
            for model, matrix in zip(models, matrices, strict=True)
        ]
    )
    page.figure(
        draw_distances([(model.bundle.id, model.typed) for model in models]),
        "Jensen-Shannon distance (base 2: 0 the same use, 1 no expert in common) between the cancer types' mean expert use (paper, "
        "Figure 7)." + (" Like types stand together (average linkage)." if len(names) > 2 else ""),
        "type-distances",
    )
    for number, (model, matrix) in enumerate(zip(models, matrices, strict=True)):
        page.table(
            _matrix_table(matrix, names),
            f"Jensen-Shannon distance between cancer types, {model.bundle.id}.",
            name="type-distances" if number == 0 else "type-distances-compared",
        )


def _test_table(use: ModelUse) -> pd.DataFrame:
    import pandas as pd

    tests = {"its own code": use.test, "Unknown for all": use.nameless_test}
    return pd.DataFrame(
        {
            "code given": given,
            "patients": test.units,
            "distance": test.distance,
            "by chance": test.distance_by_chance,
            "p": test.p,
            "smallest p": test.smallest_p,
            "explained": test.explained,
            "explained by chance": test.explained_by_chance,
        }
        for given, test in tests.items()
        if test is not None and not test.reason
    )


def _test_notes() -> tuple[str, ...]:
    return (
        "distance: mean Jensen-Shannon distance between the mean use of every two types; by chance: its mean over permutations of the "
        "patients' types. Sections of a patient are averaged first: they are no independent witnesses.",
        "smallest p: the smallest that so few patients and so many permutations can give.",
        "explained: of the variance, the sum of squares between types over the total one, of the patients' use; by chance: over the same "
        "permutations, where it is above 0 too.",
    )


def _matrix_table(matrix: np.ndarray, names: list[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(matrix, columns=names, index=pd.Index(names, name="type"))

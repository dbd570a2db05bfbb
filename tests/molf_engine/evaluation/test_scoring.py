"""Means of scores over sections."""

from __future__ import annotations

import math

from molf_engine.evaluation.scoring import mean_over_sections


def record(
    section: str, molf: float, *, seen: bool = False, units: str = "log1p", ridge: float = 0.2
) -> dict[str, object]:
    return {
        "section": section, "patient": section, "role": "test", "seen": seen, "spots": 10, "units": units,
        "genes": "panel", "n_genes": 5, "molf": molf, "ridge": ridge, "mlp": 0.1, "depth": 0.0,
    }  # fmt: skip


def test_seen_patients_and_scales_are_averaged_apart() -> None:
    rows = mean_over_sections(
        [record("a", 0.1), record("b", 0.3), record("c", 0.9, seen=True), record("a", 0.5, units="log1p-cp10k")]
    )
    assert [(row["seen"], row["units"], row["sections"], row["spots"], row["molf"]) for row in rows] == [
        (False, "log1p", 2, 20, 0.2),
        (True, "log1p", 1, 10, 0.9),
        (False, "log1p-cp10k", 1, 10, 0.5),
    ]


def test_a_section_that_a_model_cannot_be_scored_on_does_not_count_for_it() -> None:
    (row,) = mean_over_sections([record("a", 0.1), record("b", 0.3, ridge=math.nan)])
    assert row["ridge"] == 0.2
    assert row["molf"] == 0.2

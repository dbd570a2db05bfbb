"""What is said about measured spots."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from molf_engine.evaluation.at_spots import Agreement, SpotMatch
from napari_molf.core.scores import Score
from napari_molf.measured.words import score_line, training_line

UNITS = "log1p-cp10k"


def agreement(spots: int = 1176, scales: tuple[str, ...] = (UNITS,)) -> Agreement:
    table = pd.DataFrame(
        {
            "kind": ["gene", "gene", "gene", "hallmark"],
            "genes": [1, 1, 1, 30],
            "of": [1, 1, 1, 40],
            f"pcc_{UNITS}": [0.41, 0.6, np.nan, 0.3],
            f"density_{UNITS}": [0.1, 0.2, 0.3, np.nan],
        },
        index=["EPCAM", "KRT8", "FLAT", "HYPOXIA"],
    )
    rows = np.arange(spots)
    return Agreement(SpotMatch(rows, rows, 2), 0, scales, table)


def on(role: str = "new", *, seen: bool = False, bundle: object = "any") -> SimpleNamespace:
    section = SimpleNamespace(patient="P1")
    return SimpleNamespace(
        role=role, seen=seen, spots=SimpleNamespace(section=section), run=SimpleNamespace(bundle=bundle, model="M")
    )


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score("gene", "EPCAM"), "EPCAM: PCC 0.41 over 1,176 spots (log1p-cp10k); ranks 2 of 2 genes; tissue density alone 0.10"),
        (Score("gene", "FLAT"), "FLAT: no PCC over 1,176 spots (log1p-cp10k): one of the two is the same everywhere."),
        (Score("gene", "OTHER"), "OTHER was not measured on this section."),
        (
            Score("hallmark", "HYPOXIA"),
            "HYPOXIA: PCC 0.30 over 1,176 spots (log1p-cp10k); ranks 1 of 1 Hallmark sets; measured over 30 of its 40 genes",
        ),
    ],
)  # fmt: skip
def test_a_score_is_said_with_its_correlation_its_rank_and_what_density_alone_reaches(score: Score, said: str) -> None:
    assert score_line(score, UNITS, agreement(), on()) == said


def test_too_few_spots_in_patches_say_what_to_do() -> None:
    assert "1 spots lie in a predicted patch, too few to compare. Use “Predict at the spots”." in score_line(
        Score("gene", "EPCAM"), UNITS, agreement(1), on()
    )


def test_a_scale_that_the_model_cannot_give_is_said() -> None:
    assert "does not predict total counts" in score_line(Score("gene", "EPCAM"), "log1p", agreement(), on())


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (on("training", seen=True), "This section was in the model's training"),
        (on("validation"), "settings were chosen on this section"),
        (on("test", seen=True), "has learned from this patient (P1)"),
    ],
)
def test_what_the_model_has_seen_is_warned_of(known: SimpleNamespace, said: str) -> None:
    assert said in training_line(known)


def test_a_new_patient_needs_no_warning() -> None:
    assert training_line(on()) is None
    assert training_line(None) is None

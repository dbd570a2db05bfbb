"""What a prediction can show, and what there is to doubt."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.prediction import validate
from napari_molf.core.scores import Score, Scores
from tests.napari_molf.fakes import GENES, FakeGuided, prediction


def test_the_hand_made_prediction_keeps_the_contract() -> None:
    validate(prediction())
    validate(prediction(free=True))


@pytest.mark.parametrize(
    ("gene", "doubt"),
    [
        ("EPCAM", None),
        ("COL1A1", "held-out skill unknown"),
        ("NOTSEEN", "not measured in training: its map means nothing"),
        ("WEAK", "low held-out skill (PCC 0.05)"),
    ],
)
def test_a_gene_says_how_far_it_can_be_trusted(gene: str, doubt: str | None) -> None:
    assert Scores(prediction()).genes[gene].doubt == doubt


def test_with_the_model_any_guidance_is_decoded() -> None:
    adata = prediction()
    guided = FakeGuided(adata.n_obs)
    scores = Scores(adata, guided)
    assert scores.can_guide
    assert np.array_equal(scores.values(Score("gene", "CD3E"), 3.0, relative=True), 1 + 3 * np.arange(adata.n_obs))
    scores.values(Score("hallmark", "HYPOXIA"), 4.0, relative=False)
    assert guided.asked == [("CD3E", 3.0, True), ("HYPOXIA", 4.0, False)]


def test_without_the_model_the_values_are_those_of_the_file() -> None:
    adata = prediction(units="log1p")
    scores = Scores(adata)
    assert not scores.can_guide and scores.guidance == 2.0
    assert np.array_equal(scores.values(Score("gene", "CD3E"), 9.0, relative=False), adata.X[:, GENES.index("CD3E")])
    assert np.array_equal(scores.values(Score("hallmark", "HYPOXIA"), 9.0, relative=False), np.arange(adata.n_obs))


def test_without_the_model_the_other_scale_is_worked_out_from_the_totals() -> None:
    adata = prediction(units="log1p")
    adata.obs["total"] = np.full(adata.n_obs, 2e4, np.float32)
    relative = Scores(adata).values(Score("gene", "EPCAM"), 2.0, relative=True)
    assert np.allclose(relative, np.log1p(np.expm1(adata.X[:, 0]) / 2), rtol=1e-5)


def test_the_hallmark_that_varies_most_is_shown_first() -> None:
    assert Scores(prediction()).first_to_show() == Score("hallmark", "HYPOXIA")

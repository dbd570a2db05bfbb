"""What is on show is found by its names, at its guidance, in its scale."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.errors import MolfError
from molf_engine.export import ScoreName, Shown
from molf_engine.export.shown import ENTROPY
from tests.napari_molf.fakes import prediction


def test_names_are_found_in_any_case_and_once(shown: Shown) -> None:
    found = shown.find(["epcam", " HALLMARK_HYPOXIA", "hypoxia", "", "Cd3e"])
    assert found == (ScoreName("gene", "EPCAM"), ScoreName("hallmark", "HYPOXIA"), ScoreName("gene", "CD3E"))


def test_an_unknown_name_is_refused_with_what_comes_near(shown: Shown) -> None:
    with pytest.raises(MolfError, match=r"EPCAN is neither .* Did you mean EPCAM\?"):
        shown.find(["EPCAN"])
    with pytest.raises(MolfError, match="Check its spelling"):
        shown.find(["QQQQQQ"])


def test_another_guidance_needs_the_model() -> None:
    with pytest.raises(MolfError, match=r"holds guidance 2, .* needs the model fake-12345678"):
        Shown(prediction(), guidance=3.0)


def test_each_expert_has_a_name() -> None:
    with pytest.raises(MolfError, match="2 names were given for 3 experts"):
        Shown(prediction(), expert_names=["stroma", "tumour"])
    assert Shown(prediction(), expert_names=["stroma", " ", "tumour"]).experts == ("stroma", "E2", "tumour")


def test_values_of_a_file_are_told_in_either_scale() -> None:
    own = Shown(prediction())
    counts = Shown(prediction(), relative=False)
    gene = ScoreName("gene", "CD3E")
    assert np.allclose(own.values(gene), np.arange(19) + 0.1)
    # 10,000 counts in each patch: both scales are the same.
    assert np.allclose(counts.values(gene), own.values(gene), atol=1e-5)
    assert own.unit_of(gene) == "log(1 + counts per 10,000)" and counts.unit_of(gene) == "log(1 + counts)"


def test_what_the_gate_did_is_shown_like_a_score(shown: Shown) -> None:
    assert np.allclose(shown.values(ENTROPY), np.linspace(0, 1, 19))
    weight = ScoreName("weight", "E2")
    assert np.allclose(shown.values(weight), shown.adata.obsm["routing"][:, 1])
    assert Shown(shown.adata, expert_names=["a", "b", "c"]).title_of(weight) == "Weight of b"


def test_the_most_variable_programmes_come_first(shown: Shown) -> None:
    assert [score.name for score in shown.most_variable(4)] == ["HYPOXIA", "APOPTOSIS"]


def test_with_the_model_values_are_those_of_the_decoder(predicted: ad.AnnData, tiny_bundle: Bundle) -> None:
    gene = ScoreName("gene", str(predicted.var_names[3]))
    shown = Shown(predicted, tiny_bundle)
    assert np.allclose(shown.values(gene), predicted.X[:, 3], atol=1e-5)
    assert not np.allclose(Shown(predicted, tiny_bundle, 4.0).values(gene), predicted.X[:, 3], atol=1e-5)

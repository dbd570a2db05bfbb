"""Inside or outside what a model has seen."""

from __future__ import annotations

from molf_engine.bundle import Bundle
from napari_molf.core.seen import Fact, facts_of
from tests.napari_molf.fakes import prediction


def facts(**changes: object) -> dict[str, Fact]:
    adata = prediction()
    adata.uns["molf"].update(changes)
    return {fact.what: fact for fact in facts_of(adata, Bundle.load("starter"))}


def test_a_slide_of_the_training_scale_and_cancer_type_is_inside() -> None:
    found = facts(um_per_pixel=0.69, cancer_code="IDC")
    assert found["um per pixel"] == Fact("um per pixel", "0.69", "0.687 to 3.19", "inside")
    assert found["cancer type"].verdict == "inside"


def test_a_finer_scan_and_another_cancer_type_are_outside() -> None:
    found = facts(um_per_pixel=0.25, cancer_code="PAAD")
    assert found["um per pixel"].verdict == "outside" and found["cancer type"].verdict == "outside"


def test_what_a_slide_does_not_say_is_not_guessed() -> None:
    found = facts(cancer_code="Unknown")
    assert {found[what].verdict for what in ("cancer type", "organ", "species", "patient")} == {"unknown"}
    assert found["species"].learned == "Homo sapiens" and found["patient"].learned == "2 patients"


def test_before_a_prediction_nothing_is_said_of_the_slide() -> None:
    assert {fact.verdict for fact in facts_of(None, Bundle.load("starter"))} == {"unknown"}


def test_one_odd_patch_in_a_hundred_is_inside_and_a_tenth_is_outside() -> None:
    adata = prediction(10, 10)
    adata.obs["unfamiliar"] = [row == 0 for row in range(adata.n_obs)]
    bundle = Bundle.load("starter")
    assert facts_of(adata, bundle)[-1].verdict == "inside"
    adata.obs["unfamiliar"] = [row < 10 for row in range(adata.n_obs)]
    assert facts_of(adata, bundle)[-1].verdict == "outside"

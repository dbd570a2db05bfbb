"""What must stay in sight."""

from __future__ import annotations

from dataclasses import replace

from napari_molf.core.scores import Scores
from napari_molf.trust.card import NOTICE, ONLY_SIMULATED, SIMULATED, CardPanel, banner_of, doubt_of
from tests.napari_molf.fakes import fake_bundle, fake_run, prediction


def without_model():
    return replace(fake_run(), bundle=None, scores=Scores(prediction()), model="starter-12345678")


def test_the_card_of_the_chosen_model_and_the_notice_are_in_sight_before_any_run(qtbot) -> None:
    panel = CardPanel()
    qtbot.addWidget(panel)
    panel.show_facts(None, fake_bundle("starter"), simulated=False)
    assert panel.text == f"starter · {fake_bundle().card_line}\n{NOTICE}"


def test_unfamiliar_patches_are_counted() -> None:
    run = fake_run()
    assert doubt_of(run) == "⚠ 2 patches (11 %) look unlike the training slides"
    run.scores.adata.obs["unfamiliar"] = False
    assert doubt_of(replace(run)) is None


def test_a_model_of_simulated_tissue_warns_on_a_real_slide() -> None:
    run = replace(fake_run(), simulated=True)
    assert banner_of(run, None, simulated=False) == ONLY_SIMULATED
    assert banner_of(run, None, simulated=True) == SIMULATED
    assert banner_of(replace(run, simulated=False), None, simulated=False) is None


def test_simulated_tissue_is_said(qtbot) -> None:
    panel = CardPanel()
    qtbot.addWidget(panel)
    panel.show_facts(fake_run(), None, simulated=True)
    assert panel.text.startswith(SIMULATED)


def test_the_card_is_that_of_the_map_not_of_the_model_chosen_since(qtbot) -> None:
    panel = CardPanel()
    qtbot.addWidget(panel)
    panel.show_facts(fake_run(), fake_bundle("another"), simulated=False)
    assert "\nfake · " in panel.text and "another" not in panel.text


def test_a_result_whose_model_is_not_here_names_it() -> None:
    assert fake_run().why_fixed is None
    text = without_model().why_fixed
    assert text is not None and "starter-12345678" in text and "fixed at 2" in text

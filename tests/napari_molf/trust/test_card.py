"""What must stay in sight."""

from __future__ import annotations

from dataclasses import replace

from qtpy.QtCore import Qt

from napari_molf.core.scores import Score, Scores
from napari_molf.core.unfamiliar import WHOLE
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


def test_a_slide_unlike_training_as_a_whole_is_said_in_two_sentences() -> None:
    run = fake_run()
    adata = run.scores.adata
    adata.obs["own_distance"] = 3.0
    adata.uns["molf"].update(familiar_distance=1.5, slide_shift=1.9)
    assert doubt_of(run) == f"⚠ {WHOLE}\n19 patches (100 %) are unlike tissue the model has seen even so."


def test_the_skill_of_the_score_on_the_map_is_in_sight(qtbot) -> None:
    panel = CardPanel()
    qtbot.addWidget(panel)
    panel.show_score(fake_run(), Score("gene", "EPCAM"))
    assert "EPCAM: held-out PCC 0.50, better than 100\u00a0% of 4 genes" in panel.text
    panel.show_score(fake_run(), Score("gene", "NOTSEEN"))
    assert "NOTSEEN was not measured in training: its map means nothing." in panel.text
    panel.show_score(None, None)
    assert "PCC" not in panel.text


def test_the_foot_leads_to_all_that_is_known_of_the_model(qtbot) -> None:
    panel = CardPanel()
    qtbot.addWidget(panel)
    with qtbot.waitSignal(panel.more_wanted):
        qtbot.mouseClick(panel.more, Qt.MouseButton.LeftButton)

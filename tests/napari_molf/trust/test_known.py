"""The panel on what a model knows, clicked as a person would."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from molf_engine.bundle import Bundle
from napari_molf.core.run import Run
from napari_molf.core.scores import Score, Scores
from napari_molf.desk.desk import Desk
from napari_molf.trust.known import KnownPanel
from tests.napari_molf.fakes import FakeGuided, fake_run


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return Bundle.load("starter")


@pytest.fixture
def run(qtbot, desk: Desk, starter: Bundle) -> Run:
    made = replace(fake_run(), bundle=starter)
    desk.presenter.add_run(made, None)
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(Score("gene", "CD3E"))
    return made


@pytest.fixture
def panel(qtbot, desk: Desk) -> KnownPanel:
    made = KnownPanel(desk)
    qtbot.addWidget(made)
    made.resize(900, 400)
    made.show()
    yield made
    made.stop()


def column(view, number: int) -> list[str]:
    model = view.model()
    return [model.index(row, number).data() for row in range(model.rowCount())]


def click_row(qtbot, view, row: int) -> None:
    at = view.visualRect(view.model().index(row, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_every_gene_is_listed_the_best_first_and_the_unknown_last(run: Run, panel: KnownPanel) -> None:
    assert column(panel.genes, 0)[:4] == ["EPCAM", "MKI67", "CD3E", "WEAK"]
    assert column(panel.genes, 1) == ["0.50", "0.40", "0.30", "0.05", "not tested", "not in training"]
    assert [text.replace("\u00a0", " ") for text in column(panel.genes, 2)][:4] == ["100 %", "66 %", "33 %", "0 %"]


def test_a_click_on_the_heading_turns_the_order_and_unknown_genes_stay_last(qtbot, run: Run, panel: KnownPanel) -> None:
    panel.tabs.setCurrentIndex(1)
    head = panel.genes.horizontalHeader()
    at = head.viewport().rect().topLeft()
    at.setX(head.sectionViewportPosition(1) + 5)
    at.setY(head.height() // 2)
    qtbot.mouseClick(head.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert column(panel.genes, 1)[:4] == ["0.05", "0.30", "0.40", "0.50"]
    assert set(column(panel.genes, 1)[4:]) == {"not tested", "not in training"}


def test_a_click_on_a_gene_shows_its_map(qtbot, desk: Desk, run: Run, panel: KnownPanel) -> None:
    panel.tabs.setCurrentIndex(1)
    with qtbot.waitSignal(desk.presenter.shown):
        click_row(qtbot, panel.genes, 0)
    assert desk.presenter.score == Score("gene", "EPCAM")


def test_typing_finds_a_gene(qtbot, run: Run, panel: KnownPanel) -> None:
    panel.tabs.setCurrentIndex(1)
    qtbot.keyClicks(panel.search, "mki")
    assert column(panel.genes, 0) == ["MKI67"]


def test_hallmarks_say_on_how_many_genes_they_rest(qtbot, desk: Desk, run: Run, panel: KnownPanel) -> None:
    panel.tabs.setCurrentIndex(2)
    sets = dict(zip(column(panel.sets, 0), column(panel.sets, 1), strict=True))
    assert len(sets) == 50 and sets["EPITHELIAL_MESENCHYMAL_TRANSITION"] == "1 of 200"
    with qtbot.waitSignal(desk.presenter.shown):
        click_row(qtbot, panel.sets, 0)
    assert desk.presenter.score.kind == "hallmark"


def test_the_slide_is_compared_with_what_the_model_saw(run: Run, panel: KnownPanel, starter: Bundle) -> None:
    text = panel.facts.toPlainText()
    assert "0.687 to 3.19" in text and "⚠ outside" in text and "2 patches (11 %) unlike" in text
    assert "held 28 % of the measurements" in text and starter.config.licence.split(";")[0] in text


def test_the_card_is_the_bundles_own(run: Run, panel: KnownPanel) -> None:
    text = panel.card.toPlainText()
    assert "Training data" in text and "| --- |" not in text


def test_before_a_prediction_it_is_the_chosen_model_that_is_described(
    qtbot, desk: Desk, panel: KnownPanel, starter: Bundle
) -> None:
    assert "No model" in panel.title.text()
    desk.choose(starter, None, None)
    assert "starter: breast" in panel.title.text() and panel.genes.model().rowCount() == len(starter.genes)
    assert "no prediction yet" in panel.facts.toPlainText()


def test_a_result_whose_model_is_not_here_shows_what_it_carries(qtbot, desk: Desk, panel: KnownPanel, run: Run) -> None:
    scores = Scores(run.scores.adata, FakeGuided(19))
    desk.presenter.add_run(replace(run, bundle=None, scores=scores, model="gone-1234", id="gone"), None)
    assert "gone-1234" in panel.title.text() and "not on this computer" in panel.title.text()
    assert "EPCAM" in column(panel.genes, 0) and panel.card.toPlainText() == ""


def test_a_bundle_without_a_card_or_with_damaged_figures_says_so(
    qtbot, desk: Desk, panel: KnownPanel, starter: Bundle, tmp_path: Path
) -> None:
    folder = tmp_path / "bare"
    shutil.copytree(starter.path, folder)
    (folder / "README.md").unlink()
    desk.choose(Bundle.load(folder), None, None)
    assert "holds no card" in panel.card.toPlainText()
    (folder / "metrics.json").write_text("{", encoding="utf-8")
    desk.choose(replace(Bundle.load(folder), weights_hash="other"), None, None)
    assert "is damaged" in panel.title.text()


def test_closing_it_twice_is_closing_it_once(desk: Desk, run: Run, panel: KnownPanel, starter: Bundle) -> None:
    before = panel.title.text()
    panel.stop()
    panel.stop()
    desk.presenter.add_run(replace(run, bundle=None, model="another", id="another"), None)
    assert panel.title.text() == before

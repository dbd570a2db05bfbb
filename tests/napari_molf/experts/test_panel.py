"""The switches of the expert maps, their key, and the names that a user gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLineEdit, QMessageBox, QPushButton

from molf_engine.bundle.expert_names import expert_names, names_file, write_names
from napari_molf.core.layers import role_of
from napari_molf.core.run import Run
from napari_molf.core.scores import Score
from napari_molf.desk.desk import Desk
from napari_molf.experts.panel import ExpertPanel, uses_of
from napari_molf.show.readout import describe
from tests.napari_molf.fakes import fake_run

LYMPHOID = "lymphoid aggregate"


@pytest.fixture
def panel(qtbot, desk: Desk):
    widget = ExpertPanel(desk)
    qtbot.addWidget(widget)
    desk.presenter.run_changed.connect(widget.set_run)
    widget.routing_chosen.connect(desk.presenter.show_routing)
    widget.resize(252, 260)
    widget.show()
    yield widget
    widget.stop()


@pytest.fixture
def said(panel: ExpertPanel) -> list:
    seen: list = []
    panel.routing_chosen.connect(lambda kind, expert: seen.append((kind, expert)))
    return seen


@pytest.fixture
def sentences(desk: Desk) -> list:
    seen: list = []
    desk.said.connect(seen.append)
    return seen


def middle(panel: ExpertPanel, row: int):
    return panel.key.visualItemRect(panel.key.item(row)).center()


def type_name(qtbot, panel: ExpertPanel, row: int, name: str) -> None:
    """Click a row, press F2, type, Enter."""
    qtbot.mouseClick(panel.key.viewport(), Qt.MouseButton.LeftButton, pos=middle(panel, row))
    panel.key.setFocus()
    qtbot.keyClick(panel.key, Qt.Key.Key_F2)
    editor = panel.key.findChild(QLineEdit)
    editor.selectAll()
    qtbot.keyClicks(editor, name)
    with qtbot.waitSignal(panel.key.named):
        qtbot.keyClick(editor, Qt.Key.Key_Return)


def test_at_most_one_map_is_on(panel: ExpertPanel, run: Run, said: list) -> None:
    for box in (panel.top, panel.entropy, panel.load, panel.weight, panel.weight):
        box.click()
    assert said == [("expert", 0), ("entropy", 0), ("load", 0), ("weight", 0), (None, 0)]
    assert panel.chosen is None


@pytest.mark.parametrize("kind", ["weight", "load"])
def test_another_expert_is_shown_at_once_if_its_map_is_on(panel: ExpertPanel, run: Run, said: list, kind: str) -> None:
    panel.which.setCurrentIndex(1)
    assert said == []
    {"weight": panel.weight, "load": panel.load}[kind].click()
    panel.which.setCurrentIndex(2)
    assert said == [(kind, 1), (kind, 2)]


def test_the_key_names_every_expert_with_its_share(panel: ExpertPanel, run: Run) -> None:
    uses = uses_of(run)
    assert sum(use.decides for use in uses) == pytest.approx(1)
    assert [panel.key.item(row).text() for row in range(3)] == ["E1", "E2", "E3"]
    assert f"decides most in {100 * uses[1].decides:.1f} %" in panel.key.item(1).toolTip()
    assert panel.key.isVisible() and panel.key.height() >= 3 * panel.key.sizeHintForRow(0)


def test_a_click_on_the_key_shows_the_weight_of_that_expert(qtbot, model, panel: ExpertPanel, run: Run) -> None:
    qtbot.mouseClick(panel.key.viewport(), Qt.MouseButton.LeftButton, pos=middle(panel, 2))
    assert panel.weight.isChecked() and panel.which.currentIndex() == 2
    (layer,) = (layer for layer in model.layers if role_of(layer) == "weight")
    assert layer.name == "Weight of E3 · fake"
    assert np.allclose(layer.data[np.isfinite(layer.data)], run.scores.routing[:, 2])


def test_enter_on_the_key_does_the_same(qtbot, panel: ExpertPanel, run: Run, said: list) -> None:
    panel.key.setCurrentRow(0)
    panel.key.setFocus()
    qtbot.keyClick(panel.key, Qt.Key.Key_Down)
    qtbot.keyClick(panel.key, Qt.Key.Key_Return)
    assert said[-1] == ("weight", 1)


def test_while_the_load_is_shown_the_key_changes_whose(qtbot, panel: ExpertPanel, run: Run, said: list) -> None:
    panel.load.click()
    qtbot.mouseClick(panel.key.viewport(), Qt.MouseButton.LeftButton, pos=middle(panel, 1))
    assert said[-1] == ("load", 1)


def test_without_a_run_or_with_one_expert_nothing_can_be_switched(desk: Desk, panel: ExpertPanel) -> None:
    assert not panel.top.isEnabled() and not panel.weight.isEnabled() and not panel.gallery.isEnabled()
    desk.presenter.add_run(fake_run(experts=1), None)
    assert not panel.top.isEnabled() and not panel.entropy.isEnabled() and not panel.key.isVisible()
    desk.presenter.add_run(fake_run(), None)
    assert panel.top.isEnabled() and panel.weight.isEnabled() and panel.key.isVisible()


def test_too_many_experts_for_colours_keep_their_weights(desk: Desk, panel: ExpertPanel) -> None:
    desk.presenter.add_run(fake_run(experts=24), None)
    assert not panel.top.isEnabled() and "24 experts" in panel.top.toolTip()
    assert panel.weight.isEnabled() and panel.which.count() == panel.key.count() == 24
    panel.grab()


def test_a_name_typed_in_the_key_is_in_the_legend_the_layer_name_and_the_read_out(
    qtbot, model, desk: Desk, panel: ExpertPanel, run: Run
) -> None:
    type_name(qtbot, panel, 1, LYMPHOID)
    assert panel.key.item(1).text() == panel.which.itemText(1) == LYMPHOID
    assert [layer.name for layer in model.layers if role_of(layer) == "weight"] == [f"Weight of {LYMPHOID} · fake"]
    patch = int(np.flatnonzero(run.scores.top_expert == 1)[0])
    text = describe(run, Score("gene", "EPCAM"), np.zeros(len(run.patches)), tuple(run.patches.centres[patch]))
    assert f"expert {LYMPHOID}, " in text
    assert expert_names(run.weights_hash, 3) == ("E1", LYMPHOID, "E3")


def test_a_name_is_there_again_with_the_next_prediction_of_that_model(desk: Desk, panel: ExpertPanel, run: Run) -> None:
    panel.rename(0, "stroma")
    other = fake_run()
    other.scores.adata.uns["molf"]["cancer_code"] = "IDC"
    desk.presenter.add_run(other, None)
    assert panel.key.item(0).text() == "stroma"
    panel.rename(0, "")
    assert panel.key.item(0).text() == "E1" and run.expert_names[0] == "E1"


def test_a_layer_that_the_user_renamed_keeps_that_name(model, panel: ExpertPanel, run: Run) -> None:
    panel.weight.click()
    (layer,) = (layer for layer in model.layers if role_of(layer) == "weight")
    layer.name = "for the talk"
    panel.rename(0, "stroma")
    assert layer.name == "for the talk"


def test_what_cannot_be_a_name_is_said_and_the_old_one_stays(qtbot, panel: ExpertPanel, run: Run, sentences) -> None:
    panel.rename(0, "stroma")
    type_name(qtbot, panel, 1, "Stroma")
    assert "own name" in sentences[-1] and panel.key.item(1).text() == "E2"


def test_a_damaged_file_of_names_is_said(desk: Desk, panel: ExpertPanel) -> None:
    path = names_file("1" * 64)
    path.parent.mkdir(parents=True)
    path.write_text("{")
    failed: list[str] = []
    desk.presenter.failed.connect(failed.append)
    desk.presenter.add_run(fake_run(), None)
    assert len(failed) == 1 and "set aside" in failed[0]
    assert panel.key.item(0).text() == "E1"


def test_names_that_a_file_brought_are_shown_until_the_user_gives_his_own(desk: Desk, panel: ExpertPanel) -> None:
    brought = fake_run()
    brought.scores.adata.uns["molf"]["expert_labels"] = np.array(["E1", "necrosis", "E3"])
    desk.presenter.add_run(brought, None)
    assert panel.key.item(1).text() == "necrosis"
    panel.rename(0, "stroma")
    assert [panel.key.item(row).text() for row in range(3)] == ["stroma", "necrosis", "E3"]


def choose_file(monkeypatch: pytest.MonkeyPatch, which: str, path: Path) -> None:
    monkeypatch.setattr(QFileDialog, which, staticmethod(lambda *_, **__: (str(path), "")))


def test_names_are_exported_and_imported(monkeypatch, tmp_path: Path, panel: ExpertPanel, run: Run) -> None:
    panel.rename(2, LYMPHOID)
    choose_file(monkeypatch, "getSaveFileName", tmp_path / "names.json")
    panel._menu.actions()[1].trigger()
    assert json.loads((tmp_path / "names.json").read_text())["names"] == {"E3": LYMPHOID}
    panel.rename(2, "")
    choose_file(monkeypatch, "getOpenFileName", tmp_path / "names.json")
    panel._menu.actions()[2].trigger()
    assert panel.key.item(2).text() == LYMPHOID


@pytest.mark.parametrize(("button", "expected"), [("&Add", ["stroma", LYMPHOID]), ("&Replace all", ["E1", LYMPHOID])])
def test_names_of_ones_own_are_kept_or_replaced_as_one_says(
    qtbot, monkeypatch, tmp_path: Path, panel: ExpertPanel, run: Run, button: str, expected: list[str]
) -> None:
    write_names(tmp_path / "names.json", run.weights_hash, {1: LYMPHOID})
    panel.rename(0, "stroma")
    choose_file(monkeypatch, "getOpenFileName", tmp_path / "names.json")
    panel._menu.actions()[2].trigger()
    box = panel.findChild(QMessageBox)
    assert box.isVisible() and panel.key.item(1).text() == "E2"
    (press,) = (each for each in box.findChildren(QPushButton) if each.text() == button)
    qtbot.mouseClick(press, Qt.MouseButton.LeftButton)
    assert [panel.key.item(row).text() for row in range(2)] == expected


def test_names_for_another_model_are_refused_with_a_sentence(
    monkeypatch, tmp_path: Path, panel: ExpertPanel, run: Run, sentences: list
) -> None:
    write_names(tmp_path / "names.json", "2" * 64, {1: LYMPHOID}, "pancreas")
    choose_file(monkeypatch, "getOpenFileName", tmp_path / "names.json")
    panel._menu.actions()[2].trigger()
    assert "are for pancreas" in sentences[-1] and run.given_names == {}

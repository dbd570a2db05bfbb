"""Saving and opening a session in a real viewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt

from molf_engine.bundle.expert_names import names_file
from napari_molf._reader import read_result
from napari_molf._widget import PredictWidget
from napari_molf.core.drawing import limits_of
from napari_molf.core.layers import role_of
from napari_molf.core.view_state import ViewState
from napari_molf.desk.view import view_of
from napari_molf.sessions.part import SessionPart, add_layer
from tests.napari_molf.conftest import Tiny


@pytest.fixture
def dock(qtbot, viewer, installed: Tiny) -> PredictWidget:
    widget = PredictWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Predict expression")
    qtbot.waitUntil(lambda: widget.form.bundle is not None, timeout=120_000)
    widget.sections["session"].fold(False)
    return widget


@pytest.fixture
def session(dock: PredictWidget) -> SessionPart:
    return next(part for part in dock.parts if isinstance(part, SessionPart))


def shown(qtbot, dock: PredictWidget, act) -> None:
    with qtbot.waitSignal(dock.presenter.shown):
        act()


def test_what_was_on_the_screen_is_there_again(
    qtbot, monkeypatch, viewer, dock, session, tiny: Tiny, tmp_path: Path
) -> None:
    shown(qtbot, dock, lambda: [add_layer(viewer, data) for data in read_result(str(tiny.result))])
    shown(qtbot, dock, lambda: qtbot.keyClick(dock.show_panel.search._line, Qt.Key.Key_Down))
    shown(qtbot, dock, dock.show_panel.relative.click)
    shown(qtbot, dock, lambda: qtbot.keyClick(dock.show_panel.guidance._track, Qt.Key.Key_PageUp))
    dock.show_panel.opacity.setValue(40)
    layer = dock.presenter.layers.layer("score")
    layer.contrast_limits = (layer.contrast_limits[0], layer.contrast_limits[0] + 0.5)
    viewer.scene.camera.zoom *= 2
    viewer.add_shapes([np.array([[0.0, 0], [0, 99], [99, 99]])], shape_type="polygon", name="nest", units=("um", "um"))
    dock.presenter.name_experts({0: "lymphoid aggregate"})
    before, values = view_of(viewer, dock.presenter), dock.presenter.values.copy()

    folder = tmp_path / "kept.molf"
    monkeypatch.setattr("napari_molf.sessions.part.QFileDialog.getSaveFileName", lambda *_: (str(folder), ""))
    qtbot.mouseClick(session.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.text == f"Saved {folder}")
    viewer.layers.clear()
    # As on another machine, where nobody has named anything.
    names_file(dock.presenter.run.weights_hash).unlink()
    monkeypatch.setattr("napari_molf.sessions.part.QFileDialog.getExistingDirectory", lambda *_: str(folder))
    with qtbot.waitSignal(dock.presenter.shown, check_params_cb=lambda view, _: view.score == before.score):
        qtbot.mouseClick(session.open, Qt.MouseButton.LeftButton)

    after = view_of(viewer, dock.presenter)
    assert isinstance(after, ViewState) and after.score == before.score
    assert (after.guidance, after.relative, after.opacity) == (before.guidance, True, 0.4)
    assert np.allclose(after.limits, before.limits) and np.allclose(after.zoom, before.zoom)
    assert np.allclose(after.centre, before.centre) and np.allclose(dock.presenter.values, values)
    assert dock.show_panel.relative.isChecked() and dock.show_panel.guidance.value == before.guidance
    assert [layer.name for layer in viewer.layers][-1] == "nest"
    assert dock.presenter.run.expert_names[0] == "lymphoid aggregate"
    (score,) = [layer for layer in viewer.layers if role_of(layer) == "score"]
    assert np.allclose(limits_of(score), before.limits) and score.visible


def test_a_folder_that_is_no_session_is_a_sentence(qtbot, monkeypatch, dock, session, tmp_path: Path) -> None:
    monkeypatch.setattr("napari_molf.sessions.part.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path))
    qtbot.mouseClick(session.open, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "is no session" in dock.row.error)
    assert session.text == ""


def test_an_empty_window_has_nothing_to_keep(qtbot, dock, session) -> None:
    qtbot.mouseClick(session.save, Qt.MouseButton.LeftButton)
    assert "nothing to keep" in dock.row.error

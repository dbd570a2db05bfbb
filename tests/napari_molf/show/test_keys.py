"""Keys of the canvas, pressed in a real viewer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from qtpy.QtCore import Qt

from napari_molf._widget import PredictWidget
from napari_molf.core.layers import role_of
from napari_molf.show.help import help_html
from napari_molf.show.keys import SHORTCUTS, CanvasKeys
from tests.napari_molf.fakes import fake_run


@pytest.fixture
def dock(qtbot, viewer, monkeypatch) -> PredictWidget:
    monkeypatch.setattr("napari_molf._widget.models.load_known", list)
    widget = PredictWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Predict expression")
    with qtbot.waitSignal(widget.presenter.shown):
        widget.presenter.add_run(fake_run(), None)
    return widget


def canvas(viewer):
    return viewer.window._qt_viewer.canvas.native


def press(qtbot, viewer, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
    qtbot.keyClick(canvas(viewer), key, modifier)


def test_scores_guidance_star_and_map_answer_to_keys_over_the_slide(qtbot, viewer, dock: PredictWidget) -> None:
    search, presenter, shift = dock.show_panel.search, dock.presenter, Qt.KeyboardModifier.ShiftModifier
    first = presenter.score
    press(qtbot, viewer, Qt.Key.Key_N)
    second = presenter.score
    press(qtbot, viewer, Qt.Key.Key_N)
    third = presenter.score
    assert len({first, second, third}) == 3 and search.current == third
    press(qtbot, viewer, Qt.Key.Key_N, shift)
    assert presenter.score == second
    press(qtbot, viewer, Qt.Key.Key_U)
    press(qtbot, viewer, Qt.Key.Key_U)
    press(qtbot, viewer, Qt.Key.Key_U)
    assert presenter.score == first
    press(qtbot, viewer, Qt.Key.Key_K)
    assert search.shelf.is_favourite(first) and search.star.isChecked() and first.name in viewer.status
    press(qtbot, viewer, Qt.Key.Key_G)
    qtbot.waitUntil(lambda: presenter.guidance == 2.5)
    press(qtbot, viewer, Qt.Key.Key_G, shift)
    qtbot.waitUntil(lambda: presenter.guidance == 2.0)
    (layer,) = [layer for layer in viewer.layers if role_of(layer) == "score"]
    press(qtbot, viewer, Qt.Key.Key_H)
    assert not layer.visible
    press(qtbot, viewer, Qt.Key.Key_H)
    assert layer.visible


def test_the_map_that_comes_back_is_the_one_that_went(qtbot, viewer, dock: PredictWidget) -> None:
    dock.presenter.show_routing("entropy")
    press(qtbot, viewer, Qt.Key.Key_H)
    assert not any(layer.visible for layer in dock.presenter.layers.all())
    press(qtbot, viewer, Qt.Key.Key_H)
    assert [role_of(layer) for layer in dock.presenter.layers.all() if layer.visible] == ["entropy"]


def test_letters_typed_into_the_dock_are_letters(qtbot, viewer, dock: PredictWidget) -> None:
    score = dock.presenter.score
    line = dock.show_panel.search._line
    dock.show_panel.search.select_text()
    qtbot.keyClicks(line, "hgnku")
    assert line.text() == "hgnku" and dock.presenter.score == score and dock.presenter.guidance == 2.0
    assert dock.show_panel.search.shelf.favourites == []
    assert all(layer.visible for layer in dock.presenter.layers.all())


def test_keys_go_with_the_dock(qtbot, viewer, dock: PredictWidget) -> None:
    assert dock.keys.bound == tuple(shortcut.key for shortcut in SHORTCUTS)
    assert len(viewer.keymap) >= len(SHORTCUTS)
    viewer.window.remove_dock_widget(dock)
    assert not viewer.keymap
    press(qtbot, viewer, Qt.Key.Key_N)  # nobody listens any more


def test_a_key_that_somebody_has_taken_stays_theirs(model) -> None:
    seen: list[object] = []
    model.bind_key("N", seen.append)
    panel, presenter = SimpleNamespace(), SimpleNamespace()
    keys = CanvasKeys(model, panel, presenter)
    second = CanvasKeys(model, panel, presenter)
    assert "N" not in keys.bound and len(keys.bound) == len(SHORTCUTS) - 1 and second.bound == ()
    second.stop()
    assert len(model.keymap) == len(SHORTCUTS)
    model.bind_key("H", seen.append, overwrite=True)
    keys.stop()
    assert sorted(str(key) for key in model.keymap) == ["H", "N"]


def test_napari_and_its_layers_use_none_of_them(viewer) -> None:
    from napari import layers
    from napari.components import ViewerModel
    from napari.utils.shortcuts import default_shortcuts

    ours = {shortcut.text for shortcut in SHORTCUTS}
    kinds = [type(viewer), ViewerModel, layers.Image, layers.Labels, layers.Points, layers.Shapes, layers.Vectors]
    theirs = {str(key) for kind in kinds for parent in kind.__mro__ for key in getattr(parent, "class_keymap", {})}
    assert theirs and not ours & theirs
    by_default = {str(key) for keys in default_shortcuts.values() for key in keys}
    assert "V" in by_default and not ours & by_default


def test_the_help_page_names_every_key() -> None:
    page = help_html()
    assert all(f"<b>{shortcut.text}</b>" in page and shortcut.what in page for shortcut in SHORTCUTS)

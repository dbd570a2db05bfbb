"""The Compare section, clicked as a person would; the viewer has no window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QListWidget

from napari_molf.compare.part import Compare
from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_layer_data
from napari_molf.core.threshold import Threshold
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from tests.napari_molf.fakes import ArraySlide, fake_run

EPCAM, CD3E, HYPOXIA = Score("gene", "EPCAM"), Score("gene", "CD3E"), Score("hallmark", "HYPOXIA")
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def desk(qtbot, model):
    data, arguments, _ = slide_layer_data(ArraySlide([np.zeros((160, 200, 3), np.uint8)], name="slide"))
    model.add_image(data, **arguments)
    presenter = Presenter(model)
    yield Desk(model, presenter)
    presenter.stop()


@pytest.fixture
def part(qtbot, desk: Desk):
    part = Compare(desk)
    qtbot.addWidget(part)
    part.show()
    desk.presenter.run_changed.connect(part.set_run)
    yield part
    part.stop()


def show(qtbot, desk: Desk, score: Score) -> None:
    with qtbot.waitSignal(desk.presenter.shown, check_params_cb=lambda view, _: view.score == score):
        desk.presenter.show(score)


def click(qtbot, button) -> None:
    assert button.isEnabled() and button.isVisible()
    qtbot.mouseClick(button, LEFT)


def names(model) -> list[str]:
    return [layer.name for layer in model.layers if layer.visible and not layer.name.startswith("Tissue")]


@pytest.fixture
def two(qtbot, desk: Desk, part: Compare) -> Compare:
    """Two scores on the list; the second is shown."""
    desk.presenter.add_run(fake_run(), desk.viewer.layers[0])
    for score in (EPCAM, CD3E):
        show(qtbot, desk, score)
        click(qtbot, part.scores.add)
    return part


@pytest.fixture
def side_by_side(qtbot, two: Compare) -> Compare:
    click(qtbot, two.scores.side_by_side)
    qtbot.waitUntil(lambda: two.conductor.is_open)
    return two


def test_it_waits_for_a_prediction(part: Compare) -> None:
    assert not part.isEnabled()


def test_scores_are_collected_moved_and_removed(qtbot, two: Compare) -> None:
    items = two.scores.items
    assert [items.item(row).text() for row in range(items.count())] == ["EPCAM", "CD3E"]
    click(qtbot, two.scores.add)
    assert items.count() == 2
    click(qtbot, two.scores.up)
    assert [items.item(row).text() for row in range(2)] == ["CD3E", "EPCAM"] and items.currentRow() == 0
    items.setFocus()
    qtbot.keyClick(items, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: items.count() == 1)
    click(qtbot, two.scores.remove)
    assert items.count() == 0 and not two.scores.side_by_side.isEnabled()


def test_a_score_is_added_at_fixed_guidance_scales(qtbot, two: Compare) -> None:
    assert two.scores.ladder.text().endswith("1, 2, 4")
    click(qtbot, two.scores.ladder)
    assert [two.scores.items.item(row).text() for row in range(2, 5)] == [
        "CD3E at guidance 1",
        "CD3E at guidance 2",
        "CD3E at guidance 4",
    ]


def test_side_by_side_shows_panels_and_back_restores_the_one_map(qtbot, desk: Desk, side_by_side: Compare) -> None:
    model = desk.viewer
    assert names(model) == ["EPCAM · guidance 2", "CD3E · guidance 2"] and model.canvas.grid.enabled
    assert side_by_side.scores.side_by_side.text() == "&Back to one map"
    click(qtbot, side_by_side.scores.side_by_side)
    assert names(model) == ["slide", "CD3E · guidance 2 · fake"] and not model.canvas.grid.enabled
    assert len(model.layers) == 2


def test_guidance_opacity_relative_and_threshold_act_on_every_panel(qtbot, desk: Desk, side_by_side: Compare) -> None:
    model, presenter = desk.viewer, desk.presenter
    limits = [tuple(layer.contrast_limits) for layer in list(model.layers)[1:4:2]]
    presenter.set_guidance(5.0)
    qtbot.waitUntil(lambda: names(model) == ["EPCAM · guidance 5", "CD3E · guidance 5"])
    first, second = list(model.layers)[1:4:2]
    assert (first.data[0, 3], second.data[0, 3]) == (10.0, 11.0)
    assert [tuple(layer.contrast_limits) for layer in (first, second)] == limits
    presenter.set_opacity(0.25)
    assert (first.opacity, second.opacity) == (0.25, 0.25)
    presenter.set_threshold(Threshold(50))
    assert np.isfinite(first.data).sum() == np.isfinite(second.data).sum() == 10
    presenter.set_smooth(True)
    assert first.data.shape[0] > 4 and first in model.layers
    presenter.set_relative(True)
    qtbot.waitUntil(lambda: names(model) == ["EPCAM / total · guidance 5", "CD3E / total · guidance 5"])


def test_a_fixed_guidance_scale_does_not_follow_the_slider(qtbot, desk: Desk, two: Compare) -> None:
    click(qtbot, two.scores.ladder)
    click(qtbot, two.scores.side_by_side)
    qtbot.waitUntil(lambda: two.conductor.is_open)
    desk.presenter.set_guidance(6.0)
    qtbot.waitUntil(lambda: "CD3E · guidance 6" in names(desk.viewer))
    assert names(desk.viewer)[2:] == ["CD3E · guidance 1", "CD3E · guidance 2", "CD3E · guidance 4"]


def test_limits_can_be_the_same_in_all_panels(qtbot, desk: Desk, side_by_side: Compare) -> None:
    first, second = list(desk.viewer.layers)[1:4:2]
    own = [tuple(layer.contrast_limits) for layer in (first, second)]
    assert own[0] != own[1]
    click(qtbot, side_by_side.scores.shared)
    expected = (min(low for low, _ in own), max(high for _, high in own))
    assert tuple(first.contrast_limits) == tuple(second.contrast_limits) == expected
    click(qtbot, side_by_side.scores.shared)
    assert [tuple(layer.contrast_limits) for layer in (first, second)] == own


def test_a_click_on_a_panel_or_in_the_list_makes_its_score_the_shown_one(
    qtbot, desk: Desk, side_by_side: Compare
) -> None:
    model = desk.viewer
    model.cursor.viewbox = (0, 0)
    press = SimpleNamespace(pos=(10, 10), type="mouse_press")
    steps = side_by_side.conductor.on_press(model, press)
    next(steps)
    press.type = "mouse_release"
    with qtbot.waitSignal(desk.presenter.shown):
        assert next(steps, None) is None
    assert desk.presenter.score == EPCAM and side_by_side.scores.items.currentItem().text() == "EPCAM"
    assert names(model) == ["EPCAM · guidance 2", "CD3E · guidance 2"]
    items = side_by_side.scores.items
    place = items.visualItemRect(items.item(1)).center()
    with qtbot.waitSignal(desk.presenter.shown):
        qtbot.mouseClick(items.viewport(), LEFT, pos=place)
    assert desk.presenter.score == CD3E


def test_a_drag_is_no_click(qtbot, desk: Desk, side_by_side: Compare) -> None:
    desk.viewer.cursor.viewbox = (0, 0)
    event = SimpleNamespace(pos=(10, 10), type="mouse_press")
    steps = side_by_side.conductor.on_press(desk.viewer, event)
    next(steps)
    event.type, event.pos = "mouse_move", (60, 10)
    next(steps)
    event.type = "mouse_release"
    assert next(steps, None) is None
    assert desk.presenter.score == CD3E


def test_the_list_changes_the_panels_that_stand(qtbot, desk: Desk, side_by_side: Compare) -> None:
    show(qtbot, desk, HYPOXIA)
    click(qtbot, side_by_side.scores.add)
    qtbot.waitUntil(lambda: "HYPOXIA · guidance 2" in names(desk.viewer))
    click(qtbot, side_by_side.scores.up)
    qtbot.waitUntil(lambda: names(desk.viewer) == ["EPCAM · guidance 2", "HYPOXIA · guidance 2", "CD3E · guidance 2"])
    for _ in range(3):
        click(qtbot, side_by_side.scores.remove)
    qtbot.waitUntil(lambda: not side_by_side.conductor.is_open)
    assert names(desk.viewer) == ["slide", "HYPOXIA · guidance 2 · fake"]


def test_deleting_a_layer_takes_its_panel_off_and_renaming_changes_nothing(
    qtbot, desk: Desk, side_by_side: Compare
) -> None:
    model = desk.viewer
    model.layers["CD3E · guidance 2"].name = "mine"
    model.layers.remove("Tissue under EPCAM")
    qtbot.waitUntil(lambda: len(side_by_side.scores.chosen) == 1)
    assert "EPCAM · guidance 2" not in model.layers and len(names(model)) == 1
    desk.presenter.set_guidance(3.0)
    qtbot.waitUntil(lambda: names(model) == ["CD3E · guidance 3"])
    model.layers.remove("CD3E · guidance 3")
    qtbot.waitUntil(lambda: not side_by_side.conductor.is_open)
    assert names(model) == ["slide", "CD3E · guidance 3 · fake"] and not model.canvas.grid.enabled


@pytest.mark.parametrize("how", ["grid button", "new layer", "everything deleted"])
def test_what_does_not_go_with_panels_ends_them(qtbot, desk: Desk, side_by_side: Compare, how: str) -> None:
    model = desk.viewer
    if how == "grid button":
        model.canvas.grid.enabled = False
    elif how == "new layer":
        model.add_shapes(name="drawn")
    else:
        model.layers.clear()
    qtbot.waitUntil(lambda: not side_by_side.conductor.is_open)
    assert not side_by_side.scores.side_by_side.isChecked() and not model.canvas.grid.enabled
    assert not any(layer.name.startswith("Tissue") for layer in model.layers)


def test_another_prediction_ends_them_and_keeps_the_scores_that_it_offers(
    qtbot, desk: Desk, side_by_side: Compare
) -> None:
    other = replace(fake_run(), id="second", slide_path=Path("other.tif"), model="other")
    desk.presenter.add_run(other, None)
    assert not side_by_side.conductor.is_open and len(side_by_side.scores.chosen) == 2
    show(qtbot, desk, EPCAM)
    assert "EPCAM · guidance 2 · other" in names(desk.viewer)


def test_a_score_that_was_chosen_while_panels_stood_is_on_the_map_afterwards(
    qtbot, desk: Desk, side_by_side: Compare
) -> None:
    desk.viewer.layers.remove("CD3E · guidance 2 · fake")
    show(qtbot, desk, HYPOXIA)
    assert names(desk.viewer) == ["EPCAM · guidance 2", "CD3E · guidance 2"]
    click(qtbot, side_by_side.scores.side_by_side)
    assert names(desk.viewer) == ["slide", "HYPOXIA · guidance 2 · fake"]


def test_a_score_that_cannot_be_decoded_is_no_wait_for_ever(qtbot, desk: Desk, two: Compare) -> None:
    def broken(*_, **__):
        raise RuntimeError("boom")

    desk.run.scores._guided.gene = broken
    desk.presenter.set_guidance(7.0)
    click(qtbot, two.scores.side_by_side)
    qtbot.waitUntil(lambda: not two.scores.side_by_side.isChecked())
    assert not two.conductor.is_open


def test_the_map_shows_what_the_score_differs_by(qtbot, desk: Desk, two: Compare) -> None:
    model, difference = desk.viewer, two.difference
    layer = model.layers[1]
    difference.what.setFocus()
    with qtbot.waitSignal(desk.presenter.shown):
        qtbot.keyClick(difference.what, Qt.Key.Key_Down)
    assert difference.what.currentText() == "itself at guidance" and difference.reference.isVisible()
    assert layer.name == "CD3E · guidance 2 minus 1 · fake" and layer.colormap.name == "molf_difference"
    low, high = layer.contrast_limits
    assert low == -high and layer.data[0, 3] == 2.0
    assert difference.said.text() == "Orange: more at guidance 2 than at 1. Blue: less."
    desk.presenter.set_guidance(6.0)
    qtbot.waitUntil(lambda: layer.name == "CD3E · guidance 6 minus 1 · fake")
    assert layer.contrast_limits[1] > high and layer.contrast_limits[0] == -layer.contrast_limits[1]
    show(qtbot, desk, EPCAM)
    assert layer.name == "EPCAM · guidance 6 minus 1 · fake"
    with qtbot.waitSignal(desk.presenter.shown):
        difference.what.setCurrentText("CD3E")
    assert layer.name == "EPCAM minus CD3E · guidance 6 · fake" and not difference.reference.isVisible()
    assert difference.said.text() == "Orange: EPCAM is the higher one. Blue: CD3E is."
    with qtbot.waitSignal(desk.presenter.shown):
        difference.what.setCurrentText("nothing")
    assert layer.name == "EPCAM · guidance 6 · fake" and layer.colormap.name == "viridis"


def test_a_score_that_leaves_the_list_is_not_taken_away_any_more(qtbot, desk: Desk, two: Compare) -> None:
    with qtbot.waitSignal(desk.presenter.shown):
        two.difference.what.setCurrentText("EPCAM")
    two.scores.items.setCurrentRow(0)
    with qtbot.waitSignal(desk.presenter.shown):
        click(qtbot, two.scores.remove)
    assert two.difference.what.currentText() == "nothing" and desk.presenter.minus is None


def test_every_control_says_what_it_is(part: Compare) -> None:
    for kind in (QAbstractButton, QComboBox, QAbstractSpinBox, QListWidget):
        for widget in part.findChildren(kind):
            assert widget.toolTip(), widget
            assert widget.accessibleName() or getattr(widget, "text", str)() or widget.objectName(), widget

"""The guidance slider, used as a person would."""

from __future__ import annotations

from itertools import pairwise

import pytest
from qtpy.QtCore import QPoint, Qt

from napari_molf.show.guidance import EXPLANATION, INTERVAL_MS, GuidanceSlider


@pytest.fixture
def slider(qtbot) -> GuidanceSlider:
    widget = GuidanceSlider()
    qtbot.addWidget(widget)
    widget.resize(264, 80)
    widget.show()
    widget.set_chosen(2.0)
    widget.set_value(2.0)
    return widget


@pytest.fixture
def said(slider: GuidanceSlider) -> list[float]:
    values: list[float] = []
    slider.guidance_changed.connect(values.append)
    return values


def test_arrow_keys_change_it_by_a_tenth_and_page_keys_by_one(qtbot, slider: GuidanceSlider, said: list[float]) -> None:
    qtbot.keyClick(slider._track, Qt.Key.Key_Right)
    qtbot.waitUntil(lambda: said == [pytest.approx(2.1)])
    qtbot.keyClick(slider._track, Qt.Key.Key_PageUp)
    qtbot.waitUntil(lambda: said[-1] == pytest.approx(3.1))
    qtbot.keyClick(slider._track, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: said[-1] == 10)
    assert slider.value == 10


def test_a_drag_speaks_while_it_moves_and_ends_where_the_hand_does(
    qtbot, slider: GuidanceSlider, said: list[float]
) -> None:
    track = slider._track
    y = track.height() // 2
    start, end = round(track.x_of(2.0)), round(track.x_of(8.0))
    moving: list[bool] = []
    slider.moving.connect(moving.append)
    qtbot.mousePress(track, Qt.MouseButton.LeftButton, pos=QPoint(start, y))
    for x in range(start, end + 1, 3):
        qtbot.mouseMove(track, QPoint(x, y))
        qtbot.wait(INTERVAL_MS // 3)
    qtbot.mouseMove(track, QPoint(end, y))
    qtbot.mouseRelease(track, Qt.MouseButton.LeftButton, pos=QPoint(end, y))
    qtbot.waitUntil(lambda: bool(said) and said[-1] == slider.value)
    assert len(said) > 5 and said == sorted(said)
    assert slider.value == pytest.approx(8.0, abs=0.3)
    assert moving == [True, False]


def test_it_speaks_no_more_often_than_it_promises(qtbot, slider: GuidanceSlider, said: list[float]) -> None:
    for step in range(21, 100):
        slider._track.setValue(step)
    qtbot.waitUntil(lambda: bool(said) and said[-1] == pytest.approx(9.9))
    assert len(said) <= 4


def test_a_number_can_be_typed(qtbot, slider: GuidanceSlider, said: list[float]) -> None:
    slider._number.selectAll()
    qtbot.keyClicks(slider._number, "4.5")
    qtbot.keyClick(slider._number, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: said == [4.5])
    assert slider._track.value() == 45


def test_a_double_click_goes_back_to_the_chosen_scale(qtbot, slider: GuidanceSlider, said: list[float]) -> None:
    slider.set_value(7.0)
    qtbot.mouseDClick(slider._track, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: said == [2.0])


def test_setting_the_value_does_not_speak(qtbot, slider: GuidanceSlider, said: list[float]) -> None:
    slider.set_value(5.0)
    qtbot.wait(2 * INTERVAL_MS)
    assert said == [] and slider._track.value() == 50 and slider._number.value() == 5


def test_the_chosen_scale_is_marked_on_the_track_and_labelled_under_it(slider: GuidanceSlider) -> None:
    assert 2.0 in slider._track.marks
    assert (2.0, "chosen 2") in slider._marks.texts()
    # Labels that the chosen one would cover are left out, never drawn over each other.
    spans = sorted(slider._marks._span(value, text) for value, text in slider._marks.texts())
    assert all(left[1] < right[0] for left, right in pairwise(spans))


def test_the_mark_is_drawn(qtbot, slider: GuidanceSlider) -> None:
    slider.set_value(8.0)
    x, y = round(slider._track.x_of(2.0)), slider._track.height() // 2
    with_mark = slider._track.grab().toImage().pixelColor(x, y - 4)
    slider.set_chosen(None)
    without = slider._track.grab().toImage().pixelColor(x, y - 4)
    assert with_mark != without


def test_it_says_what_moving_it_does_or_why_it_cannot_be_moved(slider: GuidanceSlider) -> None:
    assert slider._note.text() == EXPLANATION
    slider.set_available("needs the model starter")
    assert not slider._track.isEnabled() and slider._note.text() == "needs the model starter"
    slider.set_available()
    assert slider._track.isEnabled() and slider._note.text() == EXPLANATION


def test_a_screen_reader_has_a_name_for_it(slider: GuidanceSlider) -> None:
    assert slider._track.accessibleName() and slider._number.accessibleName() and slider._track.toolTip()

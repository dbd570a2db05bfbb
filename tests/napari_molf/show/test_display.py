"""Smooth or squares, and the threshold, with the mouse and the keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_molf.core.threshold import Threshold
from napari_molf.show.display import DisplayControls

VALUES = np.arange(101.0) / 10


@pytest.fixture
def controls(qtbot) -> DisplayControls:
    controls = DisplayControls()
    qtbot.addWidget(controls)
    controls.show()
    controls.show_values(None, VALUES)
    return controls


@pytest.fixture
def heard(controls: DisplayControls) -> list:
    heard: list = []
    controls.threshold_changed.connect(heard.append)
    return heard


def test_smooth_is_off_until_it_is_wanted(qtbot, controls: DisplayControls) -> None:
    assert not controls.smooth.isChecked()
    with qtbot.waitSignal(controls.smooth_changed) as blocker:
        qtbot.mouseClick(controls.smooth, Qt.MouseButton.LeftButton, pos=controls.smooth.rect().center() * 0.2)
    assert blocker.args == [True]


def test_the_threshold_unfolds_and_says_the_share(qtbot, controls: DisplayControls, heard: list) -> None:
    assert not controls.slider.isVisible() and controls.threshold is None
    controls.only.click()
    assert controls.slider.isVisible() and heard == [Threshold(75)]
    assert controls.said.text() == "26 of 101 patches (26 %) are shown: 7.50 and above, the 75th percentile."
    controls.only.click()
    assert heard[-1] is None


def test_slider_and_number_go_together(qtbot, controls: DisplayControls, heard: list) -> None:
    controls.only.click()
    controls.slider.setFocus()
    qtbot.keyClick(controls.slider, Qt.Key.Key_End)
    qtbot.waitUntil(lambda: heard[-1] == Threshold(100))
    assert controls.number.value() == 100
    controls.number.selectAll()
    qtbot.keyClicks(controls.number, "40")
    qtbot.keyClick(controls.number, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: heard[-1] == Threshold(40))
    assert controls.slider.value() == 80
    controls.side.setCurrentText("below")
    assert heard[-1] == Threshold(40, above=False)


def test_percentile_and_value_keep_the_same_patches(controls: DisplayControls, heard: list) -> None:
    controls.only.click()
    controls.unit.setCurrentText("value")
    assert heard[-1] == Threshold(7.5, percentile=False) and controls.slider.value() == 150
    controls.unit.setCurrentText("percentile")
    assert heard[-1].percentile and heard[-1].keep(VALUES).sum() in (25, 26)


def test_a_value_stays_when_another_map_is_shown_and_the_share_is_said_anew(
    controls: DisplayControls, heard: list
) -> None:
    controls.only.click()
    controls.unit.setCurrentText("value")
    controls.show_values(None, VALUES / 10)
    assert controls.threshold == Threshold(7.5, percentile=False)
    assert controls.said.text().startswith("0 of 101 patches (0 %)")

"""A dock goes on as the last one ended; the first of all says how to begin."""

from __future__ import annotations

from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from napari_molf._widget import PredictWidget
from napari_molf.core.slide_layer import SlideInfo
from napari_molf.desk.preferences import Preferences
from napari_molf.desk.settings import HINT_SEEN, settings_path
from napari_molf.show.hint import DRAWING, OPEN
from tests.napari_molf.fakes import fake_bundle, fake_run

BUNDLES = [fake_bundle("first", codes=("IDC", "LUAD")), fake_bundle("second", codes=("IDC", "LUAD"))]
SIMULATED = fake_bundle("drawn", simulated=True)


@pytest.fixture
def open_dock(qtbot, model, monkeypatch):
    """Open a dock, once more and once more, each closed before the next."""
    monkeypatch.setattr("napari_molf._widget.models.load_known", lambda: [*BUNDLES, SIMULATED])
    docks: list[PredictWidget] = []

    def make() -> PredictWidget:
        for dock in docks:
            dock.stop()
        dock = PredictWidget(model)
        qtbot.addWidget(dock)
        docks.append(dock)
        dock.resize(300, 900)
        dock.show()
        qtbot.waitUntil(lambda: dock.form.bundle is not None)
        return dock

    yield make
    for dock in docks:
        dock.stop()


def choose(qtbot, box, index: int) -> None:
    """Choose from a drop-down list with the keyboard."""
    box.native.setFocus()
    qtbot.keyClick(box.native, Qt.Key.Key_Home)
    for _ in range(index):
        qtbot.keyClick(box.native, Qt.Key.Key_Down)


def test_a_second_session_goes_on_as_the_first_ended(qtbot, open_dock) -> None:
    first = open_dock()
    assert first.form.bundle.name == "first" and first.show_panel.opacity.value() == 70
    choose(qtbot, first.form.model, 1)
    choose(qtbot, first.form.code, 2)
    assert (first.form.bundle.name, first.form.code.value) == ("second", "LUAD")
    first.form.region.value = "view"
    first.presenter.add_run(fake_run(), None)
    first.show_panel.opacity.setValue(35)
    first.show_panel.relative.click()
    qtbot.mouseClick(first.sections["experts"].heading, Qt.MouseButton.LeftButton)

    second = open_dock()
    assert (second.form.bundle.name, second.form.code.value, second.form.region.value) == ("second", "LUAD", "view")
    assert second.show_panel.opacity.value() == 35 and second.show_panel.relative.isChecked()
    assert second.presenter.relative and second.sections["experts"].folded and not second.sections["show"].folded
    choose(qtbot, second.form.model, 1)
    assert (second.form.bundle.name, second.form.code.value) == ("first", "LUAD")  # carried over: both know it
    choose(qtbot, second.form.code, 1)

    third = open_dock()
    assert (third.form.bundle.name, third.form.code.value) == ("first", "IDC")


def test_a_remembered_model_of_real_tissue_is_not_offered_for_a_drawn_slide(qtbot, open_dock) -> None:
    choose(qtbot, open_dock().form.model, 1)
    dock = open_dock()
    assert dock.form.bundle.name == "second"
    dock.form.set_slide(SlideInfo(Path("drawn.tif"), (100, 100), 0.5, "file", simulated=True))
    assert dock.form.bundle.name == "drawn"


def test_a_remembered_folder_that_is_gone_is_left_out(qtbot, open_dock, tmp_path: Path) -> None:
    dock = open_dock()
    gone = fake_bundle("gone")
    gone.path = tmp_path / "gone"
    dock.memory.take_model(gone)
    assert open_dock().form.bundle.name == "first"


def test_preferences_say_how_to_begin_where_nothing_is_to_be_remembered(qtbot, open_dock, monkeypatch) -> None:
    dock = open_dock()
    dock.show_panel.opacity.setValue(35)
    choose(qtbot, dock.form.model, 0)
    monkeypatch.setattr("napari_molf._widget.preferences", lambda: Preferences(False, 0.5, "second"))
    dock = open_dock()
    assert dock.show_panel.opacity.value() == 50 and dock.form.bundle.name == "second"


def test_the_first_steps_are_shown_until_there_is_a_slide(qtbot, open_dock) -> None:
    dock = open_dock()
    assert dock.first_steps.isVisible()
    dock.desk.choose(None, None, SlideInfo(Path("a.tif"), (100, 100), 0.5, "file"))
    assert not dock.first_steps.isVisible()
    dock.desk.choose(None, None, None)
    assert dock.first_steps.isVisible() and not dock.desk.settings.get(HINT_SEEN)


def test_the_first_steps_that_were_put_away_never_come_back(qtbot, open_dock) -> None:
    dock = open_dock()
    qtbot.mouseClick(dock.first_steps.dismiss, Qt.MouseButton.LeftButton)
    assert not dock.first_steps.isVisible()
    assert not open_dock().first_steps.isVisible() and settings_path().is_file()


def test_the_first_steps_open_the_simulated_slide(qtbot, open_dock, monkeypatch) -> None:
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr("napari_molf._widget.demo_slide_path", lambda: Path("drawn.tif"))
    dock = open_dock()
    monkeypatch.setattr(type(dock.desk.viewer), "open_sample", lambda _, *what: opened.append(what), raising=False)
    qtbot.mouseClick(dock.first_steps.open_sample, Qt.MouseButton.LeftButton)
    assert dock.first_steps.open_sample.text() == DRAWING
    qtbot.waitUntil(lambda: opened == [("napari-molf", "simulated-slide")])
    assert dock.first_steps.open_sample.text() == OPEN


def test_the_help_page_opens_scrolls_and_closes_with_the_keyboard(qtbot, open_dock) -> None:
    dock = open_dock()
    dock.help.setFocus()
    qtbot.keyClick(dock.help, Qt.Key.Key_Space)
    page = dock.help.page
    assert page.isVisible() and "not a measurement" in page.text.toPlainText()
    assert page.text.accessibleName() == "Help"
    bar = page.text.verticalScrollBar()
    page.resize(300, 200)
    qtbot.keyClick(page.text, Qt.Key.Key_PageDown)
    assert bar.value() > 0
    qtbot.keyClick(page.text, Qt.Key.Key_Escape)
    assert not page.isVisible()
    qtbot.mouseClick(dock.help, Qt.MouseButton.LeftButton)
    assert dock.help.page is page and page.isVisible()

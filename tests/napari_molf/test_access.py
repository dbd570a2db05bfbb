"""Everything in the dock can be reached, heard and read: by the keyboard, by a screen reader, at 280 px and at twice the scale."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QScrollBar,
    QWidget,
)

from napari_molf._widget import PredictWidget
from tests.napari_molf.fakes import fake_bundle, fake_run

NARROW = 280


def stops(dock: QWidget) -> Iterator[QWidget]:
    """Whatever Tab may stop at, in sections that are folded too."""
    for part in dock.findChildren(QWidget):
        # Lists that drop down are windows; the line inside a spin box or a combo box is that box to a reader.
        inner = isinstance(part.parent(), QAbstractSpinBox | QComboBox) or isinstance(part, QScrollBar)
        own_window = part.window() is not dock.window()
        if part.focusPolicy() & Qt.FocusPolicy.TabFocus and not inner and not own_window:
            yield part


def name_of(part: QWidget) -> str:
    return part.accessibleName() or (part.text() if isinstance(part, QAbstractButton) else "")


def tell(part: QWidget) -> str:
    return f"{type(part).__name__} {part.objectName()!r} {name_of(part)!r} in {type(part.parent()).__name__}"


@pytest.fixture
def dock(qtbot, model, monkeypatch) -> Iterator[PredictWidget]:
    monkeypatch.setattr("napari_molf._widget.models.load_known", lambda: [fake_bundle("starter")])
    widget = PredictWidget(model)
    qtbot.addWidget(widget)
    widget.resize(NARROW, 900)
    widget.show()
    qtbot.waitUntil(lambda: widget.form.bundle is not None)
    with qtbot.waitSignal(widget.presenter.shown):
        widget.presenter.add_run(fake_run(), None)
    yield widget
    widget.stop()


def test_everything_that_takes_the_focus_has_a_name_and_a_tooltip(dock: PredictWidget) -> None:
    parts = list(stops(dock))
    assert len(parts) > 15
    nameless = [tell(part) for part in parts if not any(letter.isalpha() for letter in name_of(part))]
    silent = [tell(part) for part in parts if not part.toolTip()]
    assert nameless == [] and silent == []


def test_no_two_things_have_the_same_name(dock: PredictWidget) -> None:
    names = [name_of(part).replace("&", "") for part in stops(dock) if part.isVisible()]
    assert sorted(names) == sorted(set(names))


def test_a_label_that_names_a_key_leads_to_its_control(dock: PredictWidget) -> None:
    keys = [label for label in dock.findChildren(QLabel) if "&" in label.text().replace("&&", "").replace("&amp;", "")]
    assert keys and [label.text() for label in keys if label.buddy() is None and "<" not in label.text()] == []


def test_no_key_of_a_label_or_button_is_taken_twice(dock: PredictWidget) -> None:
    texts = [
        part.text() for part in (*dock.findChildren(QLabel), *dock.findChildren(QAbstractButton)) if part.isVisible()
    ]
    keys = [text[text.index("&") + 1].lower() for text in texts if "&" in text and "<" not in text]
    assert sorted(keys) == sorted(set(keys))


def test_tab_reaches_all_of_it_and_only_goes_down(qtbot, dock: PredictWidget) -> None:
    wanted = {part for part in stops(dock) if part.isVisible() and part.isEnabled()}
    reached: list[QWidget] = []
    part: QWidget | None = dock.sections["predict"].heading
    for _ in range(1000):
        assert part is not None
        if part in wanted and part not in reached:
            reached.append(part)
        part = part.nextInFocusChain()
        if part is dock.sections["predict"].heading:
            break
    assert set(reached) == wanted


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_focus_is_seen_on_every_control(qtbot, dock: PredictWidget, theme: str) -> None:
    """Where the focus is, the picture of a control changes."""
    dock.desk.viewer.theme = theme
    dock.activateWindow()
    qtbot.waitUntil(dock.isActiveWindow)
    unseen = []
    for part in stops(dock):
        if not part.isVisible() or not part.isEnabled() or isinstance(part, QAbstractItemView | QAbstractScrollArea):
            continue
        if isinstance(part, QLineEdit):
            continue  # it has a cursor, and its text is selected
        part.clearFocus()
        before = part.grab().toImage()
        part.setFocus(Qt.FocusReason.TabFocusReason)
        if not part.hasFocus() or part.grab().toImage() == before:
            unseen.append(tell(part))
    assert unseen == []


def test_nothing_is_cut_off_at_280_px_and_twice_the_scale(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.napari_molf.narrow", str(tmp_path)],
        env={**os.environ, "QT_SCALE_FACTOR": "2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines() == ["scale 2", "dark: ", "light: "]
    assert len(list(tmp_path.glob("*.png"))) == 2

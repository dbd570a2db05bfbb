"""The first three steps, for somebody who opens the dock for the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.settings import HINT_SEEN

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from napari_molf.desk.desk import Desk

STEPS = (
    "1  Drag a slide into the window, or open the simulated one:",
    "2  Press Predict.",
    "3  Type a gene or a Hallmark.",
)
OPEN = "Open the simulated slide"
DRAWING = "Drawing it, one moment…"


class FirstSteps(QFrame):
    """Stands at the head of the dock until there is a slide; taken away by hand or followed to the end, it never comes back.

    Parameters
    ----------
    desk
        Whose viewer and settings.
    draw
        Draws the simulated slide where it is not drawn yet; slow.
    """

    def __init__(self, desk: Desk, draw: Callable[[], Path], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._draw = draw
        self._drawer = Newest(self)
        self._drawer.done.connect(self._on_drawn)
        self._drawer.failed.connect(self._on_failed)
        self.setObjectName("molf_hint")
        self.setAccessibleName("First steps")
        self.open_sample = QPushButton(OPEN)
        self.open_sample.setAccessibleName("Open the simulated slide")
        self.open_sample.setToolTip(
            "A drawn slide with a model that knows it. The first time it is drawn, which takes some seconds."
        )
        self.open_sample.clicked.connect(self._on_open)
        self.dismiss = QToolButton()
        self.dismiss.setText("×")
        self.dismiss.setAccessibleName("Do not show the first steps again")
        self.dismiss.setToolTip("Do not show this again; the question mark above says more.")
        self.dismiss.clicked.connect(self.finish)
        first, *others = (QLabel(step) for step in STEPS)
        first.setWordWrap(True)
        row = QHBoxLayout()
        row.addWidget(first, 1)
        row.addWidget(self.dismiss)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 6, 6)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self.open_sample)
        for line in others:
            layout.addWidget(line)
        desk.chosen.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Come or go, as there is a slide or not."""
        self.setVisible(not self._desk.settings.get(HINT_SEEN) and self._desk.info is None)

    def finish(self) -> None:
        """Never come back: it was read, or followed."""
        self._desk.settings.set(HINT_SEEN, True)
        self.refresh()

    def stop(self) -> None:
        """The dock closes."""
        self._drawer.stop()

    def _on_open(self) -> None:
        self.open_sample.setEnabled(False)
        self.open_sample.setText(DRAWING)
        self._drawer.ask("sample", self._draw)

    def _on_drawn(self, what: str, path: Path) -> None:
        self._at_rest()
        # After this slot: opening a slide hides the button that is being served.
        QTimer.singleShot(0, self._open)

    def _open(self) -> None:
        self._desk.viewer.open_sample("napari-molf", "simulated-slide")

    def _on_failed(self, what: str, error: BaseException) -> None:
        self._at_rest()
        self._desk.say(sentence(error))

    def _at_rest(self) -> None:
        self.open_sample.setEnabled(True)
        self.open_sample.setText(OPEN)

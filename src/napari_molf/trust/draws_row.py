"""The button that asks for draws, and while they are made what takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSpinBox, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from molf_engine.progress import Progress

DRAWS = 16
FEWEST, MOST = 2, 256


class DrawsRow(QWidget):
    """How many draws, the button, its progress and Cancel.

    Signals
    -------
    draws_wanted(int)
        Make so many.
    cancel_pressed()
        Stop.
    """

    draws_wanted = Signal(int)
    cancel_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QPushButton("Spread over &draws…")
        self.button.setToolTip(
            "Let the model answer several times, each time from other noise, and map how far its answers differ."
        )
        self.button.clicked.connect(self._on_pressed)
        self.count = QSpinBox()
        self.count.setRange(FEWEST, MOST)
        self.count.setValue(DRAWS)
        self.count.setAccessibleName("Number of draws")
        self.count.setToolTip("Number of draws: more take longer and make the spread smoother.")
        self._ask = QWidget()
        ask = QHBoxLayout(self._ask)
        ask.setContentsMargins(0, 0, 0, 0)
        ask.setSpacing(6)
        ask.addWidget(self.button, 1)
        ask.addWidget(self.count)

        self._phase = QLabel()
        self._phase.setAccessibleName("Progress of the draws")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Share of the draws made")
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel the draws")
        self.cancel.setToolTip("Stop drawing now. The map stays as it is.")
        self.cancel.clicked.connect(self._on_cancel)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addWidget(self._phase, 1)
        line.addWidget(self.cancel)
        self._progress = QWidget()
        column = QVBoxLayout(self._progress)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self._bar)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._ask)
        layout.addWidget(self._progress)
        self.set_running(False)

    @property
    def text(self) -> str:
        """What is said about the progress."""
        return self._phase.text()

    def set_running(self, running: bool) -> None:
        """Show the progress, or the button."""
        self._ask.setVisible(not running)
        self._progress.setVisible(running)
        if running:
            self._phase.setText("Starting …")
            self._bar.setRange(0, 0)
            self.cancel.setFocus(Qt.FocusReason.OtherFocusReason)

    def show_progress(self, progress: Progress) -> None:
        """Say how far it is."""
        counted = progress.total > 0
        self._phase.setText(
            f"{progress.phase}  {progress.done:,} / {progress.total:,}" if counted else f"{progress.phase} …"
        )
        self._bar.setRange(0, max(0, progress.total))
        self._bar.setValue(progress.done)

    def _on_pressed(self) -> None:
        self.draws_wanted.emit(self.count.value())

    def _on_cancel(self) -> None:
        self.cancel_pressed.emit()

"""Predict, and while it runs what takes its place: phase, rate, time left and Cancel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_molf.core.progress_text import headline, pace
from napari_molf.desk.sections import PRIMARY

if TYPE_CHECKING:
    from molf_engine.progress import Progress


class PredictRow(QWidget):
    """The one blue button, or the progress of what it started, and the last error.

    Signals
    -------
    predict_pressed()
        Start.
    cancel_pressed()
        Stop.
    """

    predict_pressed = Signal()
    cancel_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.predict = QPushButton("&Predict")
        self.predict.setObjectName(PRIMARY)
        self.predict.setToolTip("Predict expression on this slide. Nothing leaves this computer.")
        self.predict.clicked.connect(self._on_predict)

        self._phase = QLabel()
        self._phase.setAccessibleName("Progress")
        self._pace = QLabel()
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Share done")
        self.cancel = QPushButton("&Cancel")
        self.cancel.setToolTip("Stop now. Patches that are encoded already are kept for the next time.")
        self.cancel.clicked.connect(self._on_cancel)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._phase)
        words.addWidget(self._pace)
        line = QHBoxLayout()
        line.setSpacing(6)
        line.addLayout(words, 1)
        line.addWidget(self.cancel)
        self._progress = QWidget()
        column = QVBoxLayout(self._progress)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self._bar)

        self._error = QLabel()
        self._error.setObjectName("molf_error")
        self._error.setWordWrap(True)
        self._error.setAccessibleName("What went wrong")

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.predict)
        layout.addWidget(self._progress)
        layout.addWidget(self._error)
        self.set_running(False)
        self.say(None)

    @property
    def text(self) -> str:
        """What is said about the progress."""
        return f"{self._phase.text()}  {self._pace.text()}".strip()

    @property
    def error(self) -> str:
        """The last error, or nothing."""
        return "" if self._error.isHidden() else self._error.text()

    def set_running(self, running: bool) -> None:
        """Show the progress, or the button."""
        self.predict.setVisible(not running)
        self._progress.setVisible(running)
        if running:
            self._phase.setText("Starting …")
            self._pace.setText("")
            self._bar.setRange(0, 0)

    def show_progress(self, progress: Progress, rate: float | None) -> None:
        """Say how far it is."""
        self._phase.setText(headline(progress))
        self._pace.setText(pace(progress, rate))
        self._bar.setRange(0, max(0, progress.total))
        self._bar.setValue(progress.done)

    def say(self, error: str | None) -> None:
        """Say what went wrong; none: nothing did."""
        self._error.setText(error or "")
        self._error.setVisible(bool(error))

    def _on_predict(self) -> None:
        self.predict_pressed.emit()

    def _on_cancel(self) -> None:
        self.cancel_pressed.emit()

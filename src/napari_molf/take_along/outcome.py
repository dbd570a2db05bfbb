"""How far an export is, and what came of it: progress with Cancel, a path with its folder, or an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QUrl, Signal
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from molf_engine.progress import Progress


class Outcome(QWidget):
    """The lines under the buttons.

    Signals
    -------
    cancel_pressed()
        Stop.
    """

    cancel_pressed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder: Path | None = None
        self._phase = QLabel()
        self._phase.setAccessibleName("Progress of the export")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName("Share of the export that is done")
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel the export")
        self.cancel.setToolTip("Stop. No file is left, and one that was there before stays as it was.")
        self.cancel.clicked.connect(self._on_cancel)
        self._progress = QWidget()
        line = QHBoxLayout()
        line.addWidget(self._phase, 1)
        line.addWidget(self.cancel)
        column = QVBoxLayout(self._progress)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(line)
        column.addWidget(self._bar)

        self._said = QLabel()
        self._said.setWordWrap(True)
        self._said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._said.setAccessibleName("What came of the export")
        self.open_folder = QPushButton("Open fol&der")
        self.open_folder.setToolTip("Show the file in the file manager.")
        self.open_folder.clicked.connect(self._on_open_folder)
        self._error = QLabel()
        self._error.setObjectName("molf_error")
        self._error.setWordWrap(True)
        self._error.setAccessibleName("What went wrong with the export")

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self._progress, self._said, self.open_folder, self._error):
            layout.addWidget(widget)
        self.clear()

    @property
    def text(self) -> str:
        """What is said, other than errors."""
        return "" if self._said.isHidden() else self._said.text()

    @property
    def error(self) -> str:
        """What went wrong, or nothing."""
        return "" if self._error.isHidden() else self._error.text()

    def clear(self) -> None:
        """Say nothing."""
        self._show()

    def begin(self) -> None:
        """Work begins; how far it is comes later."""
        self._show(progress=True)
        self._phase.setText("Starting …")
        self._bar.setRange(0, 0)
        self.cancel.setEnabled(True)

    def show_progress(self, progress: Progress) -> None:
        """Say how far it is."""
        count = f" {progress.done:,} of {progress.total:,} {progress.unit}" if progress.total else " …"
        if self.cancel.isEnabled():
            self._phase.setText(f"{progress.phase}{count}")
        self._bar.setRange(0, max(0, progress.total))
        self._bar.setValue(progress.done)

    def say(self, text: str, file: Path | None = None) -> None:
        """Say what came of it; ``file``: what was written."""
        self._said.setText(text)
        self._folder = None if file is None else file.parent
        self._show(said=True, folder=file is not None)

    def say_error(self, sentence: str) -> None:
        """Say what went wrong."""
        self._error.setText(sentence)
        self._show(error=True)

    def _show(self, *, progress: bool = False, said: bool = False, folder: bool = False, error: bool = False) -> None:
        self._progress.setVisible(progress)
        self._said.setVisible(said)
        self.open_folder.setVisible(folder)
        self._error.setVisible(error)

    def _on_cancel(self) -> None:
        # Some steps are long, and it ends at the next one.
        self.cancel.setEnabled(False)
        self._phase.setText("Stopping …")
        self.cancel_pressed.emit()

    def _on_open_folder(self) -> None:
        if self._folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._folder)))

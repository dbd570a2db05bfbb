"""A button that puts the command of the prediction on show on the clipboard."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QPushButton, QWidget

from napari_molf.desk.background import Newest, sentence
from napari_molf.show.command import command_line

if TYPE_CHECKING:
    from napari_molf.desk.desk import Desk


class CopyCommandButton(QPushButton):
    """Copies the ``molf-engine predict`` line that makes the shown prediction again, at the shown guidance.

    Parameters
    ----------
    desk
        Whose prediction.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__("&Copy as command", parent)
        self._desk = desk
        self._writer = Newest(self)
        self._writer.done.connect(self._on_ready)
        self._writer.failed.connect(self._on_failed)
        self.setAccessibleName("Copy as command")
        self.setToolTip(
            "Put the molf-engine line that makes this prediction again on the clipboard: for a terminal, or for many slides."
        )
        self.clicked.connect(self._on_clicked)

    def stop(self) -> None:
        """The dock closes."""
        self._writer.stop()

    def _on_clicked(self) -> None:
        from molf_engine.bundle import user_data_folder

        run = self._desk.run
        if run is not None:
            folder = user_data_folder() / "commands"
            self._writer.ask(run.id, partial(command_line, run, self._desk.presenter.guidance, folder))

    def _on_ready(self, what: str, line: str) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(line)
            self._desk.say(None)
            self._desk.viewer.status = f"Copied: {line}"

    def _on_failed(self, what: str, error: BaseException) -> None:
        self._desk.say(sentence(error))

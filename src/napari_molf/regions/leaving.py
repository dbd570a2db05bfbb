"""How a table leaves the window: two buttons, for the clipboard and for a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QApplication, QFileDialog, QHBoxLayout, QPushButton, QWidget

from napari_molf.desk.background import Newest, sentence
from napari_molf.regions.text import Table, as_tsv, write_csv

if TYPE_CHECKING:
    from napari_molf.desk.desk import Desk


class LeavingRow(QWidget):
    """Buttons Copy and Save CSV.

    Parameters
    ----------
    desk
        Says what went wrong.
    table
        The table as it is now; none: there is nothing to take along yet.
    file_name
        What the file is called until the user says otherwise.
    """

    def __init__(
        self, desk: Desk, table: Callable[[], Table | None], file_name: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._desk, self._table, self._file_name = desk, table, file_name
        self._writer = Newest(self)
        self._writer.done.connect(self._on_written)
        self._writer.failed.connect(self._on_failed)
        self.copy = QPushButton("Cop&y")
        self.copy.setToolTip("Copy the table, with where it comes from, to paste into a spreadsheet.")
        self.copy.clicked.connect(self.on_copy)
        self.save = QPushButton("Save CS&V…")
        self.save.setToolTip("Write the table, with where it comes from, to a CSV file.")
        self.save.clicked.connect(self._on_save)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.copy)
        row.addWidget(self.save)
        self.set_ready(False)

    def set_ready(self, ready: bool) -> None:
        """Switch the buttons on or off."""
        self.copy.setEnabled(ready)
        self.save.setEnabled(ready)

    def on_copy(self) -> None:
        """Put the table on the clipboard."""
        table, clipboard = self._table(), QApplication.clipboard()
        if table is not None and clipboard is not None:
            clipboard.setText(as_tsv(table))
            self._desk.viewer.status = f"Copied {len(table.rows):,} rows"

    def stop(self) -> None:
        """Let go of the thread."""
        self._writer.stop()

    def _on_save(self) -> None:
        table = self._table()
        if table is None:
            return
        name, _ = QFileDialog.getSaveFileName(self, "Save the table", self._file_name, "CSV (*.csv)")
        if name:
            path = Path(name) if Path(name).suffix else Path(f"{name}.csv")
            self._writer.ask("csv", partial(write_csv, table, path))

    def _on_written(self, what: str, path: Path) -> None:
        self._desk.say(None)
        self._desk.viewer.status = f"Saved {path}"

    def _on_failed(self, what: str, error: BaseException) -> None:
        self._desk.say(sentence(error))

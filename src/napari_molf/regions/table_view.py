"""A table of numbers that sorts as numbers, however long it is."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QTableView, QWidget

from napari_molf.regions.text import Cell, Table, short

_NOWHERE = QModelIndex()


class TableModel(QAbstractTableModel):
    """Rows of a :class:`~napari_molf.regions.text.Table`, in the order that a heading asks for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.table = Table((), ())
        self._rows: list[tuple[Cell, ...]] = []

    def set_table(self, table: Table) -> None:
        """Show another table, in its own order."""
        self.beginResetModel()
        self.table, self._rows = table, list(table.rows)
        self.endResetModel()

    def cell(self, row: int, column: int) -> Cell:
        """What is in a cell."""
        return self._rows[row][column]

    def row_of(self, first: str) -> int | None:
        """The row whose first cell is this."""
        return next((place for place, row in enumerate(self._rows) if row[0] == first), None)

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Rows."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Columns."""
        return 0 if parent.isValid() else len(self.table.headers)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Headings of the columns."""
        if orientation != Qt.Orientation.Horizontal or role not in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ToolTipRole,
        ):
            return None
        header = self.table.headers[section]
        # Words below each other leave room for more columns.
        return header.replace(" ", "\n") if role == Qt.ItemDataRole.DisplayRole else header

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Short form of a cell, in full as its tooltip."""
        cell = self._rows[index.row()][index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return short(cell) if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell
        if role == Qt.ItemDataRole.ToolTipRole:
            return str(cell)
        if role == Qt.ItemDataRole.TextAlignmentRole and not isinstance(cell, str):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column; what is not known comes last."""
        self.layoutAboutToBeChanged.emit()
        if column < 0:
            self._rows = list(self.table.rows)
        else:
            known = [row for row in self._rows if not _unknown(row[column])]
            unknown = [row for row in self._rows if _unknown(row[column])]
            known.sort(key=lambda row: row[column], reverse=order == Qt.SortOrder.DescendingOrder)
            self._rows = known + unknown
        self.layoutChanged.emit()


class TableView(QTableView):
    """Shows a :class:`~napari_molf.regions.text.Table`; a click on a heading sorts.

    Signals
    -------
    row_chosen(str)
        First cell of the row that was clicked or reached by the arrow keys.
    copy_wanted()
        The user pressed the keys for Copy.
    """

    row_chosen = Signal(str)
    copy_wanted = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = TableModel(self)
        self.setModel(self.rows)
        self.setAccessibleName(name)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        side, header = self.verticalHeader(), self.horizontalHeader()
        assert side is not None and header is not None
        side.setVisible(False)
        side.setDefaultSectionSize(22)
        header.setResizeContentsPrecision(20)
        header.setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
        self.setSortingEnabled(True)

    def set_table(self, table: Table) -> None:
        """Show a table, in its own order until a heading is clicked."""
        header = self.horizontalHeader()
        assert header is not None
        header.setSortIndicator(-1, Qt.SortOrder.DescendingOrder)
        self.rows.set_table(table)
        self.resizeColumnsToContents()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Copy the whole table, with where it comes from."""
        if event is not None and event.matches(QKeySequence.StandardKey.Copy):
            self.copy_wanted.emit()
            return
        super().keyPressEvent(event)

    def currentChanged(self, current: QModelIndex, previous: QModelIndex) -> None:
        """Say which row was reached."""
        super().currentChanged(current, previous)
        if current.isValid() and current.row() != previous.row():
            self.row_chosen.emit(str(self.rows.cell(current.row(), 0)))


def _unknown(cell: Cell) -> bool:
    return isinstance(cell, float) and math.isnan(cell)

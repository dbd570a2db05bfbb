"""Tables that sort by their numbers; what is not known comes last in its own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QSortFilterProxyModel, Qt
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableView, QWidget

SORT_ROLE = int(Qt.ItemDataRole.UserRole) + 1
WIDEST = 620
"""Of a table, pixels."""
KEY_ROLE = int(Qt.ItemDataRole.UserRole) + 2


@dataclass(frozen=True)
class Cell:
    """What stands in a table, and the value by which it is sorted; none: after all others."""

    text: str
    order: float | str | None


class Rows(QAbstractTableModel):
    """Rows of cells.

    Parameters
    ----------
    headings
        One for each column, with what its tooltip says.
    """

    def __init__(self, headings: Sequence[tuple[str, str]], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._headings = tuple(headings)
        self._rows: list[tuple[Cell, ...]] = []

    def set_rows(self, rows: Sequence[tuple[Cell, ...]]) -> None:
        """Show other rows."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """Rows."""
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """Columns."""
        return 0 if parent is not None and parent.isValid() else len(self._headings)

    def data(self, index: QModelIndex, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Text of a cell, what to sort it by, or the text of its row's first cell."""
        row = self._rows[index.row()]
        cell = row[index.column()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return cell.text
        if role == SORT_ROLE:
            return cell.order
        if role == KEY_ROLE:
            return row[0].text
        if role == Qt.ItemDataRole.TextAlignmentRole and isinstance(cell.order, float):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = int(Qt.ItemDataRole.DisplayRole)
    ) -> Any:
        """Heading of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        title, tip = self._headings[section]
        return {int(Qt.ItemDataRole.DisplayRole): title, int(Qt.ItemDataRole.ToolTipRole): tip}.get(int(role))


class Sorted(QSortFilterProxyModel):
    """Sorts by the cells' own order; what is not known stays at the end either way."""

    def lessThan(self, left: QModelIndex, right: QModelIndex) -> bool:
        """Whether one cell comes before another."""
        first, second = left.data(SORT_ROLE), right.data(SORT_ROLE)
        if first is None or second is None:
            ascending = self.sortOrder() == Qt.SortOrder.AscendingOrder
            return (second is None) == ascending if (first is None) != (second is None) else False
        return bool(first < second)


def table_of(rows: Rows, name: str, sort_by: int, order: Qt.SortOrder) -> QTableView:
    """A view of rows that a click on a heading sorts; no wider than the eye can follow a row."""
    proxy = Sorted(rows)
    proxy.setSourceModel(rows)
    proxy.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
    view = QTableView()
    view.setModel(proxy)
    view.setAccessibleName(name)
    view.setSortingEnabled(True)
    view.sortByColumn(sort_by, order)
    view.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    view.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    view.setTabKeyNavigation(False)
    view.setWordWrap(False)
    view.setMaximumWidth(WIDEST)
    side, top = view.verticalHeader(), view.horizontalHeader()
    if side is not None and top is not None:
        side.hide()
        side.setDefaultSectionSize(view.fontMetrics().lineSpacing() + 8)
        top.setStretchLastSection(False)
        top.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        top.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return view

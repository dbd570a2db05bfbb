"""The list that drops down under the search box: names, what is known of them, and headings between groups."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractListModel, QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QPainter, QPalette
from qtpy.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_molf.core.scores import Score
from napari_molf.show.finding import Found

SCORE_ROLE = int(Qt.ItemDataRole.UserRole) + 1
DETAIL_ROLE = SCORE_ROLE + 1
STAR = "★"
_GAP = 14


@dataclass(frozen=True)
class Heading:
    """Title of a group; it cannot be chosen."""

    text: str
    tip: str = ""


Row = Found | Heading


class ScoreList(QAbstractListModel):
    """Rows of the list; none is an object of Qt's, so that a keystroke may replace all of them."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: Sequence[Row] = ()
        self._starred: Collection[Score] = frozenset()

    def show_rows(self, rows: Sequence[Row], starred: Collection[Score]) -> None:
        """Replace the rows; ``starred`` are marked."""
        self.beginResetModel()
        self._rows, self._starred = rows, starred
        self.endResetModel()

    def text(self, row: int) -> str:
        """What a row says, all of it."""
        return "   ".join(part for part in (self._text(self._rows[row]), self._detail(self._rows[row])) if part)

    def longest(self, count: int) -> list[int]:
        """The rows with the most letters."""
        order = sorted(range(len(self._rows)), key=lambda row: -len(self.text(row)))
        return order[:count]

    def step(self, row: int, by: int) -> int:
        """The next row that can be chosen, from -1 (before the first) on; the row itself where there is none."""
        at = row + by
        while 0 <= at < len(self._rows):
            if isinstance(self._rows[at], Found):
                return at
            at += by
        return row

    def rowCount(self, parent: QModelIndex = QModelIndex()) -> int:  # noqa: B008
        """How many rows there are."""
        return 0 if parent.isValid() else len(self._rows)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        """A heading can be neither chosen nor passed with the keys."""
        if isinstance(self._rows[index.row()], Heading):
            return Qt.ItemFlag.ItemNeverHasChildren
        return Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren

    def data(self, index: QModelIndex, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """What Qt asks of a row."""
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return self.text(index.row())
        if isinstance(row, Heading):
            return self._of_heading(row, role)
        if role == SCORE_ROLE:
            return row.entry.score
        if role == DETAIL_ROLE:
            return row.detail
        if role == Qt.ItemDataRole.EditRole:
            return row.entry.score.name
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.entry.doubt or row.entry.note
        return None

    def _of_heading(self, heading: Heading, role: int) -> Any:
        if role == Qt.ItemDataRole.FontRole:
            font = QFont(QApplication.font())
            font.setBold(True)
            return font
        return heading.tip if role == Qt.ItemDataRole.ToolTipRole else None

    def _text(self, row: Row) -> str:
        if isinstance(row, Heading):
            return row.text
        return f"{STAR} {row.text}" if row.entry.score in self._starred else row.text

    def _detail(self, row: Row) -> str:
        return row.detail if isinstance(row, Found) else ""


class RowDelegate(QStyledItemDelegate):
    """Draws the name at the left and what is known of it at the right, fainter."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Room for both."""
        hint = super().sizeHint(option, index)
        detail = index.data(DETAIL_ROLE)
        if detail:
            hint.setWidth(hint.width() + _GAP + option.fontMetrics.horizontalAdvance(detail))
        return hint

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Draw a row."""
        if painter is None:
            return
        detail = index.data(DETAIL_ROLE) or ""
        shown = QStyleOptionViewItem(option)
        self.initStyleOption(shown, index)
        widget = shown.widget
        style = widget.style() if widget is not None else QApplication.style()
        assert style is not None
        area: QRect = style.subElementRect(QStyle.SubElement.SE_ItemViewItemText, shown, widget)
        name, shown.text = shown.text, ""
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, shown, painter, widget)
        metrics = shown.fontMetrics
        painter.save()
        painter.setFont(shown.font)
        painter.setPen(shown.palette.color(QPalette.ColorRole.Text))
        middle = Qt.AlignmentFlag.AlignVCenter
        room = area.width() - metrics.horizontalAdvance(name) - _GAP
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignLeft, name)
        painter.setOpacity(0.8)
        elided = metrics.elidedText(detail, Qt.TextElideMode.ElideRight, max(room, 0))
        painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, elided)
        painter.restore()

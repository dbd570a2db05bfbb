"""The key of the experts: colour and number, name, and how much of the slide each decides.  One row an expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QAbstractItemModel, QModelIndex, QRect, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QPainter
from qtpy.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from napari_molf.experts.swatch import colour_of, paint_swatch

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_ROWS = 12
"""More experts than these are scrolled to."""
_SWATCH, _BAR, _PERCENT, _GAP = 20, 52, 38, 6


@dataclass(frozen=True)
class Use:
    """How much an expert is used on a slide: shares, 0 to 1, of the patches that it decides, and of those that use it at all."""

    decides: float
    used: float


@dataclass(frozen=True)
class Colours:
    """What a row is drawn with."""

    text: QColor
    under: QColor
    chosen: QColor


class _Rows(QStyledItemDelegate):
    """Draws a row, and lets its name be edited in place.

    Signals
    -------
    named(int, str)
        A name was typed for an expert.
    """

    named = Signal(int, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.colours = Colours(QColor("#f0f1f2"), QColor("#414851"), QColor("#5a626c"))
        self.uses: Sequence[Use] = ()

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        return QSize(120, option.fontMetrics.height() + 8)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if painter is None:
            return
        row, count, box = index.row(), len(self.uses), option.rect
        painter.save()
        painter.setFont(option.font)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(box, self.colours.chosen)
        elif option.state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, self.colours.under)
        high = box.height() - 8
        swatch = QRectF(box.left() + 3, box.top() + 4, _SWATCH, high)
        paint_swatch(painter, swatch, row, count, self.colours.text)
        name = option.fontMetrics.elidedText(index.data(), Qt.TextElideMode.ElideRight, self._name_box(box).width())
        painter.setPen(self.colours.text)
        painter.drawText(self._name_box(box), Qt.AlignmentFlag.AlignVCenter, name)
        self._paint_use(painter, box, row, count)
        painter.restore()

    def _paint_use(self, painter: QPainter, box: QRect, row: int, count: int) -> None:
        decides = self.uses[row].decides
        track = QRectF(box.right() - _PERCENT - _BAR - 2, box.center().y() - 4, _BAR, 9)
        painter.fillRect(track, self.colours.under)
        bar = QRectF(track.left(), track.top(), track.width() * decides, track.height())
        painter.fillRect(bar, QColor(colour_of(row, count) or self.colours.text))
        # An outline: some of the colours are near to that of the dock.
        painter.setPen(self.colours.text)
        painter.drawRect(track.adjusted(0, 0, -1, -1))
        percent = QRect(box.right() - _PERCENT, box.top(), _PERCENT - 4, box.height())
        painter.drawText(percent, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight, f"{100 * decides:.0f} %")

    def _name_box(self, box: QRect) -> QRect:
        left = box.left() + _SWATCH + 3 + _GAP
        return QRect(left, box.top(), box.right() - _PERCENT - _BAR - _GAP - left, box.height())

    def createEditor(self, parent: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex) -> QWidget:
        from molf_engine.bundle.expert_names import MAX_LENGTH

        editor = QLineEdit(parent)
        editor.setMaxLength(MAX_LENGTH)
        editor.setAccessibleName(f"Name of expert E{index.row() + 1}")
        return editor

    def updateEditorGeometry(self, editor: QWidget | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        if editor is not None:
            box = self._name_box(option.rect)
            editor.setGeometry(box.left() - 4, box.top(), option.rect.right() - box.left() + 4, box.height())

    def setModelData(self, editor: QWidget | None, model: QAbstractItemModel | None, index: QModelIndex) -> None:
        # The row says another name once it is kept, and not before.
        if isinstance(editor, QLineEdit) and editor.text() != index.data():
            self.named.emit(index.row(), editor.text())


class ExpertKey(QListWidget):
    """One row for each expert; a click chooses it, a double click or F2 names it.

    Signals
    -------
    expert_chosen(int)
        Clicked, or Enter pressed on it.
    named(int, str)
        A name was typed for an expert.
    """

    expert_chosen = Signal(int)
    named = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = _Rows(self)
        self._rows.named.connect(self.named)
        self.setItemDelegate(self._rows)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked | QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setMouseTracking(True)
        self.setAccessibleName("Experts: number, name, share of the patches that each decides")
        self.setToolTip("Click or Enter: map of that expert. Double click or F2: give it a name.")
        self.itemClicked.connect(self._on_chosen)
        self.itemActivated.connect(self._on_chosen)

    def set_experts(self, names: Sequence[str], uses: Sequence[Use]) -> None:
        """Show these experts."""
        self.clear()
        self._rows.uses = uses
        for use, name in zip(uses, names, strict=True):
            item = QListWidgetItem()
            item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
            self.addItem(item)
            self._describe(item, name, use)
        height = self.sizeHintForRow(0) if uses else 0
        self.setFixedHeight(height * min(len(uses), MAX_ROWS) + 2)

    def set_names(self, names: Sequence[str]) -> None:
        """The experts have other names now."""
        for row, (name, use) in enumerate(zip(names, self._rows.uses, strict=True)):
            item = self.item(row)
            if item is not None:
                self._describe(item, name, use)

    def set_colours(self, theme_id: str) -> None:
        """Draw with the colours of a napari theme."""
        from napari.utils.theme import get_theme

        theme = get_theme(theme_id)
        text, under, chosen = (QColor(getattr(theme, key).as_hex()) for key in ("text", "foreground", "highlight"))
        self._rows.colours = Colours(text, under, chosen)
        self.setStyleSheet("QListWidget { background: transparent; }")
        viewport = self.viewport()
        if viewport is not None:
            viewport.update()

    def choose(self, expert: int) -> None:
        """Mark an expert without speaking."""
        self.setCurrentRow(expert)

    def _describe(self, item: QListWidgetItem, name: str, use: Use) -> None:
        expert = self.row(item)
        item.setText(name)
        number = f"E{expert + 1}"
        who = name if name == number else f"{name} ({number})"
        share = f"decides most in {100 * use.decides:.1f} % of the patches, used by {100 * use.used:.0f} %"
        item.setToolTip(f"{who}: {share}.\nClick: map of its weight. Double click or F2: give it a name.")
        item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{who}, {share}")

    def _on_chosen(self, item: QListWidgetItem) -> None:
        self.expert_chosen.emit(self.row(item))

"""The list of regions: name and class to be edited, predicted patches and area to be read."""

from __future__ import annotations

import math

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from napari_molf.regions.rows import Rows

NAME, CLASS, PATCHES, AREA = range(4)
ROW_HEIGHT = 22
MOST_ROWS = 7
"""A longer list scrolls."""
_TIPS = (
    "Double-click to rename. Shapes of one name are one region.",
    "Double-click to give it a class, such as Tumor; regions of one class can be compared together.",
    "Predicted patches whose centre is inside.",
    "Square millimetres, without holes.",
)


class RegionList(QTableWidget):
    """Rows of regions.

    Signals
    -------
    edited(str, str, str)
        Name of a region, ``name`` or ``class``, and what it is to be.
    chosen(object)
        Names of the selected regions, a list.
    """

    edited = Signal(str, str, str)
    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 4, parent)
        self.setAccessibleName("Regions of this slide")
        self.setToolTip(
            "Double click or F2: another name or class. Selected regions are those that the buttons below act on."
        )
        self.setHorizontalHeaderLabels(["Name", "Class", "Patches", "mm²"])
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setTabKeyNavigation(False)
        header, side = self.horizontalHeader(), self.verticalHeader()
        assert header is not None and side is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(CLASS, QHeaderView.ResizeMode.Stretch)
        side.setVisible(False)
        side.setDefaultSectionSize(ROW_HEIGHT)
        for column, tip in enumerate(_TIPS):
            item = self.horizontalHeaderItem(column)
            if item is not None:
                item.setToolTip(tip)
        self._names: list[str] = []
        self._fit_height()
        self.itemChanged.connect(self._on_changed)
        self.itemSelectionChanged.connect(self._on_selection)

    @property
    def selected(self) -> list[str]:
        """Names of the selected regions, in their order."""
        return [self._names[row] for row in sorted({index.row() for index in self.selectedIndexes()})]

    def set_rows(self, rows: Rows) -> None:
        """Show these regions; what was selected stays selected."""
        before = set(self.selected)
        with QSignalBlocker(self):
            self._names = [region.name for region in rows.regions]
            self.setRowCount(len(rows.regions))
            for row, (region, count, area) in enumerate(zip(rows.regions, rows.patches, rows.areas, strict=True)):
                predicted = "–" if rows.run_id is None else f"{count:,}"
                mm2 = "–" if math.isnan(area) else f"{area:.3g}"
                for column, text in enumerate((region.name, region.classification, predicted, mm2)):
                    self.setItem(row, column, self._item(column, text, nothing=rows.run_id is not None and not count))
            for row, name in enumerate(self._names):
                if name in before:
                    for column in range(self.columnCount()):
                        item = self.item(row, column)
                        if item is not None:
                            item.setSelected(True)
        self._fit_height()

    def _fit_height(self) -> None:
        header = self.horizontalHeader()
        assert header is not None
        rows = min(max(self.rowCount(), 1), MOST_ROWS)
        self.setFixedHeight(header.sizeHint().height() + rows * ROW_HEIGHT + 2 * self.frameWidth() + 2)

    def _item(self, column: int, text: str, *, nothing: bool) -> QTableWidgetItem:
        item = QTableWidgetItem(text)
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable
        item.setToolTip(text or _TIPS[column])
        if column in (NAME, CLASS):
            flags |= Qt.ItemFlag.ItemIsEditable
        else:
            item.setTextAlignment(int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter))
            item.setToolTip("No predicted patch in it." if nothing else _TIPS[column])
        item.setFlags(flags)
        return item

    def _on_changed(self, item: QTableWidgetItem) -> None:
        name, text = self._names[item.row()], item.text().strip()
        if item.column() == CLASS:
            self.edited.emit(name, "class", text)
        elif text and text != name:
            self.edited.emit(name, "name", text)
        else:
            # A region without a name could not be told from the others.
            with QSignalBlocker(self):
                item.setText(name)

    def _on_selection(self) -> None:
        self.chosen.emit(self.selected)

"""The wide panel: a scatter plot of the score on the map, and the table of all scores beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QModelIndex, QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QLineEdit,
    QPushButton,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from napari_molf.core.scores import Score
from napari_molf.desk.part import Panel
from napari_molf.measured.scatter import Scatter
from napari_molf.measured.table import AgreementFilter, AgreementModel

if TYPE_CHECKING:
    from molf_engine.evaluation.at_spots import Agreement, Kind

NAME = "Measured against predicted"


class AgreementPanel(Panel):
    """Scatter plot and table.

    Signals
    -------
    score_chosen(object)
        A row was clicked: a :class:`~napari_molf.core.scores.Score` to show.
    save_wanted(object)
        Write the whole table to this :class:`~pathlib.Path`.
    """

    score_chosen = Signal(object)
    save_wanted = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        from molf_engine.evaluation.at_spots import NO_INTERVAL

        self._agreement: Agreement | None = None
        self._units = ""
        self.scatter = Scatter()
        self.kind = QComboBox()
        self.kind.addItem("Genes", "gene")
        self.kind.addItem("Hallmark sets", "hallmark")
        self.kind.setAccessibleName("What the table lists")
        self.kind.setToolTip("List genes, or Hallmark sets.")
        self.search = QLineEdit()
        self.search.setPlaceholderText("find in the table")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Find in the table")
        self.search.setToolTip("Show the rows whose name contains this.")
        self.save = QPushButton("Save &table…")
        self.save.setToolTip("Write all correlations, in both scales, to a CSV file.")
        self.model = AgreementModel(self)
        self.rows = AgreementFilter(self.model, self)
        self.table = self._make_table()
        note = QLabel(NO_INTERVAL)
        note.setWordWrap(True)

        top = QHBoxLayout()
        top.addWidget(self.kind)
        top.addWidget(self.search, 1)
        top.addWidget(self.save)
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(4, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.table, 1)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self.scatter)
        splitter.addWidget(right)
        splitter.setStretchFactor(0, 2)
        splitter.setStretchFactor(1, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 4)
        layout.addWidget(splitter, 1)
        layout.addWidget(note)

        self.kind.currentIndexChanged.connect(self._on_kind)
        self.search.textChanged.connect(self.rows.setFilterFixedString)
        self.table.clicked.connect(self._on_row)
        self.table.activated.connect(self._on_row)
        self.save.clicked.connect(self._on_save)
        self.show_nothing()

    def _make_table(self) -> QTableView:
        table = QTableView()
        table.setModel(self.rows)
        table.setSortingEnabled(True)
        table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setAccessibleName("Correlation of every score with what was measured")
        table.setToolTip("Click a row to show that score on the map; click a heading to sort.")
        vertical, horizontal = table.verticalHeader(), table.horizontalHeader()
        assert vertical is not None and horizontal is not None
        vertical.hide()
        horizontal.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        return table

    def show_agreement(self, agreement: Agreement, units: str, score: Score) -> None:
        """Fill the table, with the scale that is on the map first, and mark the score."""
        if agreement is not self._agreement or units != self._units:
            self._agreement, self._units = agreement, units
            self._fill()
        if self.kind.currentData() != score.kind:
            with QSignalBlocker(self.kind):
                self.kind.setCurrentIndex(self.kind.findData(score.kind))
            self._fill()
        self.save.setEnabled(True)
        self._mark(score.name)

    def show_points(
        self, predicted: NDArray[np.floating], measured: NDArray[np.floating], title: str, units: str
    ) -> None:
        """Draw the spots of the score on the map."""
        self.scatter.show_points(predicted, measured, title, units)

    def show_nothing(self) -> None:
        """There is no comparison to show."""
        self._agreement, self._units = None, ""
        self._fill()
        self.save.setEnabled(False)
        self.scatter.show_points(np.empty(0), np.empty(0), "", "")

    def _fill(self) -> None:
        kind: Kind = self.kind.currentData()
        self.model.set_agreement(self._agreement, self._units, kind)

    def _mark(self, name: str) -> None:
        row = self.model.row_of(name)
        index = self.rows.mapFromSource(self.model.index(row, 0)) if row is not None else QModelIndex()
        if not index.isValid():
            self.table.clearSelection()
        elif self.table.currentIndex().row() != index.row() or not self.table.selectedIndexes():
            self.table.setCurrentIndex(index)
            self.table.scrollTo(index)

    def _on_kind(self) -> None:
        self._fill()

    def _on_row(self, index: QModelIndex) -> None:
        name = self.model.name(self.rows.mapToSource(index).row())
        self.score_chosen.emit(Score(self.kind.currentData(), name))

    def _on_save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Save the table", "measured-against-predicted.csv", "CSV (*.csv)")
        if name:
            self.save_wanted.emit(Path(name))

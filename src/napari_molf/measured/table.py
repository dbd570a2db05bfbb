"""The correlations of every gene or Hallmark set as a table that can be sorted and filtered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, QObject, QSortFilterProxyModel, Qt

if TYPE_CHECKING:
    from molf_engine.evaluation.at_spots import Agreement, Kind

SORT_ROLE = int(Qt.ItemDataRole.UserRole)
_NOWHERE = QModelIndex()
_EXPLAINED = {
    "pcc": "Pearson correlation of the predicted with the measured values, over the spots",
    "density": "What the predicted total count alone would reach: tissue density",
}


class AgreementModel(QAbstractTableModel):
    """Rows: genes or Hallmark sets; columns: name, PCC and density alone in the scale that is shown, then in the other."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names: list[str] = []
        self._heads: list[tuple[str, str]] = []
        self._values: list[list[float]] = []

    def set_agreement(self, agreement: Agreement | None, units: str, kind: Kind) -> None:
        """Show the rows of one kind, with the columns of ``units`` first."""
        self.beginResetModel()
        self._names, self._heads, self._values = [], [], []
        if agreement is not None:
            rows = agreement.table[agreement.table["kind"] == kind]
            scales = sorted(agreement.scales, key=lambda scale: scale != units)
            self._heads = [(what, scale) for scale in scales for what in ("pcc", "density")]
            self._names = [str(name) for name in rows.index]
            self._values = rows[[f"{what}_{scale}" for what, scale in self._heads]].to_numpy(float).tolist()
        self.endResetModel()

    def name(self, row: int) -> str:
        """Gene or set in a row."""
        return self._names[row]

    def row_of(self, name: str) -> int | None:
        """Row of a gene or set."""
        return self._names.index(name) if name in self._names else None

    def rowCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Count the genes or sets."""
        return 0 if parent.isValid() else len(self._names)

    def columnCount(self, parent: QModelIndex = _NOWHERE) -> int:
        """Count the columns."""
        return 0 if parent.isValid() else 1 + len(self._heads)

    def data(self, index: QModelIndex, role: int = int(Qt.ItemDataRole.DisplayRole)) -> Any:
        """Text, or the number to sort by."""
        if not index.isValid():
            return None
        if index.column() == 0:
            return self._names[index.row()] if role in (int(Qt.ItemDataRole.DisplayRole), SORT_ROLE) else None
        value = self._values[index.row()][index.column() - 1]
        if role == int(Qt.ItemDataRole.DisplayRole):
            return "–" if math.isnan(value) else f"{value:.2f}"
        if role == SORT_ROLE:
            return -2.0 if math.isnan(value) else value
        if role == int(Qt.ItemDataRole.TextAlignmentRole):
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = int(Qt.ItemDataRole.DisplayRole)
    ) -> Any:
        """Names of the columns."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if section == 0:
            return "Name" if role == int(Qt.ItemDataRole.DisplayRole) else None
        if section > len(self._heads):
            return None
        what, scale = self._heads[section - 1]
        if role == int(Qt.ItemDataRole.DisplayRole):
            return f"{'PCC' if what == 'pcc' else 'density alone'}\n{scale}"
        if role == int(Qt.ItemDataRole.ToolTipRole):
            return f"{_EXPLAINED[what]}; in {scale}. Click to sort."
        return None


class AgreementFilter(QSortFilterProxyModel):
    """Sorts by number and finds names that contain what is typed."""

    def __init__(self, model: AgreementModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setSourceModel(model)
        self.setSortRole(SORT_ROLE)
        self.setFilterKeyColumn(0)
        self.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)

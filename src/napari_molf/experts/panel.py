"""Which expert decided where: switches for the maps, and their key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, QSize, Signal
from qtpy.QtGui import QColor, QPixmap
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_molf.core.palette import EXPERT_COLOURS, MAX_EXPERTS, expert_name

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.core.view_state import Routing


def shares(top_expert: np.ndarray, count: int) -> np.ndarray:
    """(count,) share of the patches that each expert decided most."""
    return np.bincount(top_expert, minlength=count)[:count] / max(1, len(top_expert))


class ExpertPanel(QWidget):
    """Switches for the expert maps; at most one is on, and with none the score is shown.

    Signals
    -------
    routing_chosen(object, int)
        ``expert``, ``weight``, ``entropy`` or none, and the expert whose weight is meant, counted from 0.
    """

    routing_chosen = Signal(object, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.top = QCheckBox("&top expert")
        self.top.setToolTip("Colour each patch by the expert that decided most.")
        self.weight = QCheckBox("&weight of")
        self.weight.setToolTip("Map of one expert's weight, 0 to 1.")
        self.which = QComboBox()
        self.which.setAccessibleName("Expert whose weight is shown")
        self.which.setToolTip(self.weight.toolTip())
        self.entropy = QCheckBox("e&ntropy")
        self.entropy.setToolTip("How undecided the gate was: 0 one expert, 1 all experts alike.")
        self._boxes: dict[Routing, QCheckBox] = {"expert": self.top, "weight": self.weight, "entropy": self.entropy}
        self._key = QWidget()
        self._key_layout = QFlowLayout(self._key)
        self._key_layout.setContentsMargins(0, 0, 0, 0)
        self._key_layout.setHorizontalSpacing(10)
        self._key_layout.setVerticalSpacing(1)

        switches = QWidget()
        row = QFlowLayout(switches)
        row.setContentsMargins(0, 0, 0, 0)
        row.setHorizontalSpacing(10)
        row.setVerticalSpacing(4)
        one = QWidget()
        pair = QHBoxLayout(one)
        pair.setContentsMargins(0, 0, 0, 0)
        pair.setSpacing(4)
        pair.addWidget(self.weight)
        pair.addWidget(self.which)
        for part in (self.top, self.entropy, one):
            row.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(switches)
        layout.addWidget(self._key)

        for box in self._boxes.values():
            box.toggled.connect(self._on_toggled)
        self.which.currentIndexChanged.connect(self._on_which)
        self.set_run(None)

    @property
    def chosen(self) -> Routing | None:
        """The map that is switched on."""
        return next((kind for kind, box in self._boxes.items() if box.isChecked()), None)

    def set_run(self, run: Run | None) -> None:
        """Offer the experts of a run; every switch goes off."""
        count = 0 if run is None else run.scores.routing.shape[1]
        with QSignalBlocker(self.which):
            self.which.clear()
            self.which.addItems([expert_name(i) for i in range(count)])
        several = count > 1
        for part in (self.weight, self.which, self.entropy):
            part.setEnabled(several)
        self.top.setEnabled(several and count <= MAX_EXPERTS)
        if count > MAX_EXPERTS:
            self.top.setToolTip(f"{count} experts cannot be told apart by colour; look at one weight at a time.")
        self._make_key(None if run is None or not self.top.isEnabled() else shares(run.scores.top_expert, count))
        self.set_chosen(None)

    def set_chosen(self, kind: Routing | None) -> None:
        """Set the switches without speaking."""
        for each, box in self._boxes.items():
            with QSignalBlocker(box):
                box.setChecked(each == kind)
        self._key.setVisible(kind == "expert")

    def _make_key(self, share: np.ndarray | None) -> None:
        while (item := self._key_layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        for expert, part in enumerate(share if share is not None else ()):
            cell = QWidget()
            row = QHBoxLayout(cell)
            row.setContentsMargins(0, 0, 0, 0)
            row.setSpacing(4)
            swatch = QLabel()
            swatch.setPixmap(_swatch(EXPERT_COLOURS[expert], QSize(12, 12)))
            row.addWidget(swatch)
            row.addWidget(QLabel(f"{expert_name(expert)}  {100 * part:.0f} %"))
            self._key_layout.addWidget(cell)

    def _on_toggled(self, on: bool) -> None:
        sender = self.sender()
        self.set_chosen(next((kind for kind, box in self._boxes.items() if box is sender and on), None))
        self._speak()

    def _on_which(self, index: int) -> None:
        if self.chosen == "weight" and index >= 0:
            self._speak()

    def _speak(self) -> None:
        self.routing_chosen.emit(self.chosen, max(0, self.which.currentIndex()))


def _swatch(colour: str, size: QSize) -> QPixmap:
    pixmap = QPixmap(size)
    pixmap.fill(QColor(colour))
    return pixmap

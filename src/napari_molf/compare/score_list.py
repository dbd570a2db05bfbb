"""The list of scores that are to stand side by side, and its buttons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_molf.compare.chosen import Chosen, label
from napari_molf.compare.panels import MOST
from napari_molf.core.scores import Score
from napari_molf.core.views import Wanted

if TYPE_CHECKING:
    from napari_molf.core.run import Run

ROLE = Qt.ItemDataRole.UserRole
HINT = "Choose a score under Show and add it; then the next one."


class _List(QListWidget):
    """A list whose selected row can be taken out with the keyboard."""

    delete_pressed = Signal()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.delete_pressed.emit()
        else:
            super().keyPressEvent(event)


class ScoreList(QWidget):
    """Scores to compare.

    Signals
    -------
    changed()
        A score was removed or moved.
    picked(object)
        A :class:`~napari_molf.core.views.Wanted` of the list was clicked.
    """

    changed = Signal()
    picked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.chosen = Chosen()
        self.ladder_scales: tuple[float, ...] = (1.0, 4.0)
        self.add = QPushButton("&Add the shown score")
        self.add.setToolTip(f"Put it on the list, up to {MOST}; in its panel it follows the guidance slider.")
        self.ladder = QPushButton("Add it at fixed &guidance")
        self.ladder.setToolTip(
            "Put the shown score on the list at fixed guidance scales, which the slider does not change."
        )
        self.items = _List()
        self.items.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.items.setAccessibleName("Scores to compare")
        self.items.setToolTip("Click: make it the shown score. Delete: take it off the list.")
        self.items.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._hint = QLabel(HINT)
        self._hint.setWordWrap(True)
        self.up = self._small("▲", "Move the score up, towards the first panel")
        self.down = self._small("▼", "Move the score down, towards the last panel")
        self.remove = QPushButton("Remo&ve")
        self.remove.setToolTip("Take the score off the list (Delete).")
        self.shared = QCheckBox("sa&me limits in all panels")
        self.shared.setToolTip(
            "One range of colours for all genes, and one for all Hallmarks: heights can be compared.\n"
            "Without, each panel uses its colours in full: patterns can be compared."
        )
        self.side_by_side = QPushButton("Side &by side")
        self.side_by_side.setCheckable(True)
        self.side_by_side.setToolTip(
            "One panel for each score, over the same tissue; they move together. Click a panel: its score is shown."
        )

        buttons = QHBoxLayout()
        buttons.setSpacing(4)
        for button in (self.up, self.down, self.remove):
            buttons.addWidget(button)
        buttons.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.add, self.ladder, self._hint, self.items):
            layout.addWidget(part)
        layout.addLayout(buttons)
        layout.addWidget(self.shared)
        layout.addWidget(self.side_by_side)

        self.items.itemClicked.connect(self._on_clicked)
        self.items.currentRowChanged.connect(self._set_enabled)
        self.up.clicked.connect(self._on_up)
        self.down.clicked.connect(self._on_down)
        self.remove.clicked.connect(self._on_remove)
        self.items.delete_pressed.connect(self._on_remove)
        self.refresh()

    @property
    def current(self) -> Wanted | None:
        """The selected score."""
        item = self.items.currentItem()
        return None if item is None else item.data(ROLE)

    def set_run(self, run: Run) -> None:
        """Offer guidance scales of another prediction, and keep of the list what it can show."""
        self.ladder_scales = tuple(sorted({1.0, run.guidance, 4.0}))
        scales = ", ".join(f"{scale:.3g}" for scale in self.ladder_scales)
        self.ladder.setText(f"Add it at &guidance {scales}")
        self.ladder.setEnabled(run.scores.can_guide)
        offered = run.scores
        self.chosen.keep(
            [
                each
                for each in self.chosen.items
                if (each.score.name in (offered.genes if each.score.kind == "gene" else offered.hallmarks))
                and (each.guidance is None or offered.can_guide)
            ]
        )
        self.refresh()

    def refresh(self, select: Wanted | None = None) -> None:
        """Show the list as it is now, ``select`` or else the same score selected."""
        select = select or self.current
        with QSignalBlocker(self.items):
            self.items.clear()
            for wanted in self.chosen.items:
                item = QListWidgetItem(label(wanted))
                item.setData(ROLE, wanted)
                self.items.addItem(item)
                if wanted == select:
                    self.items.setCurrentItem(item)
        count = len(self.chosen)
        self.items.setFixedHeight(max(2, count) * (self.fontMetrics().height() + 6) + 6)
        self.items.setVisible(count > 0)
        self._hint.setVisible(count < 2)
        self._set_enabled()

    def set_shown(self, score: Score) -> None:
        """Select the score that is on the map."""
        if self.current is None or self.current.score != score:
            found = next((each for each in self.chosen.items if each.score == score), None)
            self.refresh(found) if found is not None else self.items.setCurrentRow(-1)

    def set_open(self, is_open: bool) -> None:
        """Say whether the panels stand."""
        with QSignalBlocker(self.side_by_side):
            self.side_by_side.setChecked(is_open)
        self.side_by_side.setText("&Back to one map" if is_open else "Side &by side")

    def _set_enabled(self, *_: object) -> None:
        row, count = self.items.currentRow(), len(self.chosen)
        self.up.setEnabled(row > 0)
        self.down.setEnabled(0 <= row < count - 1)
        self.remove.setEnabled(row >= 0)
        self.side_by_side.setEnabled(count > 0)
        self.shared.setEnabled(count > 0)

    def _on_clicked(self, item: QListWidgetItem) -> None:
        self.picked.emit(item.data(ROLE))

    def _on_up(self) -> None:
        self._move(-1)

    def _on_down(self) -> None:
        self._move(1)

    def _move(self, by: int) -> None:
        if self.current is not None:
            self.chosen.move(self.current, by)
            self.refresh()
            self.changed.emit()

    def _on_remove(self) -> None:
        if self.current is None:
            return
        row = self.items.currentRow()
        self.chosen.remove(self.current)
        left = self.chosen.items
        self.refresh(left[min(row, len(left) - 1)] if left else None)
        self.changed.emit()

    def _small(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setFixedWidth(32)
        button.setToolTip(f"{tip}.")
        button.setAccessibleName(tip)
        return button

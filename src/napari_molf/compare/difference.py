"""What is taken away from the shown score: itself at another guidance scale, or another score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_molf.compare.chosen import label
from napari_molf.core.views import Minus, View, Wanted

if TYPE_CHECKING:
    from napari_molf.core.run import Run

NOTHING = "nothing"
ITSELF = "itself at guidance"


class DifferenceChoice(QWidget):
    """Chooses what the map shows the difference to.

    Signals
    -------
    minus_changed(object)
        The :class:`~napari_molf.core.views.Minus` to take away, or none.
    """

    minus_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view: View | None = None
        self._offered: tuple[Wanted, ...] = ()
        self._can_guide = False
        self.what = QComboBox()
        self.what.setAccessibleName("What is taken away from the shown score")
        self.what.setToolTip("The shown score at another guidance scale, or a score of the list above.")
        self.what.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.reference = QDoubleSpinBox()
        self.reference.setRange(0, 10)
        self.reference.setDecimals(1)
        self.reference.setSingleStep(0.5)
        self.reference.setValue(1.0)
        self.reference.setKeyboardTracking(False)
        self.reference.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        # The theme's padding leaves room for two buttons that are not there.
        self.reference.setStyleSheet("QDoubleSpinBox { min-width: 30px; padding: 1px 2px; }")
        self.reference.setFixedWidth(40)
        self.reference.setAccessibleName("Guidance scale that is taken away")
        self.reference.setToolTip("Guidance scale of what is taken away; 1 is the plain prediction.")
        self.said = QLabel()
        self.said.setWordWrap(True)
        caption = QLabel("The map shows the score &minus")
        caption.setBuddy(self.what)
        caption.setToolTip(self.what.toolTip())

        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.what, 1)
        row.addWidget(self.reference)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(caption)
        layout.addLayout(row)
        layout.addWidget(self.said)
        self._fill(None)
        self.what.currentIndexChanged.connect(self._on_changed)
        self.reference.valueChanged.connect(self._on_changed)

    @property
    def minus(self) -> Minus | None:
        """What is to be taken away."""
        kept = self.what.currentData()
        if isinstance(kept, Wanted):
            return Minus(kept.score, kept.guidance)
        return Minus(None, self.reference.value()) if kept == ITSELF else None

    def set_run(self, run: Run) -> None:
        """Another prediction: the score itself is shown."""
        self._view, self._can_guide = None, run.scores.can_guide
        self._fill(None)

    def offer(self, wanted: Sequence[Wanted]) -> None:
        """Offer these scores to be taken away."""
        self._offered = tuple(wanted)
        before = self.minus
        self._fill(self.what.currentData())
        if self.minus != before:
            self._on_changed()

    def set_view(self, view: View) -> None:
        """Say what the colours of another map mean."""
        self._view = view
        self._say()

    def _fill(self, select: object) -> None:
        with QSignalBlocker(self.what):
            self.what.clear()
            self.what.addItem(NOTHING, NOTHING)
            if self._can_guide:
                self.what.addItem(ITSELF, ITSELF)
            for wanted in self._offered:
                self.what.addItem(label(wanted), wanted)
            kept = [self.what.itemData(place) for place in range(self.what.count())]
            self.what.setCurrentIndex(kept.index(select) if select in kept else 0)
        self.reference.setVisible(self.what.currentData() == ITSELF)
        self._say()

    def _on_changed(self, *_: object) -> None:
        self.reference.setVisible(self.what.currentData() == ITSELF)
        self.minus_changed.emit(self.minus)
        self._say()

    def _say(self) -> None:
        view = self._view
        said = view is not None and view.minus is not None and self.minus is not None
        self.said.setVisible(said)
        if view is not None and view.minus is not None:
            self.said.setText(explain(view, view.minus))


def explain(view: View, minus: Wanted) -> str:
    """What the colours of a difference mean, in a sentence or two."""
    score = view.score
    if minus.score == score:
        if minus.guidance is None or minus.guidance == view.guidance:
            return "A score minus itself is zero everywhere. Move the guidance slider, or choose something else."
        return f"Orange: more at guidance {view.guidance:.3g} than at {minus.guidance:.3g}. Blue: less."
    text = f"Orange: {score.name} is the higher one. Blue: {minus.score.name} is."
    if minus.score.kind != score.kind:
        text += " Their units differ: each is counted in standard deviations from its own mean over this slide."
    return text

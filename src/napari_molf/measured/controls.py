"""Buttons, switches and lines of the section Measured; they know no data."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QLabel,
    QMenu,
    QPushButton,
    QRadioButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QFlowLayout

Shown = Literal["both", "predicted", "measured"]
_CHOICES: tuple[tuple[Shown, str, str], ...] = (
    ("both", "&both", "Measured spots over the predicted map."),
    ("predicted", "pre&diction", "The predicted map alone."),
    ("measured", "meas&ured", "The measured spots alone."),
)
IDLE = "Spots whose expression was measured on this slide: a Space Ranger folder, a HEST sample, AnnData, or ST tables."


class Controls(QWidget):
    """What can be seen of the section.

    Parameters
    ----------
    parent
        The section; it is laid out here.
    key
        Key that swaps prediction and measurement.

    Signals
    -------
    shown_changed()
        Another of prediction, measurement or both is to be seen.
    """

    shown_changed = Signal()

    def __init__(self, parent: QWidget, key: str) -> None:
        super().__init__(parent)
        self.path: Path | None = None
        """What was found beside the slide."""
        self.found = QPushButton()
        self.found.setAccessibleName("Open the measured spots that lie beside this slide")
        self.found.setToolTip("Show them over the slide.")
        self.choose = QToolButton()
        self.choose.setText("Open &measured spots…")
        self.choose.setToolTip("Open what was measured on this slide.")
        self.choose.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.choose.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        menu = QMenu(self.choose)
        self.folder = QAction("&Folder: Space Ranger output, .zarr…", menu)
        self.file = QAction("F&ile: .h5ad, or table with its positions…", menu)
        menu.addActions([self.folder, self.file])
        self.choose.setMenu(menu)
        self._spots = _line("Measured spots")
        self._warning = _line("Warning about these spots")
        self._warning.setObjectName("molf_banner")
        self._score = _line("Agreement of the score on the map")
        self._score.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._group = QButtonGroup(self)
        self.radios: dict[Shown, QRadioButton] = {}
        self.swap = QPushButton("Sw&ap")
        self.swap.setToolTip(f"Blink between prediction and measurement at the same places ({key.replace('-', '+')}).")
        self.same = QCheckBox("same &limits as the prediction")
        self.same.setChecked(True)
        self.same.setToolTip(
            "On: one colour means one value on both. Off: the measured spots have limits, and a colour bar, of their own."
        )
        self.predict = QPushButton("Pr&edict at the spots")
        self.predict.setToolTip(
            "Predict patches centred on the measured spots, in place of a grid: for an exact comparison."
        )
        self.details = QPushButton("S&catter plot and table…")
        self.details.setToolTip("Predicted against measured, and the correlation of every gene and Hallmark set.")
        self._lay_out(parent)
        self.offer(None)
        self.set_state(False, False, False)

    def _lay_out(self, parent: QWidget) -> None:
        outer = QVBoxLayout(parent)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self)
        self._switches = QWidget()
        flow = QFlowLayout(self._switches)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(8)
        flow.setVerticalSpacing(2)
        for shown, text, tip in _CHOICES:
            radio = self.radios[shown] = QRadioButton(text)
            radio.setToolTip(tip)
            radio.toggled.connect(self._on_radio)
            self._group.addButton(radio)
            flow.addWidget(radio)
        self.radios["both"].setChecked(True)
        flow.addWidget(self.swap)
        self.swap.clicked.connect(self._on_swap)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        for widget in (
            self.found,
            self.choose,
            self._spots,
            self._warning,
            self._switches,
            self.same,
            self._score,
            self.details,
            self.predict,
        ):
            column.addWidget(widget)

    @property
    def shown(self) -> Shown:
        """What is to be seen."""
        return next(shown for shown, radio in self.radios.items() if radio.isChecked())

    @property
    def text(self) -> str:
        """All lines that are in sight."""
        return "\n".join(label.text() for label in (self._spots, self._warning, self._score) if not label.isHidden())

    def offer(self, path: Path | None) -> None:
        """Offer what was found beside the slide; none: nothing was."""
        self.path = path
        self.found.setVisible(path is not None)
        if path is not None:
            self.found.setText(f"Open {path.name}")
            self.found.setToolTip(f"Measured spots found beside this slide: {path}")

    def set_state(self, slide: bool, opened: bool, compared: bool) -> None:
        """Offer what can be done: with a slide, with spots that are open, with a prediction on the same slide."""
        self.found.setEnabled(slide)
        self.choose.setEnabled(slide)
        self.predict.setVisible(opened)
        for widget in (self._switches, self.same, self.details):
            widget.setVisible(compared)
        self.swap.setEnabled(compared)

    def say_spots(self, text: str | None) -> None:
        """Say what is open; none: nothing yet."""
        self._spots.setText(text or IDLE)

    def say_score(self, text: str | None) -> None:
        """Say how well the score agrees; none: there is nothing to say."""
        self._score.setText(text or "")
        self._score.setVisible(text is not None)

    def warn(self, text: str | None) -> None:
        """Warn; none: there is nothing to warn of."""
        self._warning.setText(text or "")
        self._warning.setVisible(text is not None)

    def _on_radio(self, checked: bool) -> None:
        if checked:
            self.shown_changed.emit()

    def _on_swap(self) -> None:
        self.radios["measured" if self.shown == "predicted" else "predicted"].setChecked(True)


def _line(name: str) -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setAccessibleName(name)
    return label

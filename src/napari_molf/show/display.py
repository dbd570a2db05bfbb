"""How a map is drawn: squares or a smooth surface, and which patches of it."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout, qthrottled

from napari_molf.core.maps import percentile_of
from napari_molf.core.threshold import Threshold

STEPS = 200
INTERVAL_MS = 30
"""The slider speaks at most this often while it is pulled."""


class DisplayControls(QWidget):
    """Smooth or squares; a threshold by percentile or by value.

    Signals
    -------
    smooth_changed(bool)
        Draw a smooth surface, or squares.
    threshold_changed(object)
        The :class:`~napari_molf.core.threshold.Threshold` that patches are held against, or none.
    """

    smooth_changed = Signal(bool)
    threshold_changed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._values: np.ndarray | None = None
        self._speak_soon = qthrottled(self._speak, timeout=INTERVAL_MS)
        self.smooth = QCheckBox("smoot&h")
        self.smooth.setToolTip(
            "Draw a surface through the patch centres instead of squares. It adds no detail: a value per patch is all there is."
        )
        self.only = QCheckBox("on&ly patches")
        self.only.setToolTip(
            "Show the patches above or below a threshold; where the others are, the tissue is to be seen."
        )
        self.side = QComboBox()
        self.side.addItems(["above", "below"])
        self.side.setAccessibleName("Side of the threshold that is shown")
        self.side.setToolTip("Patches at the threshold are shown, too.")
        self.unit = QComboBox()
        self.unit.addItems(["percentile", "value"])
        self.unit.setAccessibleName("Unit of the threshold")
        self.unit.setToolTip("A percentile of this slide's patches, or a value of the score.")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, STEPS)
        self.slider.setAccessibleName("Threshold")
        self.slider.setToolTip("Threshold that patches are held against.")
        self.number = QDoubleSpinBox()
        self.number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self.number.setKeyboardTracking(False)
        # The theme's padding leaves room for two buttons that are not there.
        self.number.setStyleSheet("QDoubleSpinBox { min-width: 44px; padding: 1px 2px; }")
        self.number.setFixedWidth(54)
        self.number.setAccessibleName("Threshold as a number")
        self.number.setToolTip(self.slider.toolTip())
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setAccessibleName("Share of patches that are shown")

        switches = QWidget()
        flow = QFlowLayout(switches)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(10)
        flow.setVerticalSpacing(2)
        flow.addWidget(self.smooth)
        flow.addWidget(self.only)
        self._threshold = QWidget()
        choices = QHBoxLayout()
        choices.setSpacing(6)
        choices.addWidget(self.side)
        choices.addWidget(self.unit)
        choices.addStretch(1)
        level = QHBoxLayout()
        level.setSpacing(6)
        level.addWidget(self.slider, 1)
        level.addWidget(self.number)
        below = QVBoxLayout(self._threshold)
        below.setContentsMargins(16, 0, 0, 0)
        below.setSpacing(4)
        below.addLayout(choices)
        below.addLayout(level)
        below.addWidget(self.said)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(switches)
        layout.addWidget(self._threshold)
        self._threshold.hide()
        self._set_range(75.0)

        self.smooth.toggled.connect(self.smooth_changed)
        self.only.toggled.connect(self._on_only)
        self.side.currentIndexChanged.connect(self._on_side)
        self.unit.currentIndexChanged.connect(self._on_unit)
        self.slider.valueChanged.connect(self._on_slider)
        self.number.valueChanged.connect(self._on_number)

    @property
    def threshold(self) -> Threshold | None:
        """The threshold that is set; none: every patch is shown."""
        if not self.only.isChecked():
            return None
        return Threshold(self.number.value(), self.side.currentText() == "above", self._by_percentile)

    def show_values(self, view: object, values: np.ndarray) -> None:
        """Another map is shown: say how much of it the threshold keeps.

        Parameters
        ----------
        view
            What is shown.
        values
            (P,) all its values.
        """
        self._values = values
        if not self._by_percentile:
            self._set_range(self.number.value())
        self._say()

    @property
    def _by_percentile(self) -> bool:
        return self.unit.currentText() == "percentile"

    def _range(self) -> tuple[float, float]:
        if self._by_percentile:
            return (0.0, 100.0)
        finite = np.zeros(0) if self._values is None else self._values[np.isfinite(self._values)]
        return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)

    def _set_range(self, value: float) -> None:
        low, high = self._range()
        with QSignalBlocker(self.number), QSignalBlocker(self.slider):
            self.number.setDecimals(0 if self._by_percentile else 2)
            # A value beyond those of this map may stay: it shows all of the patches, or none.
            self.number.setRange(*((0, 100) if self._by_percentile else (-1e4, 1e4)))
            self.number.setSingleStep(1.0 if self._by_percentile else (high - low) / 100 or 0.01)
            self.number.setValue(value)
            self.slider.setValue(self._step_of(value))

    def _step_of(self, value: float) -> int:
        low, high = self._range()
        return round(STEPS * (value - low) / (high - low)) if high > low else 0

    def _on_only(self, on: bool) -> None:
        self._threshold.setVisible(on)
        self._speak()

    def _on_side(self, _: int) -> None:
        self._speak()

    def _on_unit(self, _: int) -> None:
        # The same patches stay on the map.
        if self._values is None:
            self._set_range(75.0)
        elif self._by_percentile:
            self._set_range(percentile_of(self._values, self.number.value()))
        else:
            self._set_range(Threshold(self.number.value()).level(self._values))
        self._speak()

    def _on_slider(self, step: int) -> None:
        low, high = self._range()
        with QSignalBlocker(self.number):
            self.number.setValue(low + (high - low) * step / STEPS)
        self._speak_soon()

    def _on_number(self, value: float) -> None:
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._step_of(value))
        self._speak_soon()

    def _speak(self) -> None:
        self._say()
        self.threshold_changed.emit(self.threshold)

    def _say(self) -> None:
        threshold = self.threshold
        self.said.setText("" if threshold is None or self._values is None else threshold.sentence(self._values))

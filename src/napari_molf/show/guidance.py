"""The guidance-scale slider: live, with the scale that the model's authors chose marked on its track."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QPointF, QSignalBlocker, QSize, Qt, Signal
from qtpy.QtGui import QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPolygonF
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionSlider,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import qthrottled

MAXIMUM = 10.0
STEPS = 10
"""Slider positions in one unit of guidance."""
INTERVAL_MS = 30
"""The slider speaks at most this often while it is pulled."""

EXPLANATION = "Higher: crisper pattern, less realistic values."


class _Track(QSlider):
    """A slider that draws marks on its track."""

    double_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setRange(0, int(MAXIMUM * STEPS))
        self.setSingleStep(1)
        self.setPageStep(STEPS)
        self.marks: tuple[float, ...] = ()

    def x_of(self, value: float) -> float:
        """Where on the track a guidance scale is, widget pixels."""
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        option.sliderPosition = round(value * STEPS)
        part = QStyle.SubControl.SC_SliderHandle
        style = self.style()
        assert style is not None
        handle = style.subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self)
        return handle.center().x() + 0.5

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        self.double_clicked.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 2))
        middle = self.height() / 2
        for value in self.marks:
            x = self.x_of(value)
            # Under the handle a mark would only smear it.
            if abs(self.x_of(self.value() / STEPS) - x) > 8:
                painter.drawLine(QPointF(x, middle - 5), QPointF(x, middle + 5))
        painter.end()


class _Marks(QWidget):
    """Labels under the track: 0, 1, 10 and the chosen scale."""

    def __init__(self, track: _Track) -> None:
        super().__init__()
        self._track = track
        self.chosen: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def sizeHint(self) -> QSize:
        return QSize(80, self.fontMetrics().height() + 8)

    def texts(self) -> list[tuple[float, str]]:
        """Guidance scale and text of each label, those that would overlap the chosen scale's left out."""
        labels = [(0.0, "0"), (1.0, "1"), (MAXIMUM, f"{MAXIMUM:g}")]
        if self.chosen is None:
            return labels
        text = f"chosen {self.chosen:.3g}"
        left, right = self._span(self.chosen, text)
        free = [(v, t) for v, t in labels if self._span(v, t)[1] + 4 < left or self._span(v, t)[0] - 4 > right]
        return [*free, (self.chosen, text)]

    def _span(self, value: float, text: str) -> tuple[float, float]:
        width = self.fontMetrics().horizontalAdvance(text)
        left = min(max(0.0, self._track.x_of(value) - width / 2), max(0.0, self.width() - width))
        return left, left + width

    def paintEvent(self, event: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(colour)
        painter.setBrush(colour)
        baseline = self.height() - self.fontMetrics().descent() - 1
        for value, text in self.texts():
            x = self._track.x_of(value)
            painter.drawText(QPointF(self._span(value, text)[0], baseline), text)
            if value == self.chosen:
                painter.drawPolygon(QPolygonF([QPointF(x, 0), QPointF(x - 4, 6), QPointF(x + 4, 6)]))
        painter.end()


class GuidanceSlider(QWidget):
    """Guidance scale w, 0 to 10.

    Speaks while it moves, at most every :data:`INTERVAL_MS` ms, and always says where it came to rest.  Arrow keys change w by 0.1,
    Page keys by 1, Home and End go to the ends; a double click goes back to the scale that the model's authors chose.

    Signals
    -------
    guidance_changed(float)
        The scale that the map should show.
    moving(bool)
        Whether a hand is on the slider.
    """

    guidance_changed = Signal(float)
    moving = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._value = 1.0
        self._speak_soon = qthrottled(self._speak, timeout=INTERVAL_MS)

        tip = (
            "Guidance scale w: how far the prediction is pushed from what any tissue would express towards what this image says.\n"
            "1 is the plain prediction. Double-click: back to the scale that was chosen on held-out tissue."
        )
        self._track = _Track()
        self._track.setAccessibleName("Guidance scale")
        self._track.setToolTip(tip)
        self._track.valueChanged.connect(self._on_track)
        self._track.sliderPressed.connect(self._on_pressed)
        self._track.sliderReleased.connect(self._on_released)
        self._track.double_clicked.connect(self.reset)

        self._number = QDoubleSpinBox()
        self._number.setRange(0, MAXIMUM)
        self._number.setDecimals(1)
        self._number.setSingleStep(0.1)
        self._number.setButtonSymbols(QDoubleSpinBox.ButtonSymbols.NoButtons)
        self._number.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # The theme's padding leaves room for two buttons that are not there.
        self._number.setStyleSheet("QDoubleSpinBox { min-width: 30px; padding: 1px 2px; }")
        self._number.setFixedWidth(40)
        self._number.setKeyboardTracking(False)
        self._number.setAccessibleName("Guidance scale as a number")
        self._number.setToolTip(tip)
        self._number.valueChanged.connect(self._on_number)

        self._marks = _Marks(self._track)
        self._note = QLabel(EXPLANATION)
        self._note.setWordWrap(True)

        label = QLabel("&Guidance")
        label.setBuddy(self._track)
        label.setToolTip(tip)
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self._track)
        column.addWidget(self._marks)
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(label, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(column, 1)
        row.addWidget(self._number, 0, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self._note)
        self.setFocusProxy(self._track)
        self.set_value(self._value)

    @property
    def value(self) -> float:
        """The scale w."""
        return self._value

    @property
    def chosen(self) -> float | None:
        """The scale that the model's authors chose, marked on the track."""
        return self._marks.chosen

    def set_chosen(self, guidance: float | None) -> None:
        """Mark a scale on the track; none: no mark."""
        self._marks.chosen = guidance
        self._track.marks = (1.0,) if guidance is None else (1.0, guidance)
        self._track.update()
        self._marks.update()

    def set_value(self, guidance: float) -> None:
        """Move the slider without speaking."""
        self._value = min(MAXIMUM, max(0.0, float(guidance)))
        with QSignalBlocker(self._track), QSignalBlocker(self._number):
            self._track.setValue(round(self._value * STEPS))
            self._number.setValue(self._value)
        self._track.update()

    def reset(self) -> None:
        """Go back to the chosen scale."""
        if self.chosen is not None:
            self.set_value(self.chosen)
            self._speak_soon()

    def step(self, by: float) -> None:
        """Change the scale, if it can be changed."""
        if self._track.isEnabled():
            self._take(round(self._value + by, 1))

    def set_available(self, reason: str | None = None) -> None:
        """Switch the slider on, or off with the reason in its place."""
        for part in (self._track, self._number):
            part.setEnabled(reason is None)
        self._note.setText(reason or EXPLANATION)

    def changeEvent(self, event: QEvent | None) -> None:
        """Make room for another font."""
        super().changeEvent(event)
        if event is not None and event.type() in (QEvent.Type.StyleChange, QEvent.Type.FontChange):
            self._marks.updateGeometry()

    def _on_track(self, position: int) -> None:
        self._take(position / STEPS)

    def _on_number(self, value: float) -> None:
        self._take(round(value, 1))

    def _take(self, value: float) -> None:
        self.set_value(value)
        self._speak_soon()

    def _on_pressed(self) -> None:
        self.moving.emit(True)

    def _on_released(self) -> None:
        self.moving.emit(False)

    def _speak(self) -> None:
        self.guidance_changed.emit(self._value)

"""A scatter plot of predicted against measured values, drawn with Qt alone: no plotting library has to load for it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QWidget

_DOT = QColor("#56b4e9")
_LEFT, _TOP, _RIGHT, _BOTTOM = 52, 26, 12, 40


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``, at most ``most`` and one more.

    Parameters
    ----------
    low, high
        What the axis shows.
    most
        How many steps there is room for.
    """
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    rough = span / most
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough * (1 - 1e-9))
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


class Scatter(QWidget):
    """One dot per spot: predicted to the right, measured upwards."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._x: NDArray[np.floating] = np.empty(0)
        self._y: NDArray[np.floating] = np.empty(0)
        self._title, self._units = "", ""
        self.setMinimumSize(220, 200)
        self.setAccessibleName("Predicted against measured values of the spots")
        self.setToolTip(
            "One dot for each spot that lies in a predicted patch; on the dashed line both values are the same."
        )

    def sizeHint(self) -> QSize:
        """As large as is pleasant to read."""
        return QSize(360, 300)

    @property
    def count(self) -> int:
        """How many dots there are."""
        return len(self._x)

    def show_points(
        self, predicted: NDArray[np.floating], measured: NDArray[np.floating], title: str, units: str
    ) -> None:
        """Show (M,) values of a score; none at all: say so."""
        both = np.isfinite(predicted) & np.isfinite(measured)
        self._x, self._y = np.asarray(predicted)[both], np.asarray(measured)[both]
        self._title, self._units = title, units
        self.setAccessibleDescription(f"{title}, {len(self._x):,} spots")
        self.update()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw axes and dots in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink = self.palette().color(QPalette.ColorRole.WindowText)
        painter.setPen(ink)
        area = QRectF(_LEFT, _TOP, self.width() - _LEFT - _RIGHT, self.height() - _TOP - _BOTTOM)
        centred = Qt.AlignmentFlag.AlignCenter
        painter.drawText(QRectF(0, 2, self.width(), _TOP - 4), centred, self._title)
        if not len(self._x):
            painter.drawText(area, centred, "Nothing to compare")
            return
        x_axis, y_axis = _range(self._x), _range(self._y)
        self._draw_axes(painter, area, x_axis, y_axis, ink)
        self._draw_diagonal(painter, area, x_axis, y_axis, ink)
        colour = QColor(_DOT)
        # Many dots lie on each other: each is then paler.
        colour.setAlpha(int(np.clip(60_000 / len(self._x), 60, 200)))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour)
        across = area.left() + (self._x - x_axis[0]) / (x_axis[1] - x_axis[0]) * area.width()
        up = area.bottom() - (self._y - y_axis[0]) / (y_axis[1] - y_axis[0]) * area.height()
        for left, top in zip(across.tolist(), up.tolist(), strict=True):
            painter.drawEllipse(QPointF(left, top), 3.0, 3.0)

    def _draw_axes(
        self, painter: QPainter, area: QRectF, x_axis: tuple[float, float], y_axis: tuple[float, float], ink: QColor
    ) -> None:
        faint = QColor(ink)
        faint.setAlpha(60)
        metrics = painter.fontMetrics()
        for value in ticks(*x_axis):
            at = area.left() + (value - x_axis[0]) / (x_axis[1] - x_axis[0]) * area.width()
            painter.setPen(QPen(faint))
            painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()))
            painter.setPen(ink)
            box = QRectF(at - 30, area.bottom() + 2, 60, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{value:g}")
        for value in ticks(*y_axis):
            at = area.bottom() - (value - y_axis[0]) / (y_axis[1] - y_axis[0]) * area.height()
            painter.setPen(QPen(faint))
            painter.drawLine(QPointF(area.left(), at), QPointF(area.right(), at))
            painter.setPen(ink)
            box = QRectF(16, at - metrics.height() / 2, _LEFT - 20, metrics.height())
            painter.drawText(box, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{value:g}")
        painter.drawText(
            QRectF(area.left(), self.height() - metrics.height() - 2, area.width(), metrics.height()),
            Qt.AlignmentFlag.AlignCenter,
            f"predicted ({self._units})",
        )
        painter.save()
        painter.translate(2, area.center().y())
        painter.rotate(-90)
        painter.drawText(
            QRectF(-area.height() / 2, 0, area.height(), metrics.height()), Qt.AlignmentFlag.AlignCenter, "measured"
        )
        painter.restore()

    def _draw_diagonal(
        self, painter: QPainter, area: QRectF, x_axis: tuple[float, float], y_axis: tuple[float, float], ink: QColor
    ) -> None:
        """Dashed line on which both values are the same."""
        low, high = max(x_axis[0], y_axis[0]), min(x_axis[1], y_axis[1])
        if low >= high:
            return
        ends = [
            QPointF(
                area.left() + (value - x_axis[0]) / (x_axis[1] - x_axis[0]) * area.width(),
                area.bottom() - (value - y_axis[0]) / (y_axis[1] - y_axis[0]) * area.height(),
            )
            for value in (low, high)
        ]
        painter.setPen(QPen(ink, 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(ends[0], ends[1])


def _range(values: NDArray[np.floating]) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.04 * (high - low) or 0.5
    return low - room, high + room

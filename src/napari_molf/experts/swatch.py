"""How an expert looks in a legend: its colour, and its number in it, so that colour is never the only carrier."""

from __future__ import annotations

from qtpy.QtCore import QRectF, Qt
from qtpy.QtGui import QColor, QFont, QIcon, QPainter, QPen, QPixmap

from napari_molf.core.palette import EXPERT_COLOURS, MAX_EXPERTS, ink_on


def colour_of(expert: int, count: int) -> str | None:
    """Colour of an expert among ``count``; none where there are too many to be told apart."""
    return EXPERT_COLOURS[expert] if count <= MAX_EXPERTS else None


def paint_swatch(painter: QPainter, box: QRectF, expert: int, count: int, text: QColor) -> None:
    """Draw colour and number of an expert.

    Parameters
    ----------
    painter
        Of the widget.
    box
        Where.
    expert
        Counted from 0.
    count
        How many there are.
    text
        Colour of text around it: of the outline, and of the number where there is no colour.
    """
    colour = colour_of(expert, count)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(text, 1))
    painter.setBrush(QColor(colour) if colour else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 2, 2)
    font = QFont(painter.font())
    font.setBold(True)
    font.setPixelSize(max(8, int(box.height() * 0.72)))
    painter.setFont(font)
    painter.setPen(QColor(ink_on(colour)) if colour else text)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(expert + 1))
    painter.restore()


def swatch_icon(expert: int, count: int, text: QColor) -> QIcon:
    """Icon of an expert, for tabs and lists; see :func:`paint_swatch`."""
    pixmap = QPixmap(64, 64)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    paint_swatch(painter, QRectF(2, 6, 60, 52), expert, count, text)
    painter.end()
    return QIcon(pixmap)

"""A picture whose points tell what they are, and can be clicked."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QEvent, QPoint, QPointF, QSize, Qt, Signal
from qtpy.QtGui import QImage, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPixmap, QResizeEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_molf.regions.plots import Picture

NEAR = 9.0
"""A point answers from so many screen pixels away."""


class PictureView(QWidget):
    """Shows a :class:`~napari_molf.regions.plots.Picture`.

    Signals
    -------
    clicked(str)
        The score of the point that was clicked.
    resized()
        A picture of another size is needed.
    """

    clicked = Signal(str)
    resized = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setMinimumSize(240, 180)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.picture: Picture | None = None
        self._pixmap: QPixmap | None = None
        self._marked: str | None = None
        self._under: int | None = None

    def sizeHint(self) -> QSize:
        """Room for a plot that can be read."""
        return QSize(420, 300)

    def set_picture(self, picture: Picture | None) -> None:
        """Show a picture, or nothing."""
        self.picture, self._pixmap, self._under = picture, None, None
        if picture is not None:
            pixels = picture.pixels
            height, width = pixels.shape[:2]
            image = QImage(pixels.tobytes(), width, height, 4 * width, QImage.Format.Format_RGBA8888)
            self._pixmap = QPixmap.fromImage(image)
            self._pixmap.setDevicePixelRatio(picture.ratio)
        self.update()

    def mark(self, name: str | None) -> None:
        """Put a ring around the point of a score."""
        self._marked = name
        self.update()

    def point_at(self, position: QPointF) -> int | None:
        """Index of the nearest point, if one is near."""
        if self.picture is None or not len(self.picture.points):
            return None
        distance = np.hypot(*(self.picture.points - (position.x(), position.y())).T)
        nearest = int(distance.argmin())
        return nearest if distance[nearest] <= NEAR else None

    def position_of(self, name: str) -> QPoint | None:
        """Where the point of a score is."""
        if self.picture is None or name not in self.picture.names:
            return None
        x, y = self.picture.points[self.picture.names.index(name)]
        return QPoint(round(x), round(y))

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Tell what is under the pointer."""
        if event is None:
            return
        under = self.point_at(event.position())
        if under != self._under:
            self._under = under
            self.setCursor(Qt.CursorShape.ArrowCursor if under is None else Qt.CursorShape.PointingHandCursor)
            self.update()
        if under is not None and self.picture is not None:
            text = f"<b>{self.picture.names[under]}</b><br>{self.picture.notes[under].replace(chr(10), '<br>')}"
            QToolTip.showText(event.globalPosition().toPoint() + QPoint(14, 10), text, self)
        else:
            QToolTip.hideText()

    def leaveEvent(self, event: QEvent | None) -> None:
        """Nothing is under the pointer any more."""
        self._under = None
        self.update()

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Say which point was clicked."""
        if event is None or event.button() != Qt.MouseButton.LeftButton or self.picture is None:
            return
        point = self.point_at(event.position())
        if point is not None:
            self.clicked.emit(self.picture.names[point])

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Ask for a picture of the new size; until it is there the old one is stretched."""
        super().resizeEvent(event)
        self.resized.emit()

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Draw the picture, and rings around the points that are meant."""
        if self._pixmap is None or self.picture is None:
            return
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(self.rect(), self._pixmap)
        painter.setPen(QPen(self.palette().color(QPalette.ColorRole.WindowText), 2))
        names = self.picture.names
        marked = names.index(self._marked) if self._marked in names else None
        for index in {i for i in (marked, self._under) if i is not None}:
            painter.drawEllipse(QPointF(*self.picture.points[index]), 7, 7)
        painter.end()

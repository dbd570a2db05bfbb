"""Images of patches in rows, to look through with the arrow keys and to go to with Enter or a click."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QImage, QPainter, QPen, QPixmap, QWheelEvent
from qtpy.QtWidgets import QAbstractItemView, QFrame, QListView, QListWidget, QListWidgetItem, QWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

_PATCH = int(Qt.ItemDataRole.UserRole)
_BLANK_PX = 224
_STEP = 16


@dataclass(frozen=True)
class Exemplar:
    """A patch that an expert is sure of.

    Attributes
    ----------
    patch
        Row of the prediction.
    x, y
        Its centre on the slide, um.
    logit
        Gate logit of the expert.
    used
        Whether the patch uses the expert; others may be surer of it.
    """

    patch: int
    x: float
    y: float
    logit: float
    used: bool

    def describe(self, name: str) -> str:
        """What is known of it, in words."""
        use = "used here" if self.used else "not used here: others are surer"
        return f"{name} · gate logit {self.logit:.2f} · {use}\nat {self.x:,.0f}, {self.y:,.0f} um"


class PatchList(QListWidget):
    """Patches in rows.

    Signals
    -------
    patch_chosen(int)
        Clicked, or Enter pressed on it: its row in the prediction.
    size_wanted(int)
        Images are wanted in another size, pixels.
    """

    patch_chosen = Signal(int)
    size_wanted = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: dict[int, tuple[QListWidgetItem, Exemplar]] = {}
        self._with_image: set[int] = set()
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setSpacing(2)
        self.setMinimumSize(160, 100)
        self.setAccessibleName("Patches that the expert is surest of")
        self.setToolTip("Click, or arrow keys and Enter: go to the patch on the slide.")
        self.itemClicked.connect(self._on_chosen)
        self.itemActivated.connect(self._on_chosen)
        self.set_size(96)

    @property
    def exemplars(self) -> list[Exemplar]:
        """The patches that are shown, best first."""
        return [exemplar for _, exemplar in self._shown.values()]

    def set_patches(self, exemplars: Sequence[Exemplar], name: str) -> None:
        """Show these patches, whose images are still to come.

        Parameters
        ----------
        exemplars
            Best first.
        name
            Of the expert.
        """
        self.clear()
        self._shown, self._with_image = {}, set()
        blank = QIcon(_placeholder("…"))
        for exemplar in exemplars:
            item = QListWidgetItem(blank, f"{exemplar.logit:.1f}{'' if exemplar.used else '  ×'}")
            item.setData(_PATCH, exemplar.patch)
            self.addItem(item)
            self._shown[exemplar.patch] = (item, exemplar)
        self.set_name(name)

    def set_name(self, name: str) -> None:
        """The expert has another name now."""
        for item, exemplar in self._shown.values():
            words = exemplar.describe(name)
            item.setToolTip(words)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, words.replace("\n", ", "))

    def set_image(self, patch: int, image: np.ndarray) -> None:
        """Show the (H, W, 3) uint8 image of a patch."""
        if patch in self._shown:
            height, width = image.shape[:2]
            copy = QImage(image.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
            self._shown[patch][0].setIcon(QIcon(QPixmap.fromImage(copy)))
            self._with_image.add(patch)

    def set_unreadable(self, patch: int) -> None:
        """Say that there is no image of a patch."""
        if patch in self._shown:
            self._shown[patch][0].setIcon(QIcon(_placeholder("?")))

    def has_image(self, patch: int) -> bool:
        """Whether the image of a patch has come."""
        return patch in self._with_image

    def set_size(self, size: int) -> None:
        """Side of the images, pixels."""
        self.setIconSize(QSize(size, size))
        # Below each image stands its logit.
        self.setGridSize(QSize(size + 8, size + 10 + self.fontMetrics().height()))

    def wheelEvent(self, event: QWheelEvent | None) -> None:
        """Change the size with Ctrl, scroll without."""
        if event is not None and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self.size_wanted.emit(self.iconSize().width() + (_STEP if event.angleDelta().y() > 0 else -_STEP))
            event.accept()
            return
        super().wheelEvent(event)

    def _on_chosen(self, item: QListWidgetItem) -> None:
        self.patch_chosen.emit(int(item.data(_PATCH)))


def _placeholder(sign: str) -> QPixmap:
    pixmap = QPixmap(_BLANK_PX, _BLANK_PX)
    pixmap.fill(QColor(136, 136, 136, 64))
    painter = QPainter(pixmap)
    painter.setPen(QPen(QColor("#888888")))
    font = painter.font()
    font.setPixelSize(_BLANK_PX // 4)
    painter.setFont(font)
    painter.drawText(pixmap.rect(), Qt.AlignmentFlag.AlignCenter, sign)
    painter.end()
    return pixmap

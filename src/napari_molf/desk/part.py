"""What a section of the dock is, and what a panel beside it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from qtpy.QtCore import QEvent, Signal
from qtpy.QtWidgets import QWidget

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk


class Part(QWidget):
    """A section of the dock: one thing that a user does with a prediction.

    Parameters
    ----------
    desk
        What all sections share.

    Attributes
    ----------
    title
        Heading of the section.
    folded
        Whether only the heading is shown at first.
    """

    title: ClassVar[str]
    folded: ClassVar[bool] = True

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk

    def set_run(self, run: Run | None) -> None:
        """Offer what can be done with another prediction, or with none."""
        self.setEnabled(run is not None)

    def stop(self) -> None:
        """Let go of the viewer and of threads: the dock closes."""


class Panel(QWidget):
    """Something too wide for the dock, in a dock of its own that the user may close at any time.

    Signals
    -------
    closed()
        The user closed it, or the viewer did; it is deleted soon.
    """

    closed = Signal()

    def stop(self) -> None:
        """Let go of the viewer and of threads."""

    def changeEvent(self, event: QEvent | None) -> None:
        """Notice that the × of its dock took the panel out of it."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.stop()
            self.closed.emit()
            self.deleteLater()

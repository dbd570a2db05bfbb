"""The line of the search box."""

from __future__ import annotations

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QFocusEvent, QGuiApplication, QKeyEvent, QKeySequence
from qtpy.QtWidgets import QLineEdit


class SearchLine(QLineEdit):
    """A line whose arrow keys step through what was found, with or without the list being open.

    Signals
    -------
    step(int)
        One further, or one back.
    list_wanted()
        The list of what one comes back to is to open.
    pasted(str)
        Several lines were pasted.
    """

    step = Signal(int)
    list_wanted = Signal()
    pasted = Signal(str)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Take the arrow keys and pasted lines."""
        if event is None:
            return
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            down = event.key() == Qt.Key.Key_Down
            if down and (not self.text() or event.modifiers() & Qt.KeyboardModifier.AltModifier):
                self.list_wanted.emit()
            else:
                self.step.emit(1 if down else -1)
            return
        clipboard = QGuiApplication.clipboard()
        if event.matches(QKeySequence.StandardKey.Paste) and clipboard is not None and "\n" in clipboard.text().strip():
            # Of several lines a line edit would make one, without their ends.
            self.pasted.emit(clipboard.text())
            return
        super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        """Let what is typed replace the name that is shown."""
        super().focusInEvent(event)
        # Later, since a click would put its cursor into the name first.
        QTimer.singleShot(0, self.select_from_end)

    def select_from_end(self) -> None:
        """Select everything and leave the cursor at the start, so that the start of a long name is what is seen."""
        self.setSelection(len(self.text()), -len(self.text()))

"""No long pauses for the garbage collector while a map fills.

A full collection looks at every object of napari, Qt's bindings and pandas: a tenth of a second on the window's thread, at any
moment.  For as long as something is under way, what existed before is left out of it.
"""

from __future__ import annotations

import gc

from qtpy.QtCore import QObject, QTimer

REST_MS = 1000
"""How long after the end everything is looked at again: after the last map is drawn."""


class QuietCollector(QObject):
    """Keeps full garbage collections short between :meth:`begin` and :meth:`end`; nothing is kept alive for longer than that."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._quiet = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(REST_MS)
        self._timer.timeout.connect(self.end)

    def begin(self) -> None:
        """Leave what exists now out of collections."""
        self._timer.stop()
        if not self._quiet:
            self._quiet = True
            gc.freeze()

    def end_soon(self) -> None:
        """Take it in again when the window has come to rest."""
        self._timer.start()

    def end(self) -> None:
        """Take it in again."""
        # Also called when Qt has deleted the timer with the window: it is not touched.
        if self._quiet:
            self._quiet = False
            gc.unfreeze()

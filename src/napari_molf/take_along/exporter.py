"""Slow work beside the window's thread, with progress, and an end when the user says so."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from qtpy.QtCore import QObject, Signal

from molf_engine.errors import Cancelled
from molf_engine.progress import Progress, ProgressCallback
from napari_molf.desk.background import Newest, sentence


class Exporter(QObject):
    """Does one slow thing at a time.

    Signals
    -------
    started()
        It begins.
    progressed(object)
        A :class:`~molf_engine.progress.Progress`.
    finished(object, object)
        What it was called, and its result.
    failed(str)
        A sentence for the user.
    cancelled()
        It ended because the user said so; nothing is left of it.
    """

    started = Signal()
    progressed = Signal(object)
    finished = Signal(object, object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cancel = threading.Event()
        self._background = Newest(self)
        self._background.done.connect(self.finished)
        self._background.failed.connect(self._on_failed)

    @property
    def running(self) -> bool:
        """Whether something is being done."""
        return self._background.busy

    def start(self, what: object, work: Callable[[ProgressCallback], Any]) -> None:
        """Do ``work``, which is given a progress callback, unless something is being done already."""
        if self.running:
            return
        self._cancel = threading.Event()
        self.started.emit()
        self._background.ask(what, partial(work, partial(self._tell, self._cancel)))

    def cancel(self) -> None:
        """End it at its next step."""
        self._cancel.set()

    def stop(self) -> None:
        """The window closes."""
        self.cancel()
        self._background.stop()

    def _tell(self, cancel: threading.Event, progress: Progress) -> None:
        """On the worker's thread; the signal is delivered on the window's."""
        if cancel.is_set():
            raise Cancelled
        try:
            self.progressed.emit(progress)
        except RuntimeError as error:  # Qt has deleted us: the window is gone
            raise Cancelled from error

    def _on_failed(self, what: object, error: BaseException) -> None:
        if isinstance(error, Cancelled):
            self.cancelled.emit()
        else:
            self.failed.emit(sentence(error))

"""Work beside the window's thread, where only the newest answer counts.

A slider asks more often than an answer can be computed.  What waits is replaced by what is asked later, and answers come in the order of
the questions, so that the map follows the hand and never jumps back.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

_log = logging.getLogger(__name__)


class Newest(QObject):
    """Runs one function at a time on a thread of its own; a newer one supersedes the one that waits.

    Signals
    -------
    done(object, object)
        Token and result of a request.
    failed(object, object)
        Token and exception of a request.
    """

    done = Signal(object, object)
    failed = Signal(object, object)
    _arrived = Signal(int, object, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._condition = threading.Condition()
        self._waiting: tuple[int, object, Callable[[], Any]] | None = None
        self._serial = 0
        self._answered = 0
        self._stopped = False
        self._thread: threading.Thread | None = None
        # Emitted on the worker's thread and delivered on the window's.
        self._arrived.connect(self._deliver)

    @property
    def busy(self) -> bool:
        """Whether an answer is still to come."""
        return self._answered != self._serial

    def ask(self, token: object, work: Callable[[], Any]) -> None:
        """Run ``work`` soon, in place of whatever waits; its result comes with ``token``."""
        with self._condition:
            if self._stopped:
                return
            self._serial += 1
            self._waiting = (self._serial, token, work)
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="molf-background", daemon=True)
                self._thread.start()
            self._condition.notify()

    def forget(self) -> None:
        """Drop what waits, and the answer that is being computed."""
        with self._condition:
            self._serial += 1
            self._answered = self._serial
            self._waiting = None

    def stop(self) -> None:
        """Let the thread end after what it is doing; nothing is delivered any more."""
        with self._condition:
            self._stopped = True
            self._waiting = None
            self._condition.notify()

    def _loop(self) -> None:
        while True:
            with self._condition:
                while self._waiting is None and not self._stopped:
                    self._condition.wait()
                if self._waiting is None:
                    return
                serial, token, work = self._waiting
                self._waiting = None
            result: Any = None
            error: BaseException | None = None
            try:
                result = work()
            except Exception as caught:
                error = caught
            if self._stopped:
                return
            try:
                self._arrived.emit(serial, token, result, error)
            except RuntimeError:  # Qt has deleted us: the window is gone
                return

    def _deliver(self, serial: int, token: object, result: object, error: BaseException | None) -> None:
        if serial <= self._answered or self._stopped:
            return
        self._answered = serial
        if error is not None:
            self.failed.emit(token, error)
        else:
            self.done.emit(token, result)


def sentence(error: BaseException) -> str:
    """What went wrong, for a person: the message of an error that has a way out, and an honest line for any other."""
    from molf_engine.errors import MolfError

    if isinstance(error, MolfError):
        return str(error)
    _log.error("unexpected error", exc_info=error)
    return f"Something went wrong that should not have: {type(error).__name__}: {error}. The log has the details."

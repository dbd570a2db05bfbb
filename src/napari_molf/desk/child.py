"""A child process of the engine that is watched by a timer, never waited for.

The window's thread starts the child, looks for its messages twenty times a second and can kill it at any moment.  What the child leaves
is read on a thread of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from qtpy.QtCore import QObject, QTimer, Signal

from napari_molf.desk.background import Newest, sentence

_log = logging.getLogger(__name__)

POLL_MS = 50


class Job(Protocol):
    """What :class:`molf_engine.prediction.jobs.PredictJob` offers."""

    def poll(self) -> list[Any]:
        """Messages since the last call."""
        ...

    def close(self) -> None:
        """Kill the child and remove its files."""
        ...


class ChildWatcher(QObject):
    """Watches one child at a time; what its messages mean is said by those who derive from it.

    Signals
    -------
    failed(str)
        A sentence for the user.
    cancelled()
        It was stopped; nothing of it is left.
    """

    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.job: Job | None = None
        """The child that is watched."""
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._loader = Newest(self)
        self._loader.done.connect(self._on_loaded)
        self._loader.failed.connect(self._on_load_failed)

    @property
    def running(self) -> bool:
        """Whether there is a child."""
        return self.job is not None

    def watch(self, job: Job) -> None:
        """Watch a child from now on."""
        self.job = job
        self._timer.start()

    def cancel(self) -> None:
        """Stop at once, whatever the phase."""
        if self.running:
            self.end()
            self.cancelled.emit()

    def stop(self) -> None:
        """Stop for good, without a word: the window closes."""
        self.end()
        self._loader.stop()

    def end(self) -> None:
        """Kill the child and remove its files."""
        # The timer stops itself at its next tick: Qt may have deleted it already.
        self._loader.forget()
        job, self.job = self.job, None
        self.forget()
        if job is not None:
            job.close()

    # -- for those who derive from it --------------------------------------------------------------------------

    def forget(self) -> None:
        """Forget what belonged to the child that has ended."""

    def hear(self, message: Any) -> None:
        """Take a message that neither ends nor fails."""

    def heard(self) -> None:
        """Every message of this tick was taken, and none was the last."""

    def opening(self, path: Path) -> Callable[[], Any]:
        """Say that the result is being opened, and return what opens it, on another thread."""
        raise NotImplementedError

    def deliver(self, result: Any) -> None:
        """Take what was opened; the child and its files are still there."""
        raise NotImplementedError

    # -- the watch ---------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        from molf_engine.prediction.jobs import Done, Failed

        if self.job is None:
            self._timer.stop()
            return
        for message in self.job.poll():
            match message:
                case Done():
                    self._timer.stop()
                    self._loader.ask(self.job, self.opening(message.path))
                    return
                case Failed():
                    if not message.expected:
                        _log.error("the child process failed\n%s", message.details)
                    self._fail(message.message)
                    return
                case _:
                    self.hear(message)
        self.heard()

    def _on_loaded(self, job: Job, result: Any) -> None:
        if job is self.job:
            self.deliver(result)

    def _on_load_failed(self, job: Job, error: BaseException) -> None:
        if job is self.job:
            self._fail(sentence(error))

    def _fail(self, message: str) -> None:
        self.end()
        self.failed.emit(message)

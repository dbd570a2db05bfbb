"""A prediction on its way: a child process that is watched by a timer, never waited for.

The window's thread starts the child, looks for its messages twenty times a second and can kill it at any moment.  Decoding the map
that fills and reading the finished result happen on threads of their own.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_molf.core.progress_text import RateMeter
from napari_molf.core.request import Request
from napari_molf.core.run import Run, map_of_patches, read_run
from napari_molf.desk.background import Newest, sentence
from napari_molf.predict.filling import Filling

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from napari_molf.core.scores import Score

_log = logging.getLogger(__name__)

POLL_MS = 50
FILL_SECONDS = 0.2
"""The map that fills is drawn at most this often,"""
FILL_SHARE = 0.05
"""and less often where drawing would take more than this share of the window's time, as without a graphics card."""


class Job(Protocol):
    """What :class:`molf_engine.prediction.jobs.PredictJob` offers."""

    def poll(self) -> list[Any]:
        """Messages since the last call."""
        ...

    def cancel(self) -> None:
        """Kill the child."""
        ...

    def close(self) -> None:
        """Kill the child and remove its files."""
        ...


def start_job(request: Request) -> Job:
    """Start the engine's child process."""
    from molf_engine.prediction.jobs import PredictJob, PredictRequest

    return PredictJob(
        PredictRequest(
            slide=str(request.slide),
            bundle=str(request.model),
            um_per_pixel=request.um_per_pixel,
            code=request.code,
            regions=request.regions or (),
            positions=request.positions,
            names=request.names,
        )
    )


class PredictionRunner(QObject):
    """Makes one prediction at a time.

    Signals
    -------
    progressed(object, object)
        A ``Progress`` and the rate in units per second, or none.
    started(object)
        The :class:`~napari_molf.core.maps.PatchMap` of the patches that will be predicted.
    filled(object, object)
        The :class:`~napari_molf.core.scores.Score` that fills and its (P,) values so far.
    finished(object)
        The :class:`~napari_molf.core.run.Run`.
    failed(str)
        A sentence for the user.
    cancelled()
        It was stopped; nothing of it is left.
    """

    progressed = Signal(object, object)
    started = Signal(object)
    filled = Signal(object, object)
    finished = Signal(object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None, start: Callable[[Request], Job] = start_job) -> None:
        super().__init__(parent)
        self._start = start
        self._job: Job | None = None
        self._bundle: Bundle | None = None
        self._score: Score | None = None
        self._filling: Filling | None = None
        self._filled_at = 0.0
        self._drawing_seconds = 0.0
        self._meter = RateMeter()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._decoder = Newest(self)
        self._decoder.done.connect(self._on_filled)
        self._decoder.failed.connect(self._on_fill_failed)
        self._loader = Newest(self)
        self._loader.done.connect(self._on_loaded)
        self._loader.failed.connect(self._on_load_failed)

    @property
    def running(self) -> bool:
        """Whether a prediction is being made."""
        return self._job is not None

    def start(self, request: Request, bundle: Bundle, score: Score | None = None) -> None:
        """Start a prediction; ``score``: what to show while it fills, if not the Hallmark that varies most."""
        if self.running:
            raise RuntimeError("a prediction is being made already")
        self._bundle, self._score, self._filling = bundle, score, None
        self._meter = RateMeter()
        self._job = self._start(request)
        self._timer.start()

    def cancel(self) -> None:
        """Stop at once, whatever the phase."""
        if self.running:
            self._end()
            self.cancelled.emit()

    def stop(self) -> None:
        """Stop for good, without a word: the window closes."""
        self._end()
        self._decoder.stop()
        self._loader.stop()

    def _end(self) -> None:
        # The timer stops itself at its next tick: Qt may have deleted it already.
        self._decoder.forget()
        self._loader.forget()
        job, self._job, self._filling = self._job, None, None
        if job is not None:
            job.close()

    def _poll(self) -> None:
        from molf_engine.prediction.jobs import Done, Failed, Partial, Started
        from molf_engine.progress import Progress

        if self._job is None:
            self._timer.stop()
            return
        progress: Progress | None = None
        for message in self._job.poll():
            match message:
                case Progress():
                    progress = message
                    self._meter.add(time.monotonic(), message)
                case Started():
                    self._on_started(message)
                case Partial():
                    if self._filling is not None:
                        self._filling.add(message.index, message.latents)
                case Done():
                    self._load(message.path)
                    return
                case Failed():
                    self._on_failed(message)
                    return
        if progress is not None:
            self.progressed.emit(progress, self._meter.rate)
        self._fill()

    def _on_started(self, message: Any) -> None:
        if self._bundle is None:
            return
        self._filling = Filling(self._bundle, len(message.patches), self._score)
        self.started.emit(map_of_patches(message.patches))

    def _fill(self) -> None:
        filling, now = self._filling, time.monotonic()
        pause = max(FILL_SECONDS, self._drawing_seconds / FILL_SHARE)
        if filling is None or not filling.waiting or self._decoder.busy or now - self._filled_at < pause:
            return
        self._filled_at = now
        self._decoder.ask(self._job, filling.decode)

    def _on_filled(self, job: Job, result: tuple[Score, np.ndarray]) -> None:
        if job is self._job:
            self.filled.emit(*result)
            # The repaint that the new values have asked for makes this come late, by as long as it takes.
            QTimer.singleShot(POLL_MS, partial(self._on_drawn, time.monotonic() + POLL_MS / 1000))

    def _on_drawn(self, due: float) -> None:
        self._drawing_seconds = max(0.0, time.monotonic() - due)

    def _on_fill_failed(self, job: Job, error: BaseException) -> None:
        # The map of the finished prediction does not depend on it.
        _log.warning("the map cannot be shown while it fills: %s", error)

    def _load(self, path: Path) -> None:
        from molf_engine.progress import Progress

        self._timer.stop()
        self.progressed.emit(Progress("Opening the result", 0, 0), None)
        assert self._bundle is not None
        bundle_path = self._bundle.path
        self._loader.ask(self._job, lambda: read_run(path, bundle_path, keep_path=False))

    def _on_loaded(self, job: Job, run: Run) -> None:
        if job is self._job:
            self._end()
            self.finished.emit(run)

    def _on_load_failed(self, job: Job, error: BaseException) -> None:
        if job is self._job:
            self._end()
            self.failed.emit(sentence(error))

    def _on_failed(self, message: Any) -> None:
        if not message.expected:
            _log.error("the prediction failed\n%s", message.details)
        self._end()
        self.failed.emit(message.message)

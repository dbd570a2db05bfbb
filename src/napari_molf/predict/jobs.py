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
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_molf.core.progress_text import RateMeter
from napari_molf.core.request import Request
from napari_molf.core.run import Run, map_of_patches, read_run
from napari_molf.desk.background import Newest
from napari_molf.desk.child import POLL_MS, ChildWatcher, Job
from napari_molf.predict.filling import Filling

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from molf_engine.progress import Progress
    from napari_molf.core.scores import Score

_log = logging.getLogger(__name__)

SAY_SECONDS = 0.25
"""A phase says how far it is at most this often: every word repaints the window."""
FILL_SECONDS = 0.2
"""The map that fills is drawn at most this often,"""
FILL_SHARE = 0.05
"""and less often where drawing would take more than this share of the window's time, as without a graphics card."""


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


class PredictionRunner(ChildWatcher):
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
    """

    progressed = Signal(object, object)
    started = Signal(object)
    filled = Signal(object, object)
    finished = Signal(object)

    def __init__(self, parent: QObject | None = None, start: Callable[[Request], Job] = start_job) -> None:
        super().__init__(parent)
        self._start = start
        self._bundle: Bundle | None = None
        self._score: Score | None = None
        self._filling: Filling | None = None
        self._filled_at = 0.0
        self._drawing_seconds = 0.0
        self._meter = RateMeter()
        self._progress: Progress | None = None
        self._phase = ""
        self._said_at = 0.0
        self._decoder = Newest(self)
        self._decoder.done.connect(self._on_filled)
        self._decoder.failed.connect(self._on_fill_failed)

    def start(self, request: Request, bundle: Bundle, score: Score | None = None) -> None:
        """Start a prediction; ``score``: what to show while it fills, if not the Hallmark that varies most."""
        if self.running:
            raise RuntimeError("a prediction is being made already")
        self._bundle, self._score, self._filling = bundle, score, None
        self._meter, self._progress, self._phase = RateMeter(), None, ""
        self.watch(self._start(request))

    def stop(self) -> None:
        """Stop for good, without a word: the window closes."""
        super().stop()
        self._decoder.stop()

    def forget(self) -> None:
        """Forget the map that was filling."""
        self._decoder.forget()
        self._filling = None

    def hear(self, message: Any) -> None:
        """Note how far it is, and what arrived of the map."""
        from molf_engine.prediction.jobs import Partial, Started
        from molf_engine.progress import Progress

        match message:
            case Progress():
                self._progress = message
                self._meter.add(time.monotonic(), message)
            case Started():
                self._on_started(message)
            case Partial():
                if self._filling is not None:
                    self._filling.add(message.index, message.latents)

    def heard(self) -> None:
        """Say how far it is and draw what has arrived, neither more often than it is worth."""
        progress, now = self._progress, time.monotonic()
        if progress is not None and (progress.phase != self._phase or now - self._said_at >= SAY_SECONDS):
            self._progress, self._phase, self._said_at = None, progress.phase, now
            self.progressed.emit(progress, self._meter.rate)
        self._fill()

    def opening(self, path: Path) -> Callable[[], Run]:
        """Open the result with its model."""
        from molf_engine.progress import Progress

        assert self._bundle is not None
        self.progressed.emit(Progress("Opening the result", 0, 0), None)
        return partial(read_run, path, self._bundle.path, keep_path=False)

    def deliver(self, result: Run) -> None:
        """Hand the prediction on."""
        self.end()
        self.finished.emit(result)

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
        self._decoder.ask(self.job, filling.decode)

    def _on_filled(self, job: Job, result: tuple[Score, np.ndarray]) -> None:
        if job is self.job:
            self.filled.emit(*result)
            # The repaint that the new values have asked for makes this come late, by as long as it takes.
            QTimer.singleShot(POLL_MS, partial(self._on_drawn, time.monotonic() + POLL_MS / 1000))

    def _on_drawn(self, due: float) -> None:
        self._drawing_seconds = max(0.0, time.monotonic() - due)

    def _on_fill_failed(self, job: Job, error: BaseException) -> None:
        # The map of the finished prediction does not depend on it.
        _log.warning("the map cannot be shown while it fills: %s", error)

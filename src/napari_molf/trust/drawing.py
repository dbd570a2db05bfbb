"""Draws on their way: a child process that is watched by a timer, and the decoder of what it made."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_molf.desk.background import Newest, sentence

if TYPE_CHECKING:
    from molf_engine.prediction.draws import SpreadDecoder
    from molf_engine.prediction.jobs import DrawRequest
    from napari_molf.core.run import Run

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


def request_of(run: Run, guidance: float, draws: int) -> DrawRequest:
    """Ask for draws at the patches of a prediction.

    Raises
    ------
    PredictionError
        If its model is not at hand.
    """
    from molf_engine.errors import PredictionError
    from molf_engine.prediction.jobs import DrawRequest

    adata = run.scores.adata
    molf = adata.uns["molf"]
    if run.bundle is None:
        raise PredictionError(f"Draws need the model {run.model}, which is not here. Choose its folder under Model.")
    return DrawRequest(
        slide=str(run.slide_path),
        bundle=str(run.bundle.path),
        um_per_pixel=float(molf["um_per_pixel"]),
        fingerprint=str(molf["slide"]["fingerprint"]),
        positions=np.asarray(adata.obsm["spatial"], np.float64),
        code=str(molf["cancer_code"]),
        guidance=guidance,
        draws=draws,
    )


def start_job(request: DrawRequest) -> Job:
    """Start the engine's child process."""
    from molf_engine.prediction.jobs import PredictJob

    return PredictJob(request)


def open_draws(path: Path, run: Run) -> SpreadDecoder:
    """Read what the child made and decode a first score, which makes all others quick; slow, not for the window's thread."""
    from molf_engine.prediction.draws import SpreadDecoder, read_draws

    assert run.bundle is not None  # request_of() has checked it
    decoder = SpreadDecoder(read_draws(path), run.bundle, run.scores.adata.obs["total"].to_numpy(np.float32))
    decoder.gene(str(run.scores.adata.var_names[0]))
    return decoder


class DrawRunner(QObject):
    """Makes the draws of one prediction at a time.

    Signals
    -------
    progressed(object)
        A ``Progress``.
    finished(object, object)
        The :class:`~napari_molf.core.run.Run` and its :class:`~molf_engine.prediction.draws.SpreadDecoder`.
    failed(str)
        A sentence for the user.
    cancelled()
        They were stopped; nothing of them is left.
    """

    progressed = Signal(object)
    finished = Signal(object, object)
    failed = Signal(str)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None, start: Callable[[DrawRequest], Job] = start_job) -> None:
        super().__init__(parent)
        self._start = start
        self._job: Job | None = None
        self._run: Run | None = None
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._loader = Newest(self)
        self._loader.done.connect(self._on_loaded)
        self._loader.failed.connect(self._on_load_failed)

    @property
    def running(self) -> bool:
        """Whether draws are being made."""
        return self._job is not None

    def start(self, run: Run, guidance: float, draws: int) -> None:
        """Draw for a prediction.

        Raises
        ------
        PredictionError
            If its model is not at hand.
        """
        if self.running:
            raise RuntimeError("draws are being made already")
        self._job = self._start(request_of(run, guidance, draws))
        self._run = run
        self._timer.start()

    def cancel(self) -> None:
        """Stop at once."""
        if self.running:
            self._end()
            self.cancelled.emit()

    def stop(self) -> None:
        """Stop for good, without a word: the window closes."""
        self._end()
        self._loader.stop()

    def _end(self) -> None:
        # The timer stops itself at its next tick: Qt may have deleted it already.
        self._loader.forget()
        job, self._job, self._run = self._job, None, None
        if job is not None:
            job.close()

    def _poll(self) -> None:
        from molf_engine.prediction.jobs import Done, Failed
        from molf_engine.progress import Progress

        job, run = self._job, self._run
        if job is None or run is None:
            self._timer.stop()
            return
        for message in job.poll():
            match message:
                case Progress():
                    self.progressed.emit(message)
                case Done():
                    self._timer.stop()
                    self.progressed.emit(Progress("Opening the draws", 0, 0))
                    self._loader.ask(job, partial(open_draws, message.path, run))
                    return
                case Failed():
                    if not message.expected:
                        _log.error("drawing failed\n%s", message.details)
                    self._fail(message.message)
                    return

    def _on_loaded(self, job: Job, decoder: SpreadDecoder) -> None:
        if job is self._job:
            run = self._run
            self._end()
            self.finished.emit(run, decoder)

    def _on_load_failed(self, job: Job, error: BaseException) -> None:
        if job is self._job:
            self._fail(sentence(error))

    def _fail(self, message: str) -> None:
        self._end()
        self.failed.emit(message)

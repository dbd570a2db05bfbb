"""Draws on their way: a child process that is watched by a timer, and the decoder of what it made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_molf.desk.child import ChildWatcher, Job

if TYPE_CHECKING:
    from molf_engine.prediction.draws import SpreadDecoder
    from molf_engine.prediction.jobs import DrawRequest
    from napari_molf.core.run import Run


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


class DrawRunner(ChildWatcher):
    """Makes the draws of one prediction at a time.

    Signals
    -------
    progressed(object)
        A ``Progress``.
    finished(object, object)
        The :class:`~napari_molf.core.run.Run` and its :class:`~molf_engine.prediction.draws.SpreadDecoder`.
    """

    progressed = Signal(object)
    finished = Signal(object, object)

    def __init__(self, parent: QObject | None = None, start: Callable[[DrawRequest], Job] = start_job) -> None:
        super().__init__(parent)
        self._start = start
        self._run: Run | None = None

    def start(self, run: Run, guidance: float, draws: int) -> None:
        """Draw for a prediction.

        Raises
        ------
        PredictionError
            If its model is not at hand.
        """
        if self.running:
            raise RuntimeError("draws are being made already")
        job = self._start(request_of(run, guidance, draws))
        self._run = run
        self.watch(job)

    def forget(self) -> None:
        """Forget whose draws they were."""
        self._run = None

    def hear(self, message: Any) -> None:
        """Pass on how far they are."""
        from molf_engine.progress import Progress

        if isinstance(message, Progress):
            self.progressed.emit(message)

    def opening(self, path: Path) -> Callable[[], SpreadDecoder]:
        """Open the draws and their decoder."""
        from molf_engine.progress import Progress

        assert self._run is not None
        self.progressed.emit(Progress("Opening the draws", 0, 0))
        return partial(open_draws, path, self._run)

    def deliver(self, result: SpreadDecoder) -> None:
        """Hand the decoder on."""
        run = self._run
        self.end()
        self.finished.emit(run, result)

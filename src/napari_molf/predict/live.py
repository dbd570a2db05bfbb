"""A prediction as the viewer sees it: its map fills while it runs, and is taken away again if it comes to nothing."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_molf.core.compat import colour_bar
from napari_molf.core.layers import Placement, ResultLayers
from napari_molf.core.maps import PatchMap, robust_limits, wider_limits
from napari_molf.desk.desk import Outcome
from napari_molf.predict.jobs import PredictionRunner

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from molf_engine.bundle import Bundle
    from napari_molf.core.request import Request
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Score
    from napari_molf.desk.presenter import Presenter


class LivePrediction(QObject):
    """Makes one prediction at a time and draws it while it fills.

    Parameters
    ----------
    viewer
        Where it is drawn.
    presenter
        Shows it once it is done.

    Signals
    -------
    began(object)
        The request.
    ended(object)
        An :class:`~napari_molf.desk.desk.Outcome`; the run is on show by then.
    """

    began = Signal(object)
    ended = Signal(object)

    def __init__(self, viewer: ViewerModel, presenter: Presenter, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._presenter = presenter
        self._request: Request | None = None
        self._slide_layer: Layer | None = None
        self._pending: ResultLayers | None = None
        self._id = ""
        self._limits: tuple[float, float] | None = None
        self.runner = PredictionRunner(self)
        self.runner.started.connect(self._on_started)
        self.runner.filled.connect(self._on_filled)
        self.runner.finished.connect(self._on_finished)
        self.runner.failed.connect(self._on_failed)
        self.runner.cancelled.connect(self._on_cancelled)

    @property
    def running(self) -> bool:
        """Whether a prediction is being made."""
        return self.runner.running

    def start(self, request: Request, bundle: Bundle, slide_layer: Layer | None) -> None:
        """Start a prediction of a slide whose layer is ``slide_layer``, if it is open."""
        self._request, self._slide_layer = request, slide_layer
        self._pending, self._id, self._limits = None, uuid.uuid4().hex, None
        self.runner.start(request, bundle, self._presenter.score)
        self.began.emit(request)

    def cancel(self) -> None:
        """Stop at once; nothing of it is left."""
        self.runner.cancel()

    def stop(self) -> None:
        """Stop for good, without a word: the window closes."""
        self.runner.stop()

    def _on_started(self, patches: PatchMap) -> None:
        if self._request is not None:
            self._presenter.hide_runs_of(self._request.slide)
        self._pending = ResultLayers(self._viewer, self._id, patches, Placement(self._open_slide_layer()))
        layer = self._pending.show_score(np.full(len(patches), np.nan), "Prediction on its way", (0.0, 1.0))
        colour_bar(layer).visible = False

    def _on_filled(self, score: Score, values: np.ndarray) -> None:
        if self._pending is None:
            return
        self._limits = wider_limits(self._limits, robust_limits(values))
        self._pending.update_score(values, self._limits)
        layer = self._pending.layer("score")
        name = f"{score.name} · on its way"
        if layer is not None and layer.name != name:
            layer.name = name
            colour_bar(layer).visible = True

    def _on_finished(self, run: Run) -> None:
        run = replace(run, id=self._id)
        self._pending = None
        self._presenter.add_run(run, self._open_slide_layer())
        # Until the pointer moves, napari's status line would go on about the unfinished map.
        self._viewer.status = f"Prediction done: {len(run.patches):,} patches"
        self._end(run=run)

    def _on_failed(self, message: str) -> None:
        self._drop()
        self._end(error=message)

    def _on_cancelled(self) -> None:
        self._drop()
        self._end()

    def _drop(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.remove()

    def _end(self, run: Run | None = None, error: str | None = None) -> None:
        request, self._request = self._request, None
        if request is not None:
            self.ended.emit(Outcome(request, run, error))

    def _open_slide_layer(self) -> Layer | None:
        return self._slide_layer if self._slide_layer in self._viewer.layers else None

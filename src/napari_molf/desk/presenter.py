"""Which score of which run is on the map, at which guidance.  Decodes beside the window's thread and draws through ``ResultLayers``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from superqt.utils import qdebounced

from napari_molf.core.layers import Placement, ResultLayers, Role, run_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.palette import MAX_EXPERTS, expert_name
from napari_molf.core.run import Run
from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.background import Newest, sentence

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

SETTLED_MS = 300
Routing = Literal["expert", "weight", "entropy"]


@dataclass(frozen=True)
class View:
    """One state of the map.  ``fit``: choose new colour limits for it."""

    run_id: str
    score: Score
    guidance: float
    relative: bool
    fit: bool


class Presenter(QObject):
    """Keeps the runs of a viewer and draws one of them at a time.

    Signals
    -------
    run_changed(object)
        The :class:`~napari_molf.core.run.Run` whose scores are offered now, or none.
    shown(object, object)
        A :class:`View` and its (P,) values are on the map.
    routing_changed(object)
        The kind of expert map that is shown instead of the score, or none.
    failed(str)
        A sentence for the user.
    """

    run_changed = Signal(object)
    shown = Signal(object, object)
    routing_changed = Signal(object)
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runs: dict[str, tuple[Run, ResultLayers]] = {}
        self._current: str | None = None
        self.score: Score | None = None
        self.guidance = 1.0
        self.relative = False
        self.values: NDArray[np.floating] | None = None
        self.expert = 0
        """Whose weight is shown, if one is; counted from 0."""
        self._role: Role = "score"
        self._fit_pending = False
        self._opacity = 0.7
        self._decoder = Newest(self)
        self._decoder.done.connect(self._on_decoded)
        self._decoder.failed.connect(self._on_failed)
        self._settle = qdebounced(self._refresh_thumbnail, timeout=SETTLED_MS)

    # -- runs ------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run whose scores are offered."""
        return self._runs[self._current][0] if self._current in self._runs else None

    @property
    def layers(self) -> ResultLayers | None:
        """Its layers."""
        return self._runs[self._current][1] if self._current in self._runs else None

    def add_run(self, run: Run, slide_layer: Layer | None, layers: ResultLayers | None = None) -> None:
        """Offer a new run's scores, and hide what earlier runs show of the same slide.

        Parameters
        ----------
        run
            The prediction.
        slide_layer
            Its slide, if that is open.
        layers
            Layers that exist already.
        """
        layers = layers or ResultLayers(self._viewer, run.id, run.patches, Placement(slide_layer))
        layers.opacity = self._opacity
        layers.show_colour_bars()
        self.hide_runs_of(run.slide_path, but=run.id)
        if run.id == self._current:
            self._current = None
        self._runs[run.id] = (run, layers)
        self.switch_to(run.id)

    def hide_runs_of(self, slide_path: Path, but: str | None = None) -> None:
        """Hide what is shown of a slide, before something new covers it."""
        for run, layers in self._runs.values():
            if run.id != but and run.slide_path == slide_path:
                for layer in layers.all():
                    layer.visible = False

    def switch_to(self, run_id: str) -> bool:
        """Offer the scores of a run that is known; whether it is."""
        if run_id not in self._runs:
            return False
        if run_id != self._current:
            self._decoder.forget()
            self._current, self.values = run_id, None
            run = self._runs[run_id][0]
            if self.score is not None and not _offers(run, self.score):
                self.score = None
            self.guidance = run.guidance
            self.run_changed.emit(run)
        return True

    def follow(self, layer: Layer | None) -> None:
        """Offer the scores of the run that a layer belongs to."""
        run_id = None if layer is None else run_of(layer)
        if run_id is not None:
            self.switch_to(run_id)

    def slide_layer_of(self, run: Run) -> Layer | None:
        """The open slide that a run was made on."""
        for layer in self._viewer.layers:
            info = slide_info(layer)
            if info is not None and info.path == run.slide_path:
                return layer
        return None

    # -- the score -------------------------------------------------------------------------------------------

    def show(self, score: Score) -> None:
        """Show a score, with colour limits of its own, in place of the map of the experts."""
        self.score = score
        self._look_at("score")
        self._ask(fit=True)

    def set_guidance(self, guidance: float) -> None:
        """Change the guidance scale; the colour limits stay, so that the eye can compare."""
        self.guidance = guidance
        self._ask(fit=False)

    def set_relative(self, relative: bool) -> None:
        """Show expression relative to each patch's total, or not."""
        self.relative = relative
        self._ask(fit=True)

    def _ask(self, *, fit: bool) -> None:
        run, score = self.run, self.score
        if run is None or score is None:
            return
        # A fit that is still waiting must not be lost to a later value of the slider.
        fit = fit or (self._decoder.busy and self._fit_pending)
        self._fit_pending = fit
        view = View(run.id, score, self.guidance, self.relative, fit)
        scores = run.scores

        def decode() -> tuple[NDArray[np.floating], tuple[float, float] | None]:
            values = scores.values(view.score, view.guidance, relative=view.relative)
            return values, robust_limits(values) if view.fit else None

        self._decoder.ask(view, decode)

    def _on_decoded(self, view: View, result: tuple[NDArray[np.floating], tuple[float, float] | None]) -> None:
        run, layers = self.run, self.layers
        if run is None or layers is None or view.run_id != run.id:
            return
        values, limits = result
        if view.fit:
            self._fit_pending = False
        if limits is None and layers.layer("score") is None:
            limits = robust_limits(values)
        self.values = values
        layers.show_score(values, self.caption(view), limits, thumbnail=view.fit)
        if not view.fit:
            self._settle()
        self.shown.emit(view, values)

    def _on_failed(self, view: View, error: BaseException) -> None:
        self.failed.emit(sentence(error))

    def _refresh_thumbnail(self) -> None:
        layer = self.layers.layer("score") if self.layers is not None else None
        if layer is not None:
            layer.refresh(extent=False)

    def caption(self, view: View) -> str:
        """Layer name: what is shown, at which guidance, by which model."""
        run = self.run
        if run is None:
            return view.score.name
        relative = " / total" if run.scores.is_relative(view.score, view.relative) else ""
        return f"{view.score.name}{relative} · guidance {view.guidance:.3g} · {run.model}"

    # -- experts ---------------------------------------------------------------------------------------------

    def can_show_top_expert(self) -> bool:
        """Whether the experts of this run can be told apart by colour."""
        return self.run is not None and 1 < self.run.scores.routing.shape[1] <= MAX_EXPERTS

    def show_routing(self, kind: Routing | None, expert: int = 0) -> None:
        """Show how the experts were used instead of the score.

        Parameters
        ----------
        kind
            ``expert``: the one that decided most; ``weight``: the weight of one of them; ``entropy``: how undecided the gate
            was; none: back to the score.
        expert
            Whose weight, counted from 0.
        """
        run, layers = self.run, self.layers
        if run is None or layers is None:
            return
        scores = run.scores
        self.expert = expert
        if kind == "expert" and self.can_show_top_expert():
            layers.show_experts(scores.top_expert, scores.routing.shape[1], f"Top expert · {run.model}")
        elif kind == "weight":
            layers.show_weight(scores.routing[:, expert], f"Weight of {expert_name(expert)} · {run.model}")
        elif kind == "entropy":
            layers.show_entropy(scores.entropy, f"Routing entropy · {run.model}")
        self._look_at(kind or "score")

    def _look_at(self, role: Role) -> None:
        layers = self.layers
        if layers is None:
            return
        layers.show_only(role)
        if role != self._role:
            self._role = role
            self.routing_changed.emit(None if role == "score" else role)

    # -- all of it -------------------------------------------------------------------------------------------

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1, of the maps."""
        self._opacity = opacity
        if self.layers is not None:
            self.layers.set_opacity(opacity)

    def stop(self) -> None:
        """The window closes."""
        self._decoder.stop()


def _offers(run: Run, score: Score) -> bool:
    return score.name in (run.scores.genes if score.kind == "gene" else run.scores.hallmarks)

"""Which score of which run is on the map, at which guidance.  Decodes beside the window's thread and draws through ``ResultLayers``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from superqt.utils import qdebounced

from napari_molf.core.layers import Placement, ResultLayers, run_of
from napari_molf.core.load import local_load
from napari_molf.core.maps import robust_limits, wider_limits
from napari_molf.core.palette import MAX_EXPERTS
from napari_molf.core.run import Run
from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info
from napari_molf.core.threshold import Threshold
from napari_molf.core.view_state import ROUTINGS, Routing
from napari_molf.core.views import Decoded, Limits, Minus, View, Wanted, caption
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.runs import Runs, read_names, routing_caption

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["Presenter", "Routing", "View"]

SETTLED_MS = 300
Shown = Literal["score", "spread", "unlike"] | Routing
_Answer = tuple[NDArray[np.floating], Limits | None, tuple[NDArray[np.floating], ...]]


class Presenter(QObject):
    """Keeps the runs of a viewer and draws one of them at a time.

    Signals
    -------
    run_changed(object)
        The :class:`~napari_molf.core.run.Run` whose scores are offered now, or none.
    shown(object, object)
        A :class:`~napari_molf.core.views.View` and its (P,) values are on the map.
    beside_shown(object, object)
        The same view, and a tuple with the (P,) values of each panel that it asked for beside the map.
    look_changed()
        Opacity, threshold or smoothness changed, of every map alike.
    leaving()
        Another prediction is about to take the place of what is shown.
    routing_changed(object)
        The kind of expert map that is shown instead of the score, or none.
    names_changed()
        Experts of the run have other names now.
    looked_at(str)
        Role of the map that is shown now: the score, or one that takes its place.
    failed(str)
        A sentence for the user.
    """

    run_changed = Signal(object)
    shown = Signal(object, object)
    beside_shown = Signal(object, object)
    look_changed = Signal()
    leaving = Signal()
    routing_changed = Signal(object)
    names_changed = Signal()
    looked_at = Signal(str)
    failed = Signal(str)

    def __init__(self, viewer: ViewerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._runs = Runs()
        self._decoded: Decoded | None = None
        self._current: str | None = None
        self.score: Score | None = None
        self.guidance = 1.0
        self.relative = False
        self.minus: Minus | None = None
        """What is taken away from the score that is shown."""
        self.threshold: Threshold | None = None
        """Which patches are shown; none: all of them."""
        self.smooth = False
        self.beside: tuple[Wanted, ...] = ()
        """What is decoded with it, for panels beside the map."""
        self.view: View | None = None
        self.values: NDArray[np.floating] | None = None
        self._role: Shown = "score"
        self.expert = 0
        """Whose weight is shown, if one is, counted from 0."""
        self._held: tuple[Shown, list[Layer]] = ("score", [])
        self._fit_pending = False
        self._reach: Limits | None = None
        self._opacity = 0.7
        self._decoder = Newest(self)
        self._decoder.done.connect(self._on_decoded)
        self._decoder.failed.connect(self._on_failed)
        self._settle = qdebounced(self._refresh_thumbnail, timeout=SETTLED_MS)

    # -- runs ------------------------------------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The run whose scores are offered."""
        return self._runs.run(self._current)

    @property
    def routing(self) -> Routing | None:
        """The map of the experts that is shown instead of the score."""
        return next((kind for kind in ROUTINGS if kind == self._role), None)

    @property
    def opacity(self) -> float:
        """Opacity, 0 to 1, of the maps."""
        return self._opacity

    @property
    def layers(self) -> ResultLayers | None:
        """Its layers."""
        return self._runs.layers(self._current)

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
        self._runs.make_room_for(run)
        layers = layers or ResultLayers(self._viewer, run.id, run.patches, Placement(slide_layer))
        layers.opacity = self._opacity
        layers.drawing.smooth = self.smooth
        layers.show_colour_bars()
        self.hide_runs_of(run.slide_path, but=run.id)
        if run.id == self._current:
            self._current = None
        self._runs.put(run, layers)
        self.switch_to(run.id)

    def runs_on_show(self) -> tuple[Run, ...]:
        """Every run that still has a layer, in the order in which they came."""
        return self._runs.on_show()

    def hide_runs_of(self, slide_path: Path, but: str | None = None) -> None:
        """Hide what is shown of a slide, before something new covers it."""
        self.leaving.emit()
        for layer in self._runs.layers_of_slide(slide_path, but):
            layer.visible = False

    def switch_to(self, run_id: str) -> bool:
        """Offer the scores of a run that is known; whether it is."""
        run = self._runs.run(run_id)
        if run is None:
            return False
        if run_id != self._current:
            self.leaving.emit()
            self._decoder.forget()
            self._current, self.values, self.view = run_id, None, None
            self.minus, self.beside = None, ()
            # One run's at a time: what is remembered of the others would only fill the memory.
            self._decoded = Decoded(run.scores)
            if self.score is not None and not _offers(run, self.score):
                self.score = None
            self.guidance = run.guidance
            notice = read_names(run)
            if notice:
                self.failed.emit(notice)
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

    def show(self, score: Score, limits: tuple[float, float] | None = None) -> None:
        """Show a score in place of other maps; its spread, if that is looked at.

        Parameters
        ----------
        score
            The score.
        limits
            Colour limits; its own if there are none.
        """
        self.score = score
        spread = self._role == "spread" and self.layers is not None and self.layers.layer("spread") is not None
        self.look_at("spread" if spread else "score")
        self._ask(fit=True, limits=limits)

    def set_guidance(self, guidance: float) -> None:
        """Change the guidance scale; the colour limits stay, so that the eye can compare."""
        self.guidance = guidance
        self._ask(fit=False)

    def set_relative(self, relative: bool) -> None:
        """Show expression relative to each patch's total, or not."""
        self.relative = relative
        self._ask(fit=True)

    def set_minus(self, minus: Minus | None) -> None:
        """Show what the score differs by from something else, with limits alike on both sides of 0; none: the score itself."""
        if minus != self.minus:
            self.minus = minus
            self.look_at("score")
            self._ask(fit=True)

    def set_beside(self, beside: tuple[Wanted, ...]) -> None:
        """Decode these, too, whenever the map changes; they come with ``beside_shown``."""
        self.beside = beside
        if beside:
            self._ask(fit=False)

    def hold(self, on: bool) -> None:
        """Keep the maps of this run hidden, because panels stand in their place, or show the one that is looked at again."""
        layers = self.layers
        if layers is None or layers.held == on:
            return
        layers.held = on
        if on:
            self._held = (self._role, layers.all())
            return
        role, known = self._held
        # What was hidden by hand stays hidden; what was chosen or made in the meantime is to be seen.
        if role != self._role or layers.layer(role) not in known:
            layers.show_only(self._role)

    def _ask(self, *, fit: bool, limits: tuple[float, float] | None = None) -> None:
        run, score = self.run, self.score
        decoded = self._decoded
        if run is None or score is None or decoded is None:
            return
        # A fit that is still waiting must not be lost to a later value of the slider.
        fit = fit or (self._decoder.busy and self._fit_pending)
        self._fit_pending = fit
        minus = None if self.minus is None else self.minus.of(score)
        view = View(run.id, score, self.guidance, self.relative, fit, minus, self.beside)

        def decode() -> _Answer:
            values, fitted = decoded.show(view)
            return values, (limits if limits and view.fit else fitted), decoded.beside(view)

        self._decoder.ask(view, decode)

    def _on_decoded(self, view: View, answer: _Answer) -> None:
        run, layers = self.run, self.layers
        if run is None or layers is None or view.run_id != run.id:
            return
        values, limits, beside = answer
        if view.fit:
            self._fit_pending = False
        if limits is None and layers.layer("score") is None:
            limits = robust_limits(values)
        if view.minus is not None and limits is not None:
            limits = self._grown(limits, view.fit)
        self.values, self.view = values, view
        layers.show_score(
            self._masked(values),
            self.caption(view),
            limits,
            thumbnail=view.fit,
            diverging=view.minus is not None,
        )
        if not view.fit:
            self._settle()
        self.shown.emit(view, values)
        if view.beside:
            self.beside_shown.emit(view, beside)

    def _grown(self, needed: Limits, fit: bool) -> Limits | None:
        """Limits of a difference; none: those that are set do.

        It is nothing where the slider meets the scale that is taken away: limits that would never move could not show both ends.
        """
        reach = needed if fit or self._reach is None else wider_limits(self._reach, needed)
        changed = fit or reach != self._reach
        self._reach = reach
        return reach if changed else None

    def _masked(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        return values if self.threshold is None else np.where(self.threshold.keep(values), values, np.nan)

    def _on_failed(self, view: View, error: BaseException) -> None:
        self.failed.emit(sentence(error))

    def _refresh_thumbnail(self) -> None:
        layer = self.layers.layer("score") if self.layers is not None else None
        if layer is not None:
            layer.refresh(extent=False)

    def caption(self, view: View) -> str:
        """Layer name: what is shown, at which guidance, by which model."""
        run = self.run
        return view.subject if run is None else caption(view, run.scores, run.model)

    # -- experts ---------------------------------------------------------------------------------------------

    def can_show_top_expert(self) -> bool:
        """Whether the experts of this run can be told apart by colour."""
        return self.run is not None and 1 < self.run.scores.routing.shape[1] <= MAX_EXPERTS

    def show_routing(self, kind: Routing | None, expert: int = 0) -> None:
        """Show how the experts were used instead of the score.

        Parameters
        ----------
        kind
            ``expert``: the one that decided most; ``weight``: the weight of one of them; ``load``: the share of the tissue around
            each patch that is given to one of them; ``entropy``: how undecided the gate was; none: back to the score.
        expert
            Whose weight or load, counted from 0.
        """
        run, layers = self.run, self.layers
        if run is None or layers is None:
            return
        scores = run.scores
        self.expert = expert
        if kind == "expert" and self.can_show_top_expert():
            layers.show_experts(scores.top_expert, scores.routing.shape[1], f"Top expert · {run.model}")
        elif kind == "weight":
            layers.show_weight(scores.routing[:, expert], routing_caption(run, kind, expert))
        elif kind == "load":
            layers.show_load(local_load(run.patches, scores.used[:, expert]), routing_caption(run, kind, expert))
        elif kind == "entropy":
            layers.show_entropy(scores.entropy, f"Routing entropy · {run.model}")
        self.look_at(kind or "score")

    def name_experts(self, names: Mapping[int, str]) -> None:
        """Keep names for the experts of the run's model, in place of those that were kept, and show them everywhere.

        Parameters
        ----------
        names
            Expert, counted from 0, to its name; an empty one gives the number back.

        Raises
        ------
        MolfError
            If a name cannot be kept, or the file cannot be written; the old names stay then.
        """
        if self.run is not None:
            self._runs.name_experts(self.run, names)
            self.names_changed.emit()

    def look_at(self, role: Shown) -> None:
        """Show one map of this run and hide its others."""
        layers = self.layers
        if layers is None:
            return
        layers.show_only(role)
        if role != self._role:
            self._role = role
            self.routing_changed.emit(self.routing)
            self.looked_at.emit(role)

    # -- all of it -------------------------------------------------------------------------------------------

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1, of the maps."""
        self._opacity = opacity
        if self.layers is not None:
            self.layers.set_opacity(opacity)
        self.look_changed.emit()

    def set_smooth(self, smooth: bool) -> None:
        """Draw maps as a smooth surface inside the predicted tissue, or as squares."""
        self.smooth = smooth
        for _, layers in self._runs:
            layers.set_smooth(smooth)
        self.look_changed.emit()

    def set_threshold(self, threshold: Threshold | None) -> None:
        """Show only patches on one side of a threshold; none: all of them.  Colour limits stay."""
        self.threshold = threshold
        layers, view, values = self.layers, self.view, self.values
        if layers is not None and view is not None and values is not None:
            layers.show_score(
                self._masked(values), self.caption(view), None, thumbnail=False, diverging=view.minus is not None
            )
            self._settle()
        self.look_changed.emit()

    def stop(self) -> None:
        """The window closes."""
        self._decoder.stop()


def _offers(run: Run, score: Score) -> bool:
    return score.name in (run.scores.genes if score.kind == "gene" else run.scores.hallmarks)

"""How far to trust the map: spread over draws, patches unlike training, and what the model knows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from qtpy.QtCore import QSignalBlocker, QTimer
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_molf.core.fading import faded_colours, steadiness
from napari_molf.core.layers import role_of, run_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.scores import Score
from napari_molf.core.skill import spread_sentence
from napari_molf.core.unfamiliar import can_map, relative_distance
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.child import Job
from napari_molf.desk.part import Part
from napari_molf.trust.drawing import DrawRunner, start_job
from napari_molf.trust.draws_row import DrawsRow
from napari_molf.trust.known import NAME, open_known

if TYPE_CHECKING:
    from napari.layers import Layer

    from molf_engine.prediction.draws import SpreadDecoder
    from molf_engine.prediction.jobs import DrawRequest
    from napari_molf.core.layers import ResultLayers
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk
    from napari_molf.desk.presenter import View

KEPT_RUNS = 2
"""Draws of so many predictions are kept: those of a large slide take hundreds of MB."""


class Asked(NamedTuple):
    """A spread that is asked for."""

    run_id: str
    score: Score
    relative: bool


class TrustPart(Part):
    """The Trust section.

    Parameters
    ----------
    desk
        What all sections share.
    start
        Starts the child process that draws.
    """

    title = "Trust"

    def __init__(
        self, desk: Desk, parent: QWidget | None = None, *, start: Callable[[DrawRequest], Job] = start_job
    ) -> None:
        super().__init__(desk, parent)
        self._decoders: dict[str, SpreadDecoder] = {}
        self._spread: tuple[Asked, np.ndarray] | None = None
        self._faded: tuple[ResultLayers, Layer] | None = None
        self.runner = DrawRunner(self, start)
        self._decoding = Newest(self)
        self.row = DrawsRow()
        self.spread = QCheckBox("spread of the score")
        self.spread.setToolTip("Map of the standard deviation over the draws, in the score's own units.")
        self.fade = QCheckBox("&fade where draws differ")
        self.fade.setToolTip(
            "Let the tissue show through where the draws differ much, compared with how the score varies on this slide. "
            "Half faded: they differ as much as the score does over this slide."
        )
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setAccessibleName("About the spread over draws")
        self.unlike = QCheckBox("&unlike training")
        self.unlike.setToolTip(
            "Map of how far each patch looks from the patches that the model learned from. "
            "1: the limit that 99 of 100 training patches stay within."
        )
        self.own = QCheckBox("without the slide's own shift")
        self.own.setToolTip(
            "Take off what all patches of this slide share, such as its scanner and stain: what is left is odd within it."
        )
        self.key = QLabel("Blue: like training. Pale: at the limit (1). Brown: unlike training.")
        self.key.setWordWrap(True)
        self.known = QPushButton(f"{NAME}…")
        self.known.setToolTip("What it learned from, how well it predicts each gene, its limits and its licence.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.row, self.spread, self.fade, self.note, self.unlike, self.own, self.key, self.known):
            layout.addWidget(widget)
        self.own.setContentsMargins(18, 0, 0, 0)
        self._connect()
        self.set_run(None)

    def _connect(self) -> None:
        presenter = self.desk.presenter
        self.row.draws_wanted.connect(self._on_draws_wanted)
        self.row.cancel_pressed.connect(self.runner.cancel)
        self.runner.progressed.connect(self.row.show_progress)
        self.runner.finished.connect(self._on_finished)
        self.runner.failed.connect(self._on_failed)
        self.runner.cancelled.connect(self._on_rest)
        self._decoding.done.connect(self._on_decoded)
        self._decoding.failed.connect(self._on_decoding_failed)
        self.spread.toggled.connect(self._on_spread)
        self.fade.toggled.connect(self._on_fade)
        self.unlike.toggled.connect(self._on_unlike)
        self.own.toggled.connect(self._on_own)
        self.known.clicked.connect(self._on_known)
        presenter.shown.connect(self._on_shown)
        presenter.looked_at.connect(self._on_looked_at)
        self.desk.viewer.layers.events.removed.connect(self._on_removed)

    # -- the prediction on show ------------------------------------------------------------------------------

    def set_run(self, run: Run | None) -> None:
        """Offer the draws and the distances of another prediction."""
        super().set_run(run)
        self._spread = None
        ours = self.spread.isChecked() or self.unlike.isChecked()
        self._only(None)
        self._untick(self.own)
        if ours:
            self.desk.presenter.look_at("score")
        self.unlike.setEnabled(run is not None and can_map(run.scores.adata, own=False))
        self.row.button.setEnabled(run is not None and why_no_draws(run) is None)
        self._say()

    @property
    def _decoder(self) -> SpreadDecoder | None:
        run = self.desk.run
        return None if run is None else self._decoders.get(run.id)

    @property
    def stale(self) -> bool:
        """Whether the draws were made at another guidance than that of the map."""
        decoder = self._decoder
        return decoder is not None and abs(decoder.draws.guidance - self.desk.presenter.guidance) > 1e-6

    def _say(self) -> None:
        run, decoder = self.desk.run, self._decoder
        self.spread.setEnabled(decoder is not None)
        self.fade.setEnabled(decoder is not None)
        refused = None if run is None else why_no_draws(run)
        self.note.setVisible(decoder is not None or refused is not None)
        if refused is not None:
            self.note.setText(refused)
        elif run is not None and run.bundle is not None and decoder is not None:
            text = spread_sentence(run.bundle.metrics)
            if self.stale:
                text = (
                    f"⚠ The draws were made at guidance {decoder.draws.guidance:.3g}, the map is at "
                    f"{self.desk.presenter.guidance:.3g}{': it is not faded' if self.fade.isChecked() else ''}. "
                    f"Draw again for this one. {text}"
                )
            self.note.setText(text)

    # -- drawing ---------------------------------------------------------------------------------------------

    def _on_draws_wanted(self, draws: int) -> None:
        from molf_engine.errors import MolfError

        run = self.desk.run
        if run is None or self.runner.running:
            return
        self.desk.say(None)
        try:
            self.runner.start(run, self.desk.presenter.guidance, draws)
        except MolfError as error:
            self.desk.say(str(error))
            return
        self.row.set_running(True)

    def _on_finished(self, run: Run, decoder: SpreadDecoder) -> None:
        self._on_rest()
        self._decoders.pop(run.id, None)
        self._decoders[run.id] = decoder
        for oldest in list(self._decoders)[:-KEPT_RUNS]:
            del self._decoders[oldest]
        if self.desk.run is None or self.desk.run.id != run.id:
            return
        self._spread = None
        self._say()
        if self.spread.isChecked() or self.fade.isChecked():
            self._refresh()
        else:
            self.spread.setChecked(True)

    def _on_failed(self, message: str) -> None:
        self._on_rest()
        self.desk.say(message)

    def _on_rest(self) -> None:
        self.row.set_running(False)

    # -- the spread on the map -------------------------------------------------------------------------------

    def _on_shown(self, view: View, values: np.ndarray) -> None:
        self._say()
        self._refresh()

    def _refresh(self) -> None:
        """Bring the spread and the fading in line with the score on show; what is not decoded yet is asked for."""
        presenter, decoder, run = self.desk.presenter, self._decoder, self.desk.run
        if run is None or decoder is None or presenter.score is None:
            return
        if not (self.spread.isChecked() or self.fade.isChecked()):
            return
        asked = Asked(run.id, presenter.score, presenter.relative)
        if self._spread is not None and self._spread[0] == asked:
            self._draw(asked, self._spread[1], fresh=False)
            return
        if self.fade.isChecked():
            # Never the colours of one score with the doubts of another.
            self._stop_fading()
        self._decoding.ask(asked, partial(_decode, decoder, asked))

    def _on_decoded(self, asked: Asked, spread: np.ndarray) -> None:
        run, presenter = self.desk.run, self.desk.presenter
        if run is None or asked != (run.id, presenter.score, presenter.relative):
            return
        self._spread = (asked, spread)
        self._draw(asked, spread, fresh=True)

    def _on_decoding_failed(self, asked: Asked, error: BaseException) -> None:
        self.desk.say(sentence(error))

    def _draw(self, asked: Asked, spread: np.ndarray, *, fresh: bool) -> None:
        run, layers, decoder = self.desk.run, self.desk.presenter.layers, self._decoder
        if run is None or layers is None or decoder is None:
            return
        if self.spread.isChecked():
            guidance = f" at guidance {decoder.draws.guidance:.3g}" if self.stale else ""
            name = f"spread of {asked.score.name} over {len(decoder.draws)} draws{guidance} · {run.model}"
            layer = layers.layer("spread")
            if fresh or layer is None or layer.name != name:
                layers.show_spread(spread, name, robust_limits(spread))
            self.desk.presenter.look_at("spread")
        elif self.fade.isChecked():
            self._fade(asked, spread)

    def _on_spread(self, on: bool) -> None:
        self._only(self.spread if on else None)
        if on:
            self._refresh()
        elif self.desk.presenter.layers is not None:
            self.desk.presenter.look_at("score")

    # -- fading ----------------------------------------------------------------------------------------------

    def _on_fade(self, on: bool) -> None:
        self._only(self.fade if on else None)
        if self.desk.presenter.layers is not None:
            self.desk.presenter.look_at("score")
        if on:
            self._refresh()

    def _fade(self, asked: Asked, spread: np.ndarray) -> None:
        presenter = self.desk.presenter
        layers, values, run = presenter.layers, presenter.values, self.desk.run
        score = None if layers is None else layers.layer("score")
        if layers is None or run is None or values is None or score is None or self.stale:
            self._stop_fading()
            return
        opacity = steadiness(spread, values)
        layers.show_faded(faded_colours(values, opacity, *_look_of(score)), f"{asked.score.name} · faded · {run.model}")
        if self._faded is None or self._faded[1] is not score:
            self._unwatch()
            self._faded = (layers, score)
            for event in _look_events(score):
                event.connect(self._on_look)

    def _stop_fading(self) -> None:
        layers = self._unwatch()
        if layers is not None:
            layers.end_fading()

    def _unwatch(self) -> ResultLayers | None:
        faded, self._faded = self._faded, None
        if faded is None:
            return None
        for event in _look_events(faded[1]):
            event.disconnect(self._on_look)
        return faded[0]

    def _on_look(self, event: object = None) -> None:
        if self._spread is not None and self.fade.isChecked():
            self._refresh()

    # -- unlike training -------------------------------------------------------------------------------------

    def _on_unlike(self, on: bool) -> None:
        self._only(self.unlike if on else None)
        if on:
            self._show_unlike()
        elif self.desk.presenter.layers is not None:
            self.desk.presenter.look_at("score")

    def _on_own(self, on: bool) -> None:
        self._show_unlike()

    def _show_unlike(self) -> None:
        from molf_engine.errors import MolfError

        run, layers = self.desk.run, self.desk.presenter.layers
        if run is None or layers is None:
            return
        own = self.own.isChecked()
        try:
            distance = relative_distance(run, own=own)
        except MolfError as error:
            self.desk.say(str(error))
            return
        if distance is None:
            self.desk.say("How far this slide is from training is not known: its model holds no such statistics.")
            return
        shift = ", without the slide's own shift" if own else ""
        layers.show_unlike(distance, f"unlike training{shift} (1: limit) · {run.model}")
        self.desk.presenter.look_at("unlike")

    # -- what is on the map ----------------------------------------------------------------------------------

    def _only(self, chosen: QCheckBox | None) -> None:
        """At most one of the maps is switched on; fading, which is a way to see the score, goes with neither."""
        for box in (self.spread, self.fade, self.unlike):
            if box is not chosen:
                self._untick(box)
        if chosen is not self.fade:
            self._stop_fading()
        run = self.desk.run
        on = chosen is self.unlike
        self.key.setVisible(on)
        self.own.setVisible(on and run is not None and can_map(run.scores.adata, own=True))

    def _on_looked_at(self, role: str) -> None:
        """Another section, or a new score, has put another map in place of ours."""
        if role not in ("spread", "unlike"):
            self._only(self.fade if role == "score" and self.fade.isChecked() else None)

    def _on_removed(self, event: object) -> None:
        layer: Layer = event.value  # type: ignore[attr-defined]
        run = self.desk.run
        if run is None or run_of(layer) != run.id:
            return
        role = role_of(layer)
        if self._faded is not None and role in ("faded", "score"):
            self._untick(self.fade)
            # Later: others may be removed in the same stroke, and napari holds a list of them.
            QTimer.singleShot(0, self._stop_fading)
        for box, own in ((self.spread, "spread"), (self.unlike, "unlike")):
            if role == own:
                box.setChecked(False)

    def _untick(self, box: QCheckBox) -> None:
        with QSignalBlocker(box):
            box.setChecked(False)

    def _on_known(self) -> None:
        open_known(self.desk)

    def stop(self) -> None:
        """Kill what draws and let go of the viewer."""
        self.runner.stop()
        self._decoding.stop()
        self._unwatch()
        self._decoders.clear()
        self.desk.viewer.layers.events.removed.disconnect(self._on_removed)


def why_no_draws(run: Run) -> str | None:
    """Why the model cannot draw for a prediction, and what to do about it; none if it can."""
    if run.bundle is None:
        return f"Draws need the model {run.model}. Choose its folder under Model."
    if not run.bundle.has_encoder:
        return "Draws need the image features of this prediction, which were made elsewhere: this model has no encoder."
    return None


def _decode(decoder: SpreadDecoder, asked: Asked) -> np.ndarray:
    ask = decoder.gene if asked.score.kind == "gene" else decoder.hallmark
    return ask(asked.score.name, relative=asked.relative)


def _look_of(score: Layer) -> tuple[object, tuple[float, float], float]:
    """Colormap, limits and gamma of a score, be it an image or points."""
    if hasattr(score, "face_colormap"):
        return score.face_colormap, tuple(score.face_contrast_limits), 1.0
    return score.colormap, tuple(score.contrast_limits), float(score.gamma)


def _look_events(score: Layer) -> list[Any]:
    names = ("colormap", "contrast_limits", "gamma")
    return [getattr(score.events, name) for name in names if hasattr(score.events, name)]

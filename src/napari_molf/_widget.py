"""The dock ``Predict expression``: puts its parts together, and says to each what the others did."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import (
    QApplication,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_molf._memory import Memory
from napari_molf._sample import demo_slide_path
from napari_molf.batch.part import QueuePart
from napari_molf.compare.part import Compare
from napari_molf.core.compat import scale_bar
from napari_molf.core.run import Run, with_model
from napari_molf.core.saved import result_in
from napari_molf.core.slide_layer import SlideInfo
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.desk import Desk, Outcome
from napari_molf.desk.part import Part
from napari_molf.desk.preferences import preferences
from napari_molf.desk.presenter import Presenter, View
from napari_molf.desk.quiet import QuietCollector
from napari_molf.desk.sections import Section, dock_style, list_style, put_in_tab_order
from napari_molf.desk.view import look_at
from napari_molf.experts.panel import ExpertPanel
from napari_molf.measured.part import MeasuredPart
from napari_molf.predict import models
from napari_molf.predict.live import LivePrediction
from napari_molf.predict.progress_row import PredictRow
from napari_molf.predict.settings_form import SettingsForm
from napari_molf.regions.layer import add_regions_layer
from napari_molf.regions.part import RegionsPart
from napari_molf.sessions.part import SessionPart
from napari_molf.sessions.session import Session, session_in
from napari_molf.show.help import HelpButton
from napari_molf.show.hint import FirstSteps
from napari_molf.show.keys import CanvasKeys
from napari_molf.show.panel import ShowPanel
from napari_molf.show.readout import Readout
from napari_molf.take_along.part import TakeAlongPart
from napari_molf.trust.card import CardPanel
from napari_molf.trust.known import open_known
from napari_molf.trust.part import TrustPart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    import numpy as np
    from napari.layers import Layer
    from napari.viewer import Viewer

    from molf_engine.bundle import Bundle
    from napari_molf.core.request import Request

PARTS: tuple[type[Part], ...] = (Compare, MeasuredPart, TrustPart, RegionsPart, TakeAlongPart, QueuePart, SessionPart)
"""Sections below Experts, in the order in which they stand in the dock."""


class PredictWidget(QWidget):
    """Dock that predicts expression on a slide and shows it.

    Parameters
    ----------
    napari_viewer
        The viewer it is docked in.
    """

    def __init__(self, napari_viewer: Viewer, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._viewer = napari_viewer
        self._stopped = False

        self.presenter = Presenter(napari_viewer, self)
        self.desk = Desk(napari_viewer, self.presenter, self)
        self.live = LivePrediction(napari_viewer, self.presenter, self)
        self._quiet = QuietCollector(self)
        self._lister = Newest(self)
        self._opener = Newest(self)
        self._saver = Newest(self)

        self.form = SettingsForm(napari_viewer)
        self.desk.request_for = self.form.request_for
        self.desk.start_prediction = self.start_prediction
        self.row = PredictRow()
        self.readout = Readout(napari_viewer, self.presenter)
        self.show_panel = ShowPanel(self.readout, self.desk)
        self.keys = CanvasKeys(napari_viewer, self.show_panel, self.presenter)
        self.first_steps = FirstSteps(self.desk, demo_slide_path)
        self.experts = ExpertPanel(self.desk)
        self.card = CardPanel()
        self.parts: tuple[Part, ...] = tuple(part(self.desk) for part in PARTS)
        self._introduce()
        self._build()
        self._connect()
        self.memory = Memory(self.desk.settings, self.form, self.show_panel, self.sections, preferences())
        self._on_theme()
        self._on_layers()
        self._adopt(napari_viewer.layers)
        self._lister.ask("models", partial(models.load_known_and, self.memory.model))

    # -- layout ----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.setMinimumWidth(280)
        top = QHBoxLayout()
        top.setContentsMargins(8, 6, 8, 2)
        top.addWidget(QLabel("<b>MoLF</b>"), 1)
        self.help = HelpButton()
        top.addWidget(self.help)

        predict = QWidget()
        column = QVBoxLayout(predict)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.form.native)
        column.addWidget(self.row)
        self.sections = {
            "predict": Section("Predict", predict),
            "show": Section("Show", self.show_panel),
            "experts": Section("Experts", self.experts),
        }
        for part in self.parts:
            section = self.sections[part.title.lower()] = Section(part.title, part)
            section.fold(part.folded)
        inside = QWidget()
        stack = QVBoxLayout(inside)
        stack.setContentsMargins(8, 4, 8, 4)
        stack.setSpacing(8)
        for section in self.sections.values():
            stack.addWidget(section)
        stack.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inside.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        scroll.setWidget(inside)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(top)
        layout.addWidget(self.first_steps)
        layout.addWidget(scroll, 1)
        layout.addWidget(self.card)
        put_in_tab_order(self.sections.values())

    def _introduce(self) -> None:
        """Let what one section keeps be used in another, without their knowing each other."""
        for part in self.parts:
            if isinstance(part, TakeAlongPart):
                part.offer_scores("Favourites", self.show_panel.search.favourites)
                for other in self.parts:
                    if isinstance(other, Compare):
                        part.offer_scores("Those under Compare", other.listed)
                    elif isinstance(other, RegionsPart):
                        part.offer_regions(other.summariser)

    def _connect(self) -> None:
        self.form.model_changed.connect(self._on_model)
        self.form.slide_changed.connect(self._on_slide)
        self.form.folder_wanted.connect(self._on_folder_wanted)
        self.form.shapes_wanted.connect(self._on_shapes_wanted)
        self.desk.said.connect(self.row.say)
        self.desk.prediction_wanted.connect(self._on_prediction_wanted)
        self.row.predict_pressed.connect(self.predict)
        self.row.cancel_pressed.connect(self.live.cancel)
        self.live.runner.progressed.connect(self.row.show_progress)
        self.live.began.connect(self._on_began)
        self.live.ended.connect(self._on_ended)
        self.live.began.connect(self.desk.prediction_began)
        self.live.runner.progressed.connect(self.desk.prediction_progressed)
        self.live.ended.connect(self.desk.prediction_ended)
        self.presenter.run_changed.connect(self._on_run)
        self.presenter.run_changed.connect(self.readout.clear_reading)
        self.presenter.shown.connect(self.readout.read_again)
        self.presenter.shown.connect(self._on_shown)
        self.presenter.failed.connect(self.row.say)
        self.show_panel.score_chosen.connect(self.presenter.show)
        self.show_panel.relative_changed.connect(self.presenter.set_relative)
        self.show_panel.guidance_changed.connect(self.presenter.set_guidance)
        self.show_panel.opacity_changed.connect(self.presenter.set_opacity)
        self.show_panel.display.smooth_changed.connect(self.presenter.set_smooth)
        self.show_panel.display.threshold_changed.connect(self.presenter.set_threshold)
        self.presenter.shown.connect(self.show_panel.display.show_values)
        self.show_panel.save_pressed.connect(self._on_save)
        self.card.more_wanted.connect(self._on_more_wanted)
        self.experts.routing_chosen.connect(self.presenter.show_routing)
        self.presenter.routing_changed.connect(self.experts.set_chosen)
        self._lister.done.connect(self._on_models)
        self._lister.failed.connect(self._on_error)
        self._opener.done.connect(self._on_model_opened)
        self._opener.failed.connect(self._on_model_refused)
        self._saver.done.connect(self._on_saved)
        self._saver.failed.connect(self._on_error)
        layers = self._viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            event.connect(self._on_layers)
        layers.events.inserted.connect(self._on_inserted)
        layers.selection.events.active.connect(self._on_active)
        self._viewer.events.theme.connect(self._on_theme)
        # The window deletes its docks without closing them; a partial lives as long as the connection.
        self.destroyed.connect(partial(_let_go, self))
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.stop)

    # -- predicting ------------------------------------------------------------------------------------------

    def predict(self, changes: Mapping[str, Any] | None = None) -> None:
        """Start the prediction that the form describes, or say what is missing.

        Parameters
        ----------
        changes
            Fields of the request that are to be other than the form says.
        """
        from molf_engine.errors import MissingScaleError, MolfError

        if self.live.running:
            return
        self.row.say(None)
        try:
            request = replace(self.form.request(), **(changes or {}))
        except MolfError as error:
            self.row.say(str(error))
            if isinstance(error, MissingScaleError):
                self.form.um.native.setFocus(Qt.FocusReason.OtherFocusReason)
            return
        bundle = self.form.bundle
        assert bundle is not None  # request() has checked it
        self.live.start(request, bundle, self.form.layer)

    def _on_prediction_wanted(self, changes: Mapping[str, Any]) -> None:
        if self.live.running:
            self.row.say("A prediction is being made already. Wait until it is done, or cancel it.")
            return
        self.predict(changes)

    def start_prediction(self, request: Request, slide_layer: Layer) -> None:
        """Start exactly this prediction.

        Raises
        ------
        MolfError
            If one is being made already, or the form does not know the model.
        """
        from molf_engine.errors import BundleError, MolfError

        bundle = self.form.model_at(request.model)
        if bundle is None:
            raise BundleError(f"The model in {request.model} is not open. Choose it under Model.")
        if self.live.running:
            raise MolfError("A prediction is being made already. Wait until it is done, or cancel it.")
        self.row.say(None)
        self.live.start(request, bundle, slide_layer)

    def _on_began(self, request: Request) -> None:
        self._quiet.begin()
        self.row.set_running(True)
        self.form.enabled = False
        self.row.cancel.setFocus(Qt.FocusReason.OtherFocusReason)

    def _on_ended(self, outcome: Outcome) -> None:
        from napari.utils.notifications import show_error

        self._quiet.end_soon()
        self.form.enabled = True
        self.row.set_running(False)
        if outcome.run is not None:
            self.first_steps.finish()
            self.show_panel.search.select_text()
        elif outcome.error is not None:
            self.row.say(outcome.error)
            show_error(outcome.error)

    # -- showing ---------------------------------------------------------------------------------------------

    def _on_run(self, run: Run | None) -> None:
        self.show_panel.set_run(run)
        self.experts.set_run(run)
        for part in self.parts:
            part.set_run(run)
        self.card.show_score(run, self.presenter.score)
        self._say_facts()
        if run is not None:
            self.presenter.show(self.presenter.score or run.scores.first_to_show())

    def _on_shown(self, view: View, values: np.ndarray) -> None:
        self.card.show_score(self.presenter.run, view.score)
        # Fast steps are ahead of their maps: an earlier one that arrives now must not take the box back.
        if view.score == self.presenter.score != self.show_panel.search.current:
            self.show_panel.search.set_current(view.score)

    def _adopt(self, layers: Sequence[Layer]) -> None:
        for layer in layers:
            run = result_in(layer)
            if run is not None:
                bundle = self.form.model_of(run.weights_hash)
                run = run if bundle is None else with_model(run, bundle)
                self.presenter.add_run(run, self.presenter.slide_layer_of(run))

    def _say_facts(self) -> None:
        run, info = self.presenter.run, self.form.info
        self.card.show_facts(run, self.form.bundle, simulated=info is not None and info.simulated)

    def _on_more_wanted(self) -> None:
        open_known(self.desk)

    # -- what the user does elsewhere ------------------------------------------------------------------------

    def _on_layers(self, event: object = None) -> None:
        self.form.refresh_slides()

    def _on_inserted(self, event: object) -> None:
        layer: Layer = event.value  # type: ignore[attr-defined]
        self._adopt([layer])
        session = session_in(layer)
        if session is not None:
            self._restore(session)

    def _restore(self, session: Session) -> None:
        """Show of a session that was opened what was shown when it was saved."""
        if session.missing:
            self.row.say(f"Not found, or not the same slide any more: {', '.join(session.missing)}.")
        view = session.view
        if view is None or session.current is None or not self.presenter.switch_to(session.current):
            return
        self.show_panel.set_view(view)
        self.presenter.relative, self.presenter.guidance = view.relative, view.guidance
        self.presenter.set_opacity(view.opacity)
        self.presenter.show(view.score, limits=view.limits)
        if view.routing is not None:
            self.experts.which.setCurrentIndex(view.expert)
            self.presenter.show_routing(view.routing, view.expert)
        look_at(self._viewer, view)

    def _on_active(self, event: object) -> None:
        layer: Layer | None = event.value  # type: ignore[attr-defined]
        self.presenter.follow(layer)
        self.form.choose_slide(layer)

    def _on_slide(self, info: SlideInfo | None) -> None:
        if info is not None and info.um_per_pixel is not None:
            scale_bar(self._viewer).visible = True
        self._on_choice()

    def _on_model(self, bundle: Bundle | None) -> None:
        self._on_choice()

    def _on_choice(self) -> None:
        self.desk.choose(self.form.bundle, self.form.layer, self.form.info)
        self._say_facts()

    def _on_shapes_wanted(self) -> None:
        if self.form.shapes_layer() is None:
            add_regions_layer(self._viewer, self.form.layer)

    def _on_theme(self, event: object = None) -> None:
        self.setStyleSheet(dock_style(self._viewer.theme))
        self.show_panel.search.set_list_style(list_style(self._viewer.theme))

    # -- models and files ------------------------------------------------------------------------------------

    def _on_folder_wanted(self) -> None:
        # After the list has closed: a dialog inside its signal would keep it open.
        QTimer.singleShot(0, self._ask_for_folder)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a trained model")
        if folder:
            self._opener.ask("folder", partial(models.load_one, Path(folder), self.presenter.run))
        else:
            self.form.choose_again()

    def _on_models(self, what: str, bundles: list[Bundle]) -> None:
        self.form.set_models(self.memory.in_order(bundles))
        for run in self.presenter.runs_on_show():
            # A result that was opened before a model of a chosen folder was.
            bundle = self.form.model_of(run.weights_hash)
            if bundle is not None and not run.scores.can_guide:
                self.presenter.add_run(with_model(run, bundle), self.presenter.slide_layer_of(run))
        if not bundles:
            self.row.say("No model is installed here. Choose the folder of one under Model.")

    def _on_model_opened(self, what: str, opened: tuple[Bundle, Run | None]) -> None:
        bundle, run = opened
        self.row.say(None)
        self.form.add_model(bundle)
        self.memory.take_model(bundle)
        if run is not None:
            self.presenter.add_run(run, self.presenter.slide_layer_of(run))

    def _on_model_refused(self, what: str, error: BaseException) -> None:
        self._on_error(what, error)
        self.form.choose_again()

    def _on_error(self, what: str, error: BaseException) -> None:
        self.row.say(sentence(error))

    def _on_save(self) -> None:
        run = self.presenter.run
        if run is None:
            return
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the prediction", f"{run.slide_name}.h5ad", "AnnData (*.h5ad);;Zarr (*.zarr)"
        )
        if name:
            self._saver.ask("save", partial(models.save, run, Path(name)))

    def _on_saved(self, what: str, path: Path) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {path}")

    # -- the end ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Kill what runs, remove its files and let go of the viewer; also when Qt has deleted the dock already."""
        if self._stopped:
            return
        self._stopped = True
        self.live.stop()
        self._quiet.end()
        self.presenter.stop()
        for background in (self._lister, self._opener, self._saver):
            background.stop()
        self.readout.stop()
        self.keys.stop()
        self.first_steps.stop()
        self.show_panel.stop()
        self.experts.stop()
        for part in self.parts:
            part.stop()
        self.desk.settings.flush()
        self.desk.close_panels()
        layers = self._viewer.layers
        for event in (layers.events.inserted, layers.events.removed, layers.events.renamed):
            event.disconnect(self._on_layers)
        layers.events.inserted.disconnect(self._on_inserted)
        layers.selection.events.active.disconnect(self._on_active)
        self._viewer.events.theme.disconnect(self._on_theme)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        # The theme's font is known only now.
        self.form.polish()

    def changeEvent(self, event: QEvent | None) -> None:
        super().changeEvent(event)
        # The × of a dock takes the panel out of it and forgets about it.
        if event is not None and event.type() == QEvent.Type.ParentChange and self.parent() is None:
            self.stop()
            self.deleteLater()


def _let_go(widget: PredictWidget, _: object = None) -> None:
    widget.stop()

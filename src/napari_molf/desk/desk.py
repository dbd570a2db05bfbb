"""What the sections of a dock share: the viewer, the score on show, the model and slide that are chosen, panels, a word to the user."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qtpy.QtCore import QObject, Signal

from napari_molf.desk.part import Panel
from napari_molf.desk.settings import Settings, settings_path

if TYPE_CHECKING:
    from napari.layers import Layer
    from napari.viewer import Viewer

    from molf_engine.bundle import Bundle
    from napari_molf.core.request import Request
    from napari_molf.core.run import Run
    from napari_molf.core.slide_layer import SlideInfo
    from napari_molf.desk.presenter import Presenter

Area = Literal["left", "right", "top", "bottom"]
PanelT = TypeVar("PanelT", bound=Panel)


@dataclass(frozen=True)
class Outcome:
    """How a prediction ended.  With neither ``run`` nor ``error`` it was cancelled."""

    request: Request
    run: Run | None = None
    error: str | None = None


def _no_form(layer: Layer) -> Request:
    from molf_engine.errors import BundleError

    raise BundleError("No model is chosen. Choose one under Model.")


def _no_start(request: Request, layer: Layer) -> None:
    _no_form(layer)


class Desk(QObject):
    """Shared by the sections of one dock; they know it, and not each other.

    Parameters
    ----------
    viewer
        The viewer that the dock is in.
    presenter
        Which score of which run is on the map.

    Signals
    -------
    said(object)
        A sentence for the user that stays in sight until the next one; none takes it back.
    prediction_wanted(object)
        A section wants a prediction: changes, a mapping, to the :class:`~napari_molf.core.request.Request` of the form.
    prediction_began(object)
        A prediction is being made: its request.
    prediction_progressed(object, object)
        A ``Progress`` and the rate in units per second, or none.
    prediction_ended(object)
        An :class:`Outcome`; its run is on show by then.
    chosen()
        Another model or another slide was chosen, or more became known of the slide.
    """

    said = Signal(object)
    prediction_wanted = Signal(object)
    prediction_began = Signal(object)
    prediction_progressed = Signal(object, object)
    prediction_ended = Signal(object)
    chosen = Signal()

    def __init__(self, viewer: Viewer, presenter: Presenter, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.presenter = presenter
        self.bundle: Bundle | None = None
        """The model that the form names."""
        self.slide_layer: Layer | None = None
        """The slide that the form names."""
        self.info: SlideInfo | None = None
        """What is known of that slide."""
        self.request_for: Callable[[Layer], Request] = _no_form
        """The request for the whole tissue of a slide's layer, with the form's model and code; raises ``MolfError``."""
        self.start_prediction: Callable[[Request, Layer], None] = _no_start
        """Make exactly this prediction of a slide's layer; raises ``MolfError`` while another one is being made."""
        self.predicting = False
        """Whether a prediction is being made."""
        self.prediction_began.connect(self._on_began)
        self.prediction_ended.connect(self._on_ended)
        self.settings = Settings(settings_path(), self)
        """What is remembered between sessions."""
        self.settings.failed.connect(self.say)
        self._panels: dict[str, Panel] = {}

    @property
    def run(self) -> Run | None:
        """The prediction whose scores are offered."""
        return self.presenter.run

    @property
    def run_slide_layer(self) -> Layer | None:
        """The open slide that this prediction was made on."""
        return None if self.run is None else self.presenter.slide_layer_of(self.run)

    def choose(self, bundle: Bundle | None, slide_layer: Layer | None, info: SlideInfo | None) -> None:
        """Note what the form names."""
        self.bundle, self.slide_layer, self.info = bundle, slide_layer, info
        self.chosen.emit()

    def say(self, sentence: str | None) -> None:
        """Tell the user something that stays in sight, an error above all; none: nothing to say any more."""
        self.said.emit(sentence)

    def ask_prediction(self, **changes: Any) -> None:
        """Predict as the form describes it, but for ``changes`` to the request."""
        self.prediction_wanted.emit(changes)

    def open_panel(self, make: Callable[[], PanelT], name: str, area: Area = "bottom") -> PanelT:
        """Show a panel in a dock of its own; the one that is open already is brought to the front.

        Parameters
        ----------
        make
            Makes the panel.
        name
            Title of its dock; one panel has it at a time.
        area
            Side of the window.
        """
        open_already = self._panels.get(name)
        if open_already is not None:
            dock = open_already.parentWidget()
            while dock is not None and not hasattr(dock, "toggleViewAction"):
                dock = dock.parentWidget()
            if dock is not None:
                dock.show()
                dock.raise_()
            return open_already  # type: ignore[return-value]
        panel = make()
        self._panels[name] = panel
        panel.closed.connect(self._on_panel_closed)
        self.viewer.window.add_dock_widget(panel, name=name, area=area)
        return panel

    def panel(self, name: str) -> Panel | None:
        """The panel of that name, if it is open."""
        return self._panels.get(name)

    def close_panels(self) -> None:
        """Close every panel: the dock goes."""
        for panel in list(self._panels.values()):
            panel.stop()
            # A window that closes has let go of its docks already: napari raises what it happens to miss first.
            with suppress(AttributeError, LookupError, RuntimeError):
                self.viewer.window.remove_dock_widget(panel)
        self._panels.clear()

    def _on_began(self, request: Request) -> None:
        self.predicting = True

    def _on_ended(self, outcome: Outcome) -> None:
        self.predicting = False

    def _on_panel_closed(self) -> None:
        gone = self.sender()
        self._panels = {name: panel for name, panel in self._panels.items() if panel is not gone}

"""The settings of a prediction as a magicgui form; it works without a window, too.

Nothing is asked that can be known: the slide says how many um a pixel is, the model which cancer codes it has seen.  What was guessed is
shown as guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from magicgui.widgets import ComboBox, Container, Label, LineEdit, RadioButtons
from psygnal import Signal
from qtpy.QtWidgets import QLabel, QRadioButton

from napari_molf.core.request import (
    ENTER_SCALE,
    MISSING_SCALE,
    UNKNOWN_CODE,
    RegionKind,
    Request,
    codes_of,
    fitting_model,
    shape_regions,
    view_region,
)
from napari_molf.core.slide_layer import SlideInfo, set_um_per_pixel, slide_info

if TYPE_CHECKING:
    import numpy as np
    from napari.components import ViewerModel
    from napari.layers import Layer

    from molf_engine.bundle import Bundle

CHOOSE_FOLDER = "choose folder…"
SLIDE_TIP = "The slide layer whose expression is predicted."
REGIONS: tuple[RegionKind, ...] = ("whole tissue", "view", "shapes")
Origin = Literal["file", "guess", "given", "missing"]


@dataclass
class _ScaleState:
    """Where the um per pixel in the form comes from."""

    info: SlideInfo | None = None
    origin: Origin = "missing"


class SettingsForm(Container):
    """Slide, um per pixel, model, cancer type, region.

    Parameters
    ----------
    viewer
        Whose layers are offered; none: :meth:`set_slide` says which slide it is.
    bundles
        Models to choose from.
    """

    model_changed = Signal(object)
    """The :class:`~molf_engine.bundle.Bundle` that is chosen."""
    folder_wanted = Signal()
    """The user wants to choose a model's folder."""
    slide_changed = Signal(object)
    """The :class:`~napari_molf.core.slide_layer.SlideInfo` of the slide that is chosen, or none."""
    shapes_wanted = Signal()
    """Drawn shapes are to limit the region."""

    def __init__(self, viewer: ViewerModel | None = None, bundles: Sequence[Bundle] = ()) -> None:
        self._viewer = viewer
        self._bundles: list[Bundle] = []
        self._scale = _ScaleState()
        self._model_by_hand = False
        self._last: Bundle | None = None
        self.slide = ComboBox(
            label="Slide",
            choices=self._slide_choices,
            nullable=True,
            tooltip=SLIDE_TIP,
        )
        self.um = LineEdit(
            tooltip="Side of one pixel of the full-resolution slide, in um. 40x scans: about 0.25; 20x: about 0.5."
        )
        self.um_origin = Label()
        um_row = Container(layout="horizontal", labels=False, label="um per pixel", widgets=[self.um, self.um_origin])
        um_row.margins = (0, 0, 0, 0)
        self.model = ComboBox(label="Model", choices=self._model_choices, tooltip="The trained model that predicts.")
        self.code = ComboBox(
            label="Cancer type",
            choices=self._code_choices,
            tooltip="OncoTree code of the tissue. Only codes that the model has seen are offered; Unknown is always right.",
        )
        self.region = RadioButtons(
            choices=REGIONS,
            orientation="horizontal",
            tooltip="Predict the whole tissue, what the window shows, or inside drawn shapes.",
        )
        self.fields: Container[Any] = Container(labels=True)
        # One by one: magicgui gives its labels a common width when a widget joins a container that exists.
        self.fields.extend([self.slide, um_row, self.model, self.code])
        # On a line of its own: in a narrow dock three choices need all of it.
        region = Container(labels=False, widgets=[Label(value="Region"), self.region])
        super().__init__(widgets=[self.fields, region], labels=False)
        for container in (self, self.fields, region):
            container.margins = (0, 0, 0, 0)
        self.region.value = REGIONS[0]
        for widget, name in (
            (self.slide, "Slide"),
            (self.um, "um per pixel"),
            (self.model, "Model"),
            (self.code, "Cancer type"),
        ):
            widget.native.setAccessibleName(name)
        self.slide.changed.connect(self._on_slide)
        self.um.changed.connect(self._on_um)
        self.model.changed.connect(self._on_model)
        self.region.changed.connect(self._on_region)
        self.set_models(bundles)
        self.refresh_slides()

    # -- what is chosen --------------------------------------------------------------------------------------

    @property
    def layer(self) -> Layer | None:
        """The slide layer that is chosen."""
        return self.slide.value

    @property
    def info(self) -> SlideInfo | None:
        """What is known of the slide that is chosen."""
        return self._scale.info

    @property
    def bundle(self) -> Bundle | None:
        """The model that is chosen."""
        value = self.model.value
        return None if value == CHOOSE_FOLDER else value

    @property
    def um_per_pixel(self) -> float | None:
        """The number in the form, as exact as the file has it; none if there is none."""
        info = self._scale.info
        if info is not None and self._scale.origin in ("file", "guess"):
            return info.um_per_pixel if self._scale.origin == "file" else info.guess
        try:
            value = float(self.um.value.replace(",", "."))
        except ValueError:
            return None
        return value if math.isfinite(value) and value > 0 else None

    def request(self) -> Request:
        """The prediction that the form describes.

        Raises
        ------
        MolfError
            If something is missing; the message says what to do.
        """
        from molf_engine.errors import BundleError, MissingScaleError, NoTissueError, SlideError

        info, bundle, um = self.info, self.bundle, self.um_per_pixel
        if info is None:
            raise SlideError(
                "There is no slide yet. Drag one into the window, or choose File > Open Sample > Simulated slide (MoLF)."
            )
        if bundle is None:
            raise BundleError("No model is chosen. Choose one under Model.")
        if um is None:
            typed = self.um.value.strip()
            raise MissingScaleError(
                f"{typed!r} is not a number of um above 0. {ENTER_SCALE}" if typed else MISSING_SCALE
            )
        regions: tuple[np.ndarray, ...] | None = None
        if self.layer is not None and self._viewer is not None:
            # From here on the slide is drawn in um, so that view and shapes mean what the user sees.
            set_um_per_pixel(self.layer, um, self._viewer)
            if self.region.value == "view":
                regions = (view_region(self._viewer, self.layer),)
            elif self.region.value == "shapes":
                shapes = self.shapes_layer()
                regions = shape_regions(shapes, self.layer) if shapes is not None else ()
                if not regions:
                    raise NoTissueError("There is no drawn shape yet. Draw one around the tissue, then press Predict.")
        given = um if self._scale.origin != "file" else None
        return Request(info.path, bundle.path, given, str(self.code.value or UNKNOWN_CODE), regions)

    def request_for(self, layer: Layer) -> Request:
        """The prediction of the whole tissue of a slide layer, with the model and the code that are chosen.

        Raises
        ------
        MolfError
            If there is no model, or nobody has said how many um a pixel of that slide is.
        """
        from molf_engine.errors import BundleError, MissingScaleError, SlideError

        info, bundle = slide_info(layer), self.bundle
        if info is None:
            raise SlideError(f"{layer.name} shows no slide.")
        if bundle is None:
            raise BundleError("No model is chosen. Choose one under Model.")
        um, by_hand = info.um_per_pixel, info.source != "file"
        if layer is self.layer:
            um, by_hand = self.um_per_pixel, self._scale.origin != "file"
        if um is None:
            raise MissingScaleError("um per pixel is not known: choose this slide under Slide and enter it there.")
        set_um_per_pixel(layer, um, self._viewer)
        return Request(info.path, bundle.path, um if by_hand else None, str(self.code.value or UNKNOWN_CODE))

    def model_at(self, path: Path | str) -> Bundle | None:
        """The model of that folder, if it is open."""
        return next((bundle for bundle in self._bundles if bundle.path == Path(path)), None)

    def model_of(self, weights_hash: str) -> Bundle | None:
        """The open model with these weights."""
        return next((bundle for bundle in self._bundles if bundle.weights_hash == weights_hash), None)

    def shapes_layer(self) -> Any:
        """The Shapes layer that limits the region: the selected one, or the topmost."""
        if self._viewer is None:
            return None
        from napari.layers import Shapes

        active = self._viewer.layers.selection.active
        if isinstance(active, Shapes):
            return active
        return next((layer for layer in reversed(self._viewer.layers) if isinstance(layer, Shapes)), None)

    # -- what can be chosen ----------------------------------------------------------------------------------

    def set_models(self, bundles: Sequence[Bundle], chosen: Bundle | None = None) -> None:
        """Offer these models, and choose one: ``chosen``, or else the one that fits the slide."""
        self._bundles = list(bundles)
        self._model_by_hand = chosen is not None
        with self.model.changed.blocked():
            # Emptied first: magicgui appends what is new behind what it keeps, and the folder comes last.
            self.model.choices = ()
            self.model.choices = self._model_choices
            fitting = chosen or fitting_model(self._bundles, self.info)
            if fitting is not None:
                self.model.value = fitting
        self._on_model(self.model.value, by_hand=False)

    def add_model(self, bundle: Bundle) -> None:
        """Offer one more model, and choose it."""
        self.set_models([*(b for b in self._bundles if b.path != bundle.path), bundle], bundle)

    def polish(self) -> None:
        """Finish what magicgui cannot know before the form is shown: labels as wide as the widest needs in the window's font."""
        labels = [label for label in self.fields.native.findChildren(QLabel) if label is not self.um_origin.native]
        widest = max(label.sizeHint().width() for label in labels)
        for label in labels:
            label.setFixedWidth(widest)
        for button in self.region.native.findChildren(QRadioButton):
            button.setToolTip(self.region.tooltip)

    def choose_slide(self, layer: Layer | None) -> None:
        """Choose a slide layer, if it is one."""
        if layer is not None and layer is not self.layer and layer in self.slide.choices:
            self.slide.value = layer

    def choose_again(self) -> None:
        """Go back to the model that was chosen before a folder was asked for."""
        if self._last is not None:
            with self.model.changed.blocked():
                self.model.value = self._last

    def set_slide(self, info: SlideInfo | None) -> None:
        """Describe a slide that is no layer."""
        self._take_slide(info)

    def refresh_slides(self) -> None:
        """Offer the slide layers that are there now; a new one is chosen if none was, or if it is selected."""
        if self._viewer is None:
            return
        before = self.slide.value
        with self.slide.changed.blocked():
            self.slide.reset_choices()
            layers = [layer for _, layer in self._slide_choices(self.slide)]
            if before not in layers:
                before = None
            active = self._viewer.layers.selection.active
            self.slide.value = active if active in layers else before or (layers[-1] if layers else None)
        self._on_slide(self.slide.value)

    def _slide_choices(self, _: Any) -> list[tuple[str, Layer]]:
        if self._viewer is None:
            return []
        return [(layer.name, layer) for layer in self._viewer.layers if slide_info(layer) is not None]

    def _model_choices(self, _: Any) -> list[tuple[str, Any]]:
        return [*((bundle.name, bundle) for bundle in self._bundles), (CHOOSE_FOLDER, CHOOSE_FOLDER)]

    def _code_choices(self, _: Any) -> list[str]:
        return list(codes_of(self.bundle)) if self.bundle is not None else [UNKNOWN_CODE]

    # -- reactions -------------------------------------------------------------------------------------------

    def _on_slide(self, layer: Layer | None) -> None:
        self._take_slide(slide_info(layer) if layer is not None else None)

    def _take_slide(self, info: SlideInfo | None) -> None:
        if info is not None and info == self._scale.info:
            return
        self._scale = _ScaleState(info)
        text: str
        origin: Origin
        if info is None:
            text, origin = "", "missing"
        elif info.um_per_pixel is not None:
            text, origin = f"{info.um_per_pixel:.4g}", "file" if info.source == "file" else "given"
        elif info.guess is not None:
            text, origin = f"{info.guess:.4g}", "guess"
        else:
            text, origin = "", "missing"
        self._scale.origin = origin
        with self.um.changed.blocked():
            self.um.value = text
        self._say_origin()
        self.slide.tooltip = SLIDE_TIP if info is None else f"{SLIDE_TIP}\n{info.path}"
        if not self._model_by_hand and self._bundles:
            fitting = fitting_model(self._bundles, info)
            if fitting is not None and fitting is not self.bundle:
                self.model.value = fitting
                self._model_by_hand = False
        self.slide_changed.emit(info)

    def _on_um(self, text: str) -> None:
        info = self._scale.info
        self._scale.origin = "given"
        if info is not None and info.source == "file" and text == f"{info.um_per_pixel:.4g}":
            self._scale.origin = "file"
        elif self.um_per_pixel is None:
            self._scale.origin = "missing"
        self._say_origin()

    def _say_origin(self) -> None:
        guess = self._scale.info.guess if self._scale.info is not None else None
        power = f"{10 / guess:.3g}x" if guess else ""
        says = {
            "file": "from the file",
            "guess": f"guessed from {power}",
            "given": "given by you",
            "missing": "please enter",
        }
        self.um_origin.value = says[self._scale.origin] if self._scale.info is not None else ""

    def _on_model(self, value: Any, by_hand: bool = True) -> None:
        if value == CHOOSE_FOLDER:
            # With no model at all this is the only choice, and nobody made it.
            if by_hand:
                self.folder_wanted.emit()
            return
        self._model_by_hand = self._model_by_hand or by_hand
        self._last = value
        before = self.code.value
        self.code.reset_choices()
        if before in self.code.choices:
            self.code.value = before
        self.model_changed.emit(self.bundle)

    def _on_region(self, region: RegionKind) -> None:
        if region == "shapes":
            self.shapes_wanted.emit()


def build_settings_form(
    viewer: ViewerModel | None = None, *, slide: Path | str | None = None, bundles: Sequence[Bundle] | None = None
) -> SettingsForm:
    """The form by itself: ``build_settings_form(slide=path).request()`` says what the dock would ask the engine for.

    Parameters
    ----------
    viewer
        Whose slide layers are offered.
    slide
        A slide file instead.
    bundles
        Models to choose from; those known on this machine if not given.
    """
    from molf_engine.bundle import Bundle, known_bundles

    form = SettingsForm(viewer, [Bundle.load(p) for p in known_bundles().values()] if bundles is None else bundles)
    if slide is not None:
        from molf_engine.slides import open_slide
        from napari_molf.core.slide_layer import info_of

        with open_slide(slide) as opened:
            form.set_slide(info_of(opened))
    return form

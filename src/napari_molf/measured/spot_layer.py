"""The one layer of measured spots: discs of their true size, coloured by the score that is on the map.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_molf.core.compat import colour_bar
from napari_molf.core.layers import Placement

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

METADATA_KEY = "molf_measured"
# The engine counts from the outer edge of the first pixel, napari from its centre.
_EDGE_TO_CENTRE = -0.5
_RIM = "#202020"


@dataclass(frozen=True, eq=False)
class Discs:
    """Where measured spots lie on a slide.

    Attributes
    ----------
    slide
        File of the slide.
    positions
        (S, 2) centres x, y in level-0 pixels, counted from the edge of the first pixel.
    diameter_um
        Of a spot.
    um_per_pixel
        Of the slide.
    """

    slide: Path
    positions: NDArray[np.floating]
    diameter_um: float
    um_per_pixel: float

    @property
    def centres(self) -> NDArray[np.floating]:
        """(S, 2) centres y, x in um, as napari counts."""
        return (self.positions[:, ::-1] + _EDGE_TO_CENTRE) * self.um_per_pixel


class SpotLayer:
    """Keeps at most one layer of measured spots in a viewer; the user may rename, move and delete it.

    Parameters
    ----------
    viewer
        Where it is.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    @property
    def layer(self) -> Layer | None:
        """The layer, if it is there."""
        for layer in self._viewer.layers:
            if METADATA_KEY in layer.metadata:
                return layer
        return None

    def draw(self, discs: Discs, name: str, slide_layer: Layer | None) -> Layer:
        """Draw spots as rings without a value, in place of those that are there."""
        self.remove()
        chosen = self._viewer.layers.selection.active
        # The rim tells a measured disc from the predicted square under it, whatever their colours.
        layer = self._viewer.add_points(
            discs.centres,
            name=name,
            features={"value": np.full(len(discs.positions), np.nan, np.float32)},
            symbol="disc",
            size=discs.diameter_um,
            face_color="transparent",
            border_color=_RIM,
            border_width=0.06,
            blending="translucent",
            metadata={METADATA_KEY: str(discs.slide)},
            units=("um", "um"),
            axis_labels=("y", "x"),
            **Placement(slide_layer).of((1.0, 1.0), (0.0, 0.0)),
        )
        # A new layer becomes the active one, which the user did not ask for.
        if chosen is not None and chosen in self._viewer.layers:
            self._viewer.layers.selection.active = chosen
        return layer

    def colour(self, values: ArrayLike, limits: tuple[float, float], colormap: Any, name: str) -> None:
        """Colour the spots by their (S,) values; a layer that the user deleted stays deleted."""
        layer: Any = self._renamed(name)
        if layer is None:
            return
        layer.features = {"value": np.asarray(values, np.float32)}
        layer.face_color = "value"
        layer.face_colormap = colormap
        layer.face_contrast_limits = limits
        layer.refresh_colors()

    def clear(self, name: str) -> None:
        """Show rings alone: there is no value to show."""
        layer: Any = self._renamed(name)
        if layer is not None:
            layer.face_color = "transparent"

    def _renamed(self, name: str) -> Layer | None:
        layer = self.layer
        if layer is not None and layer.name != name:
            layer.name = name
        return layer

    def set_limits(self, limits: tuple[float, float]) -> None:
        """Change the colour limits of spots that have values."""
        layer: Any = self.layer
        if layer is not None and layer.face_color_mode == "colormap":
            layer.face_contrast_limits = limits

    def set_visible(self, visible: bool) -> None:
        """Show or hide the spots."""
        layer = self.layer
        if layer is not None and layer.visible != visible:
            layer.visible = visible

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1."""
        layer = self.layer
        if layer is not None and layer.opacity != opacity:
            layer.opacity = opacity

    def show_key(self, visible: bool) -> None:
        """Show or hide a colour bar of their own."""
        layer = self.layer
        bar = None if layer is None else colour_bar(layer)
        if bar is not None:
            bar.visible = visible

    def remove(self) -> None:
        """Take the layer away."""
        layer = self.layer
        if layer is not None:
            self._viewer.layers.remove(layer)

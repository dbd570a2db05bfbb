"""One patch of the slide, shown: the camera goes there, and a frame marks it.  Works on a ``ViewerModel``: no Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.compat import camera, canvas_size
from napari_molf.core.layers import Placement

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_molf.core.run import Run

METADATA_KEY = "molf_marker"
FIELD_PATCHES = 9
"""How many patches fit into the shorter side of the canvas: near enough to see cells, far enough to know where one is."""


class PatchMarker:
    """A frame around one patch at a time.

    Parameters
    ----------
    viewer
        Where it is drawn.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer

    @property
    def layer(self) -> Layer | None:
        """The layer with the frame, if there is one that the user has not deleted."""
        return next((layer for layer in self._viewer.layers if METADATA_KEY in layer.metadata), None)

    def go_to(self, run: Run, patch: int, slide_layer: Layer | None, name: str) -> None:
        """Frame a patch and look at it.

        Parameters
        ----------
        run
            Whose patch.
        patch
            Its row in the prediction.
        slide_layer
            The slide, wherever it was moved or turned to.
        name
            What the layer with the frame is called.
        """
        self.remove()
        layer = self._frame(run, patch, Placement(slide_layer), name)
        view = camera(self._viewer)
        view.center = tuple(np.asarray(layer.data_to_world(layer.data[0]))[-2:])
        view.zoom = min(canvas_size(self._viewer)) / (FIELD_PATCHES * _side(run))

    def remove(self) -> None:
        """Take the frame away."""
        layer = self.layer
        if layer is not None:
            self._viewer.layers.remove(layer)

    def _frame(self, run: Run, patch: int, placement: Placement, name: str) -> Any:
        chosen = set(self._viewer.layers.selection)
        active = self._viewer.layers.selection.active
        side = _side(run)
        # White around black: one of them is seen on any tissue and on any map.
        layer = self._viewer.add_points(
            np.repeat(run.patches.centres[patch][None], 2, axis=0),
            name=name,
            symbol="square",
            size=[side * 1.12, side],
            face_color="transparent",
            border_color=["white", "black"],
            border_width=[0.06 / 1.12, 0.06],
            metadata={METADATA_KEY: run.id},
            units=("um", "um"),
            axis_labels=("y", "x"),
            **placement.of((1.0, 1.0), (0.0, 0.0)),
        )
        # A frame is looked at, not worked with: the layer that was chosen stays chosen.
        self._viewer.layers.selection = chosen
        self._viewer.layers.selection.active = active
        return layer


def _side(run: Run) -> float:
    return run.patches.size_px * run.patches.pixel_size

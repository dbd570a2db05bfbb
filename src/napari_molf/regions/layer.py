"""A layer to draw regions in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

NAME = "Regions"


def add_regions_layer(viewer: ViewerModel, slide_layer: Layer | None) -> Any:
    """Add an empty Shapes layer in the slide's units, ready for drawing polygons."""
    unit = "um" if slide_layer is None else str(slide_layer.units[-1])
    extent = 1000.0 if slide_layer is None else float(np.ptp(slide_layer.extent.world, axis=0).max())
    layer = viewer.add_shapes(
        ndim=2,
        name=NAME,
        units=(unit, unit),
        axis_labels=("y", "x"),
        # As wide as two screen pixels when the whole slide is in view.
        edge_width=extent / 400,
        edge_color="#0072b2",
        face_color="#0072b222",
    )
    layer.mode = "add_polygon"
    return layer

"""Regions as shapes: a layer to draw in, and the way between its shapes and regions of the slide.  No Qt.

A layer of regions remembers the slide they were drawn on.  Each shape has a name and a class; shapes of one name are one region.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.maps import ellipse_polygon
from napari_molf.regions.anchor import Anchor, Frame, anchor_of

if TYPE_CHECKING:
    import pandas as pd
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.types import FullLayerData

    from molf_engine.regions import Region

NAME = "Regions"
METADATA_KEY = "molf_regions"
COLOUR = "#0072b2"
_LINES = ("line", "path")
_FACE_ALPHA = "22"


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn in a layer, taken out of it so that another thread may look at it.

    Attributes
    ----------
    shapes
        Corners y, x of the layer.
    kinds
        napari's shape types.
    names, classes, colours
        One for each shape.
    frame
        Where the layer lies in the world.
    """

    shapes: tuple[np.ndarray, ...]
    kinds: tuple[str, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    colours: tuple[str, ...]
    frame: Frame


def add_regions_layer(viewer: ViewerModel, slide_layer: Layer | None) -> Any:
    """Add an empty Shapes layer in the slide's units, ready for drawing polygons."""
    anchor = None if slide_layer is None else anchor_of(slide_layer)
    layer = viewer.add_shapes(ndim=2, **_arguments(anchor, None))
    layer.mode = "add_polygon"
    return layer


def layer_for(viewer: ViewerModel, anchor: Anchor) -> Any:
    """The layer to draw on a slide: the selected one of its regions, or its topmost one, or a new one.

    A Shapes layer that the user made and selected becomes one of its regions.
    """
    from napari.layers import Shapes

    active = viewer.layers.selection.active
    if isinstance(active, Shapes) and active.ndim == 2 and (not active.metadata or slide_of(active) == anchor.path):
        if slide_of(active) is None:
            adopt(active, anchor)
        return active
    mine = region_layers(viewer, anchor.path)
    return mine[-1] if mine else viewer.add_shapes(ndim=2, **_arguments(anchor, None))


def adopt(layer: Any, anchor: Anchor) -> None:
    """Let a Shapes layer hold regions of a slide."""
    layer.metadata[METADATA_KEY] = {"slide": anchor.path}
    layer.features = features_of(layer).assign(slide=anchor.path.name)
    layer.feature_defaults = _defaults(anchor)
    layer.text = _text()


def is_of_regions(layer: Layer) -> bool:
    """Whether a layer without its slide held regions once: what saves layers keeps their features, and not what we note beside them."""
    from napari.layers import Shapes

    return (
        isinstance(layer, Shapes)
        and slide_of(layer) is None
        and {"name", "class", "slide"} <= set(layer.features.columns)
    )


def said_slide(layer: Any) -> str:
    """File name of the slide that the features of a layer name; empty: none."""
    names = layer.features["slide"]
    return str(names.iloc[0]) if len(names) else ""


def layer_data(regions: Sequence[Region], anchor: Anchor, name: str) -> FullLayerData:
    """Layer data of regions on their slide."""
    import pandas as pd

    outlines = [(region, outline) for region in regions for outline in region.outlines()]
    colours = [region.colour or COLOUR for region, _ in outlines]
    features = pd.DataFrame({"name": [r.name for r, _ in outlines], "class": [r.classification for r, _ in outlines]})
    features["slide"] = anchor.path.name
    arguments = _arguments(anchor, features) | {
        "name": name,
        "shape_type": "polygon",
        "edge_color": colours,
        "face_color": [colour + _FACE_ALPHA for colour in colours],
    }
    return [anchor.to_world(outline) for _, outline in outlines], arguments, "shapes"


def slide_of(layer: Layer) -> Path | None:
    """The slide whose regions a layer holds; none for any other layer."""
    entry = layer.metadata.get(METADATA_KEY)
    return entry.get("slide") if isinstance(entry, dict) else None


def region_layers(viewer: ViewerModel, path: Path | None) -> list[Any]:
    """The layers that hold regions of a slide, the topmost last."""
    return [] if path is None else [layer for layer in viewer.layers if slide_of(layer) == path]


def features_of(layer: Any) -> pd.DataFrame:
    """Its features, with a name and a class for every shape; empty: not given."""
    features = layer.features.copy()
    for column in ("name", "class"):
        if column not in features:
            features[column] = ""
        features[column] = features[column].astype(object).where(features[column].notna(), "").astype(str)
    return features


def forget_inherited_names(layer: Any) -> None:
    """Take its name from what was just drawn: napari gives a new shape the features of the one that was selected before it."""
    table = features_of(layer)
    known = layer.metadata[METADATA_KEY].get("named", 0)
    new = table.index[min(known, len(table) - 1) :]
    if len(new):
        table.loc[new, ["name", "class"]] = ""
        layer.features = table


def name_new_shapes(layers: Sequence[Any]) -> None:
    """Give every shape without a name one that no other has."""
    tables = [features_of(layer) for layer in layers]
    taken = {name for table in tables for name in table["name"]}
    number = 0
    for layer, table in zip(layers, tables, strict=True):
        unnamed = table.index[table["name"].str.strip() == ""]
        for row in unnamed:
            number += 1
            while f"Region {number}" in taken:
                number += 1
            table.loc[row, "name"] = f"Region {number}"
        if len(unnamed):
            layer.features = table
        layer.metadata[METADATA_KEY]["named"] = len(table)


def change(layers: Sequence[Any], name: str, column: str, value: str) -> None:
    """Set the ``name`` or the ``class`` of every shape of one name."""
    for layer in layers:
        table = features_of(layer)
        rows = table["name"] == name
        if rows.any():
            table.loc[rows, column] = value
            layer.features = table


def remove(layers: Sequence[Any], names: set[str]) -> None:
    """Take the shapes of these names away."""
    for layer in layers:
        rows = np.flatnonzero(features_of(layer)["name"].isin(names))
        if len(rows):
            layer.selected_data = set(rows.tolist())
            layer.remove_selected()


def take(layer: Any) -> Drawn:
    """What is drawn in a layer; quick, and for the window's thread."""
    features = features_of(layer)
    return Drawn(
        tuple(np.array(shape)[:, -2:] for shape in layer.data),
        tuple(str(kind) for kind in layer.shape_type),
        tuple(features["name"]),
        tuple(features["class"]),
        tuple(_hex(colour) for colour in layer.edge_color),
        Frame.of_layer(layer),
    )


def regions_of(drawn: Sequence[Drawn], anchor: Anchor) -> tuple[Region, ...]:
    """Regions of the slide, in the order of their first shapes; lines, and shapes that are still being drawn, are none."""
    from molf_engine.regions import Region
    from molf_engine.regions.region import unbridged

    found: dict[str, list[Any]] = {}
    for each in drawn:
        for shape, kind, *said in zip(each.shapes, each.kinds, each.names, each.classes, each.colours, strict=True):
            name, classification, colour = said
            if kind in _LINES or len(shape) < 3:
                continue
            outline = ellipse_polygon(shape) if kind == "ellipse" else shape
            rings = unbridged(outline)
            polygon = tuple(anchor.to_slide(each.frame.to_world(ring)) for ring in rings)
            if polygon and all(np.isfinite(ring).all() for ring in polygon):
                found.setdefault(name, [[], classification, colour])[0].append(polygon)
    return tuple(Region(name, tuple(polygons), c, colour) for name, (polygons, c, colour) in found.items())


def _arguments(anchor: Anchor | None, features: pd.DataFrame | None) -> dict[str, Any]:
    import pandas as pd

    unit = "um" if anchor is None else anchor.unit
    corners = np.array([(0, 0), (1000, 1000)]) if anchor is None else anchor.to_world(np.array([(0, 0), anchor.size]))
    if features is None:
        features = pd.DataFrame({column: pd.Series(dtype=object) for column in ("name", "class", "slide")})
    return {
        "name": NAME,
        "units": (unit, unit),
        "axis_labels": ("y", "x"),
        # As wide as two screen pixels when the whole slide is in view.
        "edge_width": float(np.ptp(corners, axis=0).max()) / 400,
        "edge_color": COLOUR,
        "face_color": COLOUR + _FACE_ALPHA,
        "opacity": 1.0,
        "features": features,
        "feature_defaults": _defaults(anchor),
        "text": _text(),
        "metadata": {} if anchor is None else {METADATA_KEY: {"slide": anchor.path}},
    }


def _defaults(anchor: Anchor | None) -> dict[str, str]:
    return {"name": "", "class": "", "slide": "" if anchor is None else anchor.path.name}


def _text() -> dict[str, Any]:
    return {"string": "{name}", "size": 11, "color": "black", "anchor": "center"}


def _hex(colour: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in colour[:3])

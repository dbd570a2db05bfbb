"""What a session holds: slides, predictions, drawn shapes and the view.  Taken from a viewer, and made into layers again.  No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.layers import METADATA_KEY, Placement, ResultLayers, run_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.run import Run
from napari_molf.core.slide_layer import SlideInfo, slide_info
from napari_molf.core.view_state import ViewState

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.types import FullLayerData

    from molf_engine.slides import Slide

SESSION_KEY = "molf_session"


@dataclass(frozen=True)
class SlideEntry:
    """One slide.

    Attributes
    ----------
    name
        Of its layer.
    info
        Its file, and how many um a pixel is.
    translate, rotate
        Where its layer was moved and turned to: (2,) and (2, 2), world units.
    visible
        Whether it was to be seen.
    """

    name: str
    info: SlideInfo
    translate: tuple[float, ...] = (0.0, 0.0)
    rotate: tuple[tuple[float, ...], ...] = ((1.0, 0.0), (0.0, 1.0))
    visible: bool = True


@dataclass(frozen=True)
class ShapesEntry:
    """One layer of drawn shapes.

    Attributes
    ----------
    name
        Of the layer.
    kinds
        What each shape is: polygon, ellipse, ...
    vertices
        (N, 2) of each shape, (y, x) in world units.
    features
        Columns of its table, a value for each shape.
    edge_widths, edge_colours, face_colours
        How each shape is drawn; widths in world units, colours as RGBA, 0 to 1.
    unit
        World unit.
    """

    name: str
    kinds: tuple[str, ...]
    vertices: tuple[np.ndarray, ...]
    features: dict[str, list[Any]] = field(default_factory=dict)
    edge_widths: tuple[float, ...] = ()
    edge_colours: tuple[tuple[float, ...], ...] = ()
    face_colours: tuple[tuple[float, ...], ...] = ()
    unit: str = "um"


@dataclass(frozen=True)
class Session:
    """A screen that can be kept.

    Attributes
    ----------
    slides
        Every open slide.
    runs
        Every prediction that has a layer.
    shapes
        Every layer of drawn shapes.
    current
        Id of the prediction whose scores are offered.
    view
        What of it is shown; none without a prediction.
    missing
        Slides that were not found when the session was opened.
    """

    slides: tuple[SlideEntry, ...]
    runs: tuple[Run, ...]
    shapes: tuple[ShapesEntry, ...]
    current: str | None = None
    view: ViewState | None = None
    missing: tuple[str, ...] = ()


def slides_of(viewer: ViewerModel) -> tuple[SlideEntry, ...]:
    """Every open slide, once."""
    entries: dict[Path, SlideEntry] = {}
    for layer in viewer.layers:
        info = slide_info(layer)
        if info is not None and info.path not in entries:
            rotate = np.asarray(layer.rotate)[-2:, -2:]
            entries[info.path] = SlideEntry(
                layer.name,
                info,
                tuple(float(v) for v in np.asarray(layer.translate)[-2:]),
                tuple(tuple(float(v) for v in row) for row in rotate),
                bool(layer.visible),
            )
    return tuple(entries.values())


def shapes_of(viewer: ViewerModel) -> tuple[ShapesEntry, ...]:
    """Every layer of drawn shapes that belongs to no prediction."""
    from napari.layers import Shapes

    layers = [layer for layer in viewer.layers if isinstance(layer, Shapes) and run_of(layer) is None]
    return tuple(_shapes_entry(layer) for layer in layers)


def _shapes_entry(layer: Any) -> ShapesEntry:
    world = [np.stack([np.asarray(layer.data_to_world(p))[-2:] for p in np.asarray(shape)]) for shape in layer.data]
    table = layer.features
    return ShapesEntry(
        layer.name,
        tuple(str(kind) for kind in layer.shape_type),
        tuple(world),
        {str(column): [_plain(value) for value in table[column]] for column in table.columns},
        tuple(float(width) for width in np.atleast_1d(layer.edge_width)),
        _colours(layer.edge_color),
        _colours(layer.face_color),
        str(layer.units[-1]),
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _colours(colours: Any) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in colour) for colour in np.asarray(colours, float).reshape(-1, 4))


def layers_of(session: Session, slides: Sequence[tuple[SlideEntry, Slide]]) -> list[FullLayerData]:
    """Layers of a session, from the bottom: slides that were opened, maps, drawn shapes.

    The last one carries the session, so that a dock can set the view; without a dock the maps can be looked at all the same.
    """
    from napari_molf.core.slide_layer import slide_layer_data

    data: list[FullLayerData] = []
    placements: dict[Path, Placement] = {}
    for entry, slide in slides:
        array, arguments, kind = slide_layer_data(slide, simulated=entry.info.simulated)
        placed = {**arguments, "name": entry.name, "visible": entry.visible}
        placed |= {"translate": entry.translate, "rotate": np.asarray(entry.rotate)}
        data.append((array, placed, kind))
        placements[entry.info.path] = _placement(placed)
    for run in session.runs:
        if run.slide_path not in placements:
            from napari_molf.core.saved import thumbnail_layer_data

            data.append(thumbnail_layer_data(run))
        data.append(_map_of(run, placements.get(run.slide_path), session))
    data += [_shapes_data(entry) for entry in session.shapes]
    if data:
        data[-1][1]["metadata"] = {**data[-1][1].get("metadata", {}), SESSION_KEY: session}
    return data


def session_in(layer: Layer) -> Session | None:
    """The session that a layer was opened with, if it was the last of one."""
    session = layer.metadata.get(SESSION_KEY)
    return session if isinstance(session, Session) else None


def _placement(arguments: dict[str, Any]) -> Placement:
    from napari.layers import Image

    bare = {key: arguments[key] for key in ("scale", "translate", "rotate")}
    return Placement(Image(np.zeros((2, 2), np.uint8), **bare))


def _map_of(run: Run, placement: Placement | None, session: Session) -> FullLayerData:
    from napari.components import ViewerModel

    view = session.view if run.id == session.current else None
    score = view.score if view is not None else run.scores.first_to_show()
    guidance = run.scores.guidance
    values = run.scores.values(score, guidance, relative=False)
    name = f"{score.name} · guidance {guidance:.3g} · {run.model}"
    layer = ResultLayers(ViewerModel(), run.id, run.patches, placement).show_score(values, name, robust_limits(values))
    layer.metadata[METADATA_KEY]["result"] = run
    array, arguments, kind = layer.as_layer_data_tuple()
    return array, {**arguments, "visible": run.id == session.current}, kind


def _shapes_data(entry: ShapesEntry) -> FullLayerData:
    import pandas as pd

    arguments = {
        "name": entry.name,
        "ndim": 2,
        "features": pd.DataFrame(entry.features) if entry.features else None,
        "units": (entry.unit, entry.unit),
        "axis_labels": ("y", "x"),
    }
    if entry.kinds:
        arguments |= {
            "shape_type": list(entry.kinds),
            "edge_width": list(entry.edge_widths),
            "edge_color": np.asarray(entry.edge_colours),
            "face_color": np.asarray(entry.face_colours),
        }
    return list(entry.vertices), arguments, "shapes"


def with_slide(run: Run, path: Path) -> Run:
    """The same prediction, its slide being at another path."""
    return replace(run, slide_path=path)

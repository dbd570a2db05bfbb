"""Where a slide lies in the world, so that regions stay on the slide they were drawn on.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.saved import result_in
from napari_molf.core.slide_layer import slide_info

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_molf.core.run import Run

# The engine and QuPath count from the outer edge of the first pixel, napari from its centre.
_CENTRE_TO_EDGE = 0.5


@dataclass(frozen=True, eq=False)
class Frame:
    """An affine map between data (y, x) of a layer and the world."""

    matrix: np.ndarray
    offset: np.ndarray

    @classmethod
    def of_layer(cls, layer: Layer) -> Frame:
        """Of a layer as it is shown now, moved and turned."""
        last = layer.ndim - 2
        corners = [np.asarray(layer.data_to_world((0,) * last + point))[-2:] for point in ((0, 0), (1, 0), (0, 1))]
        return cls(np.column_stack([corners[1] - corners[0], corners[2] - corners[0]]), corners[0])

    def to_world(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) y, x of the layer as y, x of the world."""
        world: np.ndarray = points @ self.matrix.T + self.offset
        return world

    def from_world(self, points: np.ndarray) -> np.ndarray:
        """(N, 2) y, x of the world as y, x of the layer."""
        return np.linalg.solve(self.matrix, (points - self.offset).T).T


@dataclass(frozen=True, eq=False)
class Anchor:
    """The slide that regions belong to.

    Attributes
    ----------
    path
        Its file; regions remember it.
    name
        For a person.
    size
        (width, height), level-0 pixels.
    um_per_pixel
        None if nobody has said.
    unit
        World unit: ``um`` or ``pixel``.
    frame
        Where its level-0 pixels lie in the world.
    """

    path: Path
    name: str
    size: tuple[int, int]
    um_per_pixel: float | None
    unit: str
    frame: Frame

    def to_slide(self, world: np.ndarray) -> np.ndarray:
        """(N, 2) world positions y, x as level-0 pixels x, y, counted from the edge of the first pixel."""
        return self.frame.from_world(world)[:, ::-1] + _CENTRE_TO_EDGE

    def to_world(self, pixels: np.ndarray) -> np.ndarray:
        """(N, 2) level-0 pixels x, y as world positions y, x."""
        return self.frame.to_world((np.asarray(pixels) - _CENTRE_TO_EDGE)[:, ::-1])


def anchor_of(layer: Layer) -> Anchor | None:
    """The slide that a layer shows, or whose saved prediction it shows; none for any other layer."""
    info = slide_info(layer)
    if info is not None:
        unit = "pixel" if info.um_per_pixel is None else "um"
        return Anchor(info.path, info.path.stem, info.size, info.um_per_pixel, unit, Frame.of_layer(layer))
    run = result_in(layer)
    return None if run is None else anchor_of_run(run)


def anchor_of_run(run: Run) -> Anchor:
    """The slide of a prediction whose file is not open: it lies where the prediction puts it."""
    um = run.patches.pixel_size
    said = run.scores.adata.uns["molf"]["slide"]
    size = int(said["width"]), int(said["height"])
    return Anchor(run.slide_path, run.slide_name, size, um, "um", Frame(np.eye(2) * um, np.zeros(2)))


def find_anchor(viewer: ViewerModel, path: Path | None, run: Run | None = None) -> Anchor | None:
    """The open slide of that path, or the slide of the run if it is not open."""
    for layer in viewer.layers:
        info = slide_info(layer)
        if info is not None and info.path == path:
            return anchor_of(layer)
    return anchor_of_run(run) if run is not None and run.slide_path == path else None


def anchor_named(viewer: ViewerModel, file_name: str) -> Anchor | None:
    """The open slide whose file has that name."""
    anchors = (anchor_of(layer) for layer in viewer.layers)
    return next((anchor for anchor in anchors if anchor is not None and anchor.path.name == file_name), None)


def anchor_on_show(viewer: ViewerModel) -> Anchor | None:
    """The slide that the selected layer shows, or else the topmost one."""
    active = viewer.layers.selection.active
    layers = [*([active] if active is not None else []), *reversed(viewer.layers)]
    return next((anchor for layer in layers if (anchor := anchor_of(layer)) is not None), None)

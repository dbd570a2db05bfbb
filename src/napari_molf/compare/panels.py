"""Several maps of one slide side by side, each over the tissue.  Works on a ``ViewerModel``: no Qt.

napari's grid puts every few layers into a panel of their own, under one camera.  The layers of the panels stand below all others, which
are hidden for as long: their number does not shift the panels, and nothing of theirs is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_molf.core.compat import camera, colour_bar, grid, scale_bar
from napari_molf.core.drawing import Drawing, set_limits
from napari_molf.core.views import Limits, Wanted

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

MOST = 9
"""Panels at most; more are too small to read."""
PANEL_KEY = "molf_panel"
COLOURMAP = "viridis"
SPACING = 0.01


@dataclass(frozen=True)
class PanelMap:
    """What a panel is to show: (P,) ``values`` of ``wanted``, NaN where a patch is not to be seen."""

    wanted: Wanted
    name: str
    values: NDArray[np.floating]
    limits: Limits


@dataclass(frozen=True)
class _Panel:
    tissue: Layer | None
    score: Layer

    @property
    def layers(self) -> list[Layer]:
        return [self.score] if self.tissue is None else [self.tissue, self.score]


@dataclass(frozen=True)
class _SingleView:
    """What is put back when the panels go."""

    visible: list[tuple[Layer, bool]]
    active: Layer | None
    grid: dict[str, Any]
    camera: dict[str, Any]
    scale_bar: dict[str, Any]


def shape_of(count: int) -> tuple[int, int]:
    """Rows and columns for so many panels: as square as they get, and rather wide than high."""
    columns = ceil(sqrt(count))
    return ceil(count / columns), columns


class SideBySide:
    """Panels in a viewer.

    Parameters
    ----------
    viewer
        Where they go.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._drawing: Drawing | None = None
        self._slide_layer: Layer | None = None
        self._opacity = 1.0
        self._panels: dict[Wanted, _Panel] = {}
        self._before: _SingleView | None = None

    @property
    def is_open(self) -> bool:
        """Whether there are panels."""
        return self._before is not None

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """What the panels show, in their order."""
        return tuple(self._panels)

    def open(self, maps: Sequence[PanelMap], drawing: Drawing, slide_layer: Layer | None, opacity: float) -> None:
        """Put maps side by side, each over a copy of the slide's layer that shares its pixels; whatever else is there is hidden.

        Parameters
        ----------
        maps
            One for each panel, at most :data:`MOST`.
        drawing
            Draws maps of these patches.
        slide_layer
            Their slide; none: the maps stand alone.
        opacity
            0 to 1, of the maps.
        """
        self._before = self._single_view()
        self._drawing, self._slide_layer, self._opacity = drawing, slide_layer, opacity
        for layer in self._viewer.layers:
            layer.visible = False
        self.show(maps)
        rows, columns = shape_of(len(maps))
        view = camera(self._viewer)
        # Each panel shows the tissue that the whole canvas did.
        view.zoom = view.zoom / max(rows, columns)
        bar = scale_bar(self._viewer)
        bar.visible = True
        if hasattr(bar, "gridded"):
            bar.gridded = True

    def show(self, maps: Sequence[PanelMap]) -> None:
        """Show other maps: those that have a panel change in it, others get one, and panels without a map go."""
        wanted = [each.wanted for each in maps]
        self._remove(layer for key, panel in self._panels.items() if key not in wanted for layer in panel.layers)
        kept, self._panels = self._panels, {}
        for place, each in enumerate(maps):
            panel = kept.get(each.wanted)
            self._panels[each.wanted] = self._add(each, place) if panel is None else self._change(panel, each)
        if list(kept) != wanted:
            self.arrange()

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1, of the maps."""
        self._opacity = opacity
        for panel in self._panels.values():
            panel.score.opacity = opacity

    def arrange(self) -> None:
        """Put the panels' layers below all others, in their order, and cut the canvas to their number."""
        layers = self._viewer.layers
        ours = [layer for panel in self._panels.values() for layer in panel.layers]
        for place, layer in enumerate(ours):
            if layers.index(layer) != place:
                layers.move(layers.index(layer), place)
        stride = 1 if self._slide_layer is None else 2
        _set(
            grid(self._viewer),
            {"stride": stride, "shape": shape_of(len(ours) // stride), "spacing": SPACING, "enabled": True},
        )

    def missing(self) -> tuple[Wanted, ...]:
        """Panels of which the user has deleted a layer."""
        there = set(self._viewer.layers)
        return tuple(key for key, panel in self._panels.items() if not there.issuperset(panel.layers))

    @property
    def disturbed(self) -> bool:
        """Whether the panels cannot go on: the grid was switched off, or a layer came that is in the way."""
        if self._before is None:
            return False
        known = {layer for layer, _ in self._before.visible} | {
            layer for panel in self._panels.values() for layer in panel.layers
        }
        return not grid(self._viewer).enabled or any(
            layer.visible and layer not in known for layer in self._viewer.layers
        )

    def at(self, cell: tuple[int, int] | None) -> Wanted | None:
        """What is shown in a (row, column) of the grid."""
        if cell is None or not self.is_open:
            return None
        inside = {self._viewer.layers[index] for index in grid(self._viewer).contents_at(cell, self._viewer.layers)}
        return next((key for key, panel in self._panels.items() if inside.intersection(panel.layers)), None)

    def select(self, wanted: Wanted) -> None:
        """Make a panel's map the active layer, so that napari's own controls act on it."""
        panel = self._panels.get(wanted)
        if panel is not None and panel.score in self._viewer.layers:
            self._viewer.layers.selection.active = panel.score

    def close(self) -> None:
        """Take the panels away and put everything back as it was."""
        before, self._before = self._before, None
        if before is None:
            return
        panels, self._panels = self._panels, {}
        self._remove(layer for panel in panels.values() for layer in panel.layers)
        _set(grid(self._viewer), before.grid)
        there = set(self._viewer.layers)
        for layer, visible in before.visible:
            if layer in there:
                layer.visible = visible
        _set(scale_bar(self._viewer), before.scale_bar)
        _set(camera(self._viewer), before.camera)
        if before.active in there:
            self._viewer.layers.selection.active = before.active

    def _add(self, each: PanelMap, place: int) -> _Panel:
        assert self._drawing is not None
        mark = {PANEL_KEY: each.wanted.score.name}
        score = self._drawing.make(
            each.values, each.name, each.limits, COLOURMAP, opacity=self._opacity, metadata=dict(mark)
        )
        # Set before the layer is in a viewer, which would lay its canvas out anew each time.
        _label(score)
        tissue = None if self._slide_layer is None else _copy(self._slide_layer, each.wanted, mark)
        panel = _Panel(tissue, score)
        for number, layer in enumerate(panel.layers):
            self._viewer.layers.insert(len(panel.layers) * place + number, layer)
        return panel

    def _change(self, panel: _Panel, each: PanelMap) -> _Panel:
        assert self._drawing is not None
        # One that the user has just deleted is noticed by ``missing``.
        if panel.score in self._viewer.layers:
            self._drawing.redraw(panel.score, each.values, None, thumbnail=False)
            _limit(panel.score, each.limits)
            if panel.score.name != each.name:
                panel.score.name = each.name
        return panel

    def _remove(self, layers: Iterable[Layer]) -> None:
        for layer in list(layers):
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _single_view(self) -> _SingleView:
        layers = self._viewer.layers
        return _SingleView(
            [(layer, layer.visible) for layer in layers],
            layers.selection.active,
            _get(grid(self._viewer), ("stride", "shape", "spacing", "enabled")),
            _get(camera(self._viewer), ("angles", "zoom", "center")),
            _get(scale_bar(self._viewer), ("visible", "gridded")),
        )


def _copy(slide_layer: Any, wanted: Wanted, mark: dict[str, Any]) -> Layer:
    from napari.layers import Image

    return Image(
        # The same arrays: what one panel has read of the slide, the others find in the cache.
        list(slide_layer.data) if slide_layer.multiscale else slide_layer.data,
        rgb=slide_layer.rgb,
        multiscale=slide_layer.multiscale,
        name=f"Tissue under {wanted.score.name}",
        metadata=mark,
        scale=slide_layer.scale,
        translate=slide_layer.translate,
        rotate=slide_layer.rotate,
        affine=slide_layer.affine,
        units=slide_layer.units,
        axis_labels=slide_layer.axis_labels,
    )


def _label(score: Any) -> None:
    """Show the name of a map and the key of its colours, small enough for a panel and out of each other's way."""
    bar = colour_bar(score)
    if bar is not None:
        bar.visible, bar.position, bar.size, bar.font_size = True, "bottom_left", (14, 90), 8
    if hasattr(score, "name_overlay"):
        score.name_overlay.visible, score.name_overlay.font_size = True, 8


def _limit(layer: Any, limits: Limits) -> None:
    if hasattr(layer, "contrast_limits"):
        set_limits(layer, limits)
    elif tuple(layer.face_contrast_limits) != tuple(limits):
        layer.face_contrast_limits = limits
        layer.refresh_colors()


def _get(model: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(model, name) for name in names if hasattr(model, name)}


def _set(model: Any, values: dict[str, Any]) -> None:
    for name, value in values.items():
        # napari lays the canvas out anew for each, even for what is so already.
        if getattr(model, name) != value:
            setattr(model, name, value)

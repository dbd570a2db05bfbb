"""The one place that turns a prediction into layers.  Works on a ``ViewerModel``: no Qt.

A run owns at most one layer per thing to look at: the score, the top expert, one expert's weight or load, the entropy.  Changing what is
shown changes the data of that layer.  Layers are known by the run's id in their metadata, never by name or place, so that users may
rename, reorder and delete them at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_molf.core.maps import PatchMap
from napari_molf.core.numbers import number_places
from napari_molf.core.palette import EXPERT_COLOURS, MAX_EXPERTS, ink_on

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

Role = Literal["score", "expert", "weight", "load", "entropy", "numbers"]
METADATA_KEY = "molf_run"
_COLOURMAPS: Mapping[Role, str] = {"score": "viridis", "weight": "cividis", "load": "cividis", "entropy": "cividis"}


class Placement:
    """Where the slide lies in the world: a prediction follows a slide that was moved or turned."""

    def __init__(self, slide_layer: Layer | None = None) -> None:
        self._rotate = np.eye(2) if slide_layer is None else np.asarray(slide_layer.rotate)[-2:, -2:]
        self._translate = np.zeros(2) if slide_layer is None else np.asarray(slide_layer.translate)[-2:]
        self._affine = np.eye(3) if slide_layer is None else np.asarray(slide_layer.affine.affine_matrix)[-3:, -3:]

    def of(self, scale: tuple[float, float], translate: tuple[float, float]) -> dict[str, Any]:
        """Layer arguments that put something at ``translate`` (y, x) on the slide, um."""
        return {
            "scale": scale,
            "rotate": self._rotate,
            "translate": tuple(self._rotate @ np.asarray(translate) + self._translate),
            "affine": self._affine,
        }


def run_of(layer: Layer) -> str | None:
    """Id of the run that made a layer, if one did."""
    return layer.metadata.get(METADATA_KEY, {}).get("run")


def role_of(layer: Layer) -> Role | None:
    """What a layer of ours shows."""
    return layer.metadata.get(METADATA_KEY, {}).get("role")


def mark(run_id: str, role: Role, **more: object) -> dict[str, Any]:
    """Metadata by which a layer is found again."""
    return {METADATA_KEY: {"run": run_id, "role": role, **more}}


class ResultLayers:
    """Layers of one run.

    Parameters
    ----------
    viewer
        Where they go.
    run_id
        The run they belong to.
    patches
        Where its patches are.
    placement
        Where its slide lies.
    """

    def __init__(self, viewer: ViewerModel, run_id: str, patches: PatchMap, placement: Placement | None = None) -> None:
        self._viewer = viewer
        self._run_id = run_id
        self._patches = patches
        self._placement = placement or Placement()
        self.opacity = 0.7

    def layer(self, role: Role) -> Layer | None:
        """The layer that shows ``role``, if the user has not deleted it."""
        for layer in self._viewer.layers:
            if run_of(layer) == self._run_id and role_of(layer) == role:
                return layer
        return None

    def all(self) -> list[Layer]:
        """Every layer of this run that is still there."""
        return [layer for layer in self._viewer.layers if run_of(layer) == self._run_id]

    def show_score(
        self, values: ArrayLike, name: str, limits: tuple[float, float] | None, *, thumbnail: bool = True
    ) -> Layer:
        """Show (P,) values; ``limits`` none: keep those that are set.  The layer is made once and changed in place.

        A layer that is hidden stays hidden: see :meth:`show_only`.
        """
        return self._show("score", values, name, limits, thumbnail=thumbnail)

    def show_only(self, role: Role) -> None:
        """Hide every map of this run but one: colours that lie on each other can be read by nobody."""
        shown = (role, "numbers") if role == "expert" else (role,)
        for layer in self.all():
            layer.visible = role_of(layer) in shown

    def update_score(self, values: ArrayLike, limits: tuple[float, float] | None = None) -> None:
        """Change the values of the score layer while a map fills; a layer that the user deleted stays deleted."""
        layer = self.layer("score")
        if layer is not None:
            self._swap(layer, values, limits, thumbnail=False)

    def show_weight(self, weights: ArrayLike, name: str) -> Layer:
        """Show the (P,) weight of one expert, 0 to 1."""
        return self._show("weight", weights, name, (0.0, 1.0))

    def show_load(self, load: ArrayLike, name: str) -> Layer:
        """Show the (P,) share of the patches around each that use one expert, 0 to 1."""
        return self._show("load", load, name, (0.0, 1.0))

    def show_entropy(self, entropy: ArrayLike, name: str) -> Layer:
        """Show how undecided the gate was, 0 to 1."""
        return self._show("entropy", entropy, name, (0.0, 1.0))

    def show_experts(self, experts: NDArray[np.integer], count: int, name: str) -> Layer:
        """Show the (P,) top expert, counted from 0, in one colour each, with its number on every larger area.

        Raises
        ------
        ValueError
            If there are more experts than colours that can be told apart.
        """
        if count > MAX_EXPERTS:
            raise ValueError(f"{count} experts cannot be told apart by colour; at most {MAX_EXPERTS} can")
        layer = self.layer("expert")
        if layer is not None:
            return layer
        if self._patches.grid is None:
            return self._viewer.add_points(
                self._patches.centres,
                face_color=[EXPERT_COLOURS[expert] for expert in experts],
                **self._points_arguments("expert", name),
            )
        from napari.utils.colormaps import DirectLabelColormap

        colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
        colours.update({expert + 1: EXPERT_COLOURS[expert] for expert in range(count)})
        layer = self._viewer.add_labels(
            self._patches.labels(experts),
            colormap=DirectLabelColormap(color_dict=colours),
            name=name,
            opacity=self.opacity,
            blending="translucent",
            **self._world("expert"),
        )
        self._add_numbers(number_places(self._patches.labels(experts)))
        self._viewer.layers.selection.active = layer
        return layer

    def _add_numbers(self, places: list[tuple[int, int, int]]) -> None:
        """Colour is not the only carrier: (row, column, expert counted from 1) as text, in the cells of the map itself."""
        old = self.layer("numbers")
        # The user may have deleted the map and left its numbers.
        if old is not None:
            self._viewer.layers.remove(old)
        if not places:
            return
        self._viewer.add_points(
            [(row, col) for row, col, _ in places],
            name="Numbers of experts",
            size=0.01,
            opacity=1.0,
            text={
                "string": {"array": [str(expert) for *_, expert in places]},
                "color": {"array": [ink_on(EXPERT_COLOURS[expert - 1]) for *_, expert in places]},
                "size": 10,
            },
            **self._world("numbers"),
        )

    def show_colour_bars(self) -> None:
        """Show the key of every map; a file does not remember it."""
        for layer in self.all():
            # Points carry no colour bar before napari 0.7.1.
            if hasattr(layer, "colorbar"):
                layer.colorbar.visible = True

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1, of every layer of this run."""
        self.opacity = opacity
        for layer in self.all():
            if role_of(layer) != "numbers":
                layer.opacity = opacity

    def remove(self) -> None:
        """Take every layer of this run away."""
        for layer in self.all():
            self._viewer.layers.remove(layer)

    def _show(
        self, role: Role, values: ArrayLike, name: str, limits: tuple[float, float] | None, *, thumbnail: bool = True
    ) -> Layer:
        layer = self.layer(role)
        if layer is None:
            return self._add(role, values, name, limits or (0.0, 1.0))
        self._swap(layer, values, limits, thumbnail=thumbnail)
        if layer.name != name:
            layer.name = name
        return layer

    def _add(self, role: Role, values: ArrayLike, name: str, limits: tuple[float, float]) -> Layer:
        if self._patches.grid is None:
            layer = self._viewer.add_points(
                self._patches.centres,
                features={"value": np.asarray(values, np.float32)},
                face_color="value",
                face_colormap=_COLOURMAPS[role],
                face_contrast_limits=limits,
                **self._points_arguments(role, name),
            )
        else:
            layer = self._viewer.add_image(
                self._patches.image(values),
                name=name,
                colormap=_COLOURMAPS[role],
                contrast_limits=limits,
                interpolation2d="nearest",
                blending="translucent",
                opacity=self.opacity,
                **self._world(role),
            )
        self.show_colour_bars()
        return layer

    def _swap(
        self, layer: Any, values: ArrayLike, limits: tuple[float, float] | None, *, thumbnail: bool = True
    ) -> None:
        if self._patches.grid is None:
            layer.features = {"value": np.asarray(values, np.float32)}
            if limits is not None:
                layer.face_contrast_limits = limits
            layer.refresh_colors()
            return
        # Written in place and redrawn: half the time of a new array, whose extent napari would measure again.
        layer.data[...] = self._patches.image(values)
        if limits is not None:
            set_limits(layer, limits)
        layer.refresh(thumbnail=thumbnail, extent=False)

    def _world(self, role: Role) -> dict[str, Any]:
        return {
            "metadata": mark(self._run_id, role),
            "units": ("um", "um"),
            "axis_labels": ("y", "x"),
            **self._placement.of(self._patches.scale, self._patches.translate),
        }

    def _points_arguments(self, role: Role, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "symbol": "disc",
            "size": self._patches.size_px * self._patches.pixel_size,
            "border_width": 0,
            "opacity": self.opacity,
            "blending": "translucent",
            "metadata": mark(self._run_id, role),
            "units": ("um", "um"),
            "axis_labels": ("y", "x"),
            **self._placement.of((1.0, 1.0), (0.0, 0.0)),
        }


def set_limits(layer: Any, limits: tuple[float, float]) -> None:
    """Set colour limits, first making room for them: napari clips limits to the range of its own slider."""
    if tuple(layer.contrast_limits) == tuple(limits):
        return
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
    layer.contrast_limits = limits

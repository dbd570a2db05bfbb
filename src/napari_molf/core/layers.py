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

from napari_molf.core.compat import colour_bar
from napari_molf.core.drawing import Drawing, Placement, diverging_colourmap
from napari_molf.core.maps import PatchMap
from napari_molf.core.numbers import number_places
from napari_molf.core.palette import EXPERT_COLOURS, MAX_EXPERTS, UNLIKE_COLOURS, ink_on

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

__all__ = ["METADATA_KEY", "Placement", "ResultLayers", "Role", "mark", "role_of", "run_of"]

Role = Literal["score", "expert", "weight", "load", "entropy", "numbers", "spread", "unlike", "faded"]
METADATA_KEY = "molf_run"
_COLOURMAPS: Mapping[Role, str] = {
    "score": "viridis",
    "weight": "cividis",
    "load": "cividis",
    "entropy": "cividis",
    "spread": "magma",
}
UNLIKE_LIMITS = (0.0, 2.0)
"""Of the distance from training over its limit, so that 1 is in the middle."""
_BESIDE: Mapping[Role, Role] = {"expert": "numbers", "score": "faded"}
"""What is shown together with a map, if it is there."""


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
        self.drawing = Drawing(patches, placement)
        self.opacity = 0.7
        self.held = False
        """Whether all of them stay hidden, because panels stand side by side in their place."""
        self._values: dict[Role, NDArray[np.floating]] = {}
        self._plain_colourmap: Any = None

    @property
    def patches(self) -> PatchMap:
        """Where the patches are."""
        return self._patches

    @property
    def drawn(self) -> bool:
        """Whether anything was ever drawn."""
        return bool(self._values)

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
        self,
        values: ArrayLike,
        name: str,
        limits: tuple[float, float] | None,
        *,
        thumbnail: bool = True,
        diverging: bool = False,
    ) -> Layer:
        """Show (P,) values, NaN where a patch is not to be seen.  The layer is made once and changed in place.

        A layer that is hidden stays hidden: see :meth:`show_only`.

        Parameters
        ----------
        values
            (P,) values.
        name
            Name of the layer.
        limits
            Colour limits; none: keep those that are set.
        thumbnail
            Whether to draw the layer's little picture anew, too.
        diverging
            Whether the values lie on both sides of 0.  The colours are then those of a difference; those that were set before
            come back with the next plain score.
        """
        layer = self._show("score", values, name, limits, thumbnail=thumbnail)
        self._colour(layer, diverging)
        return layer

    def show_only(self, role: Role) -> None:
        """Hide every map of this run but one: colours that lie on each other can be read by nobody."""
        shown = {role, _BESIDE.get(role, role)}
        for layer in self.all():
            layer.visible = role_of(layer) in shown and not self.held

    def set_smooth(self, smooth: bool) -> None:
        """Draw maps as a surface through the patch centres, or as squares; patches at free positions stay discs."""
        self.drawing.smooth = smooth
        for role, values in self._values.items():
            layer = self.layer(role)
            if layer is not None:
                self.drawing.redraw(layer, values, None)

    def position(self, world: tuple[float, ...]) -> tuple[float, float] | None:
        """World position as (y, x) on the slide, um, wherever the slide was moved to; none without a layer to measure by."""
        layer = next(iter(self.all()), None)
        return None if layer is None else self.drawing.position(layer, world)

    def update_score(self, values: ArrayLike, limits: tuple[float, float] | None = None) -> None:
        """Change the values of the score layer while a map fills; a layer that the user deleted stays deleted."""
        layer = self.layer("score")
        if layer is not None:
            self.drawing.redraw(layer, values, limits, thumbnail=False)

    def show_weight(self, weights: ArrayLike, name: str) -> Layer:
        """Show the (P,) weight of one expert, 0 to 1."""
        return self._show("weight", weights, name, (0.0, 1.0))

    def show_load(self, load: ArrayLike, name: str) -> Layer:
        """Show the (P,) share of the patches around each that use one expert, 0 to 1."""
        return self._show("load", load, name, (0.0, 1.0))

    def show_entropy(self, entropy: ArrayLike, name: str) -> Layer:
        """Show how undecided the gate was, 0 to 1."""
        return self._show("entropy", entropy, name, (0.0, 1.0))

    def show_spread(self, spread: ArrayLike, name: str, limits: tuple[float, float]) -> Layer:
        """Show the (P,) standard deviation over draws of the score."""
        return self._show("spread", spread, name, limits)

    def show_unlike(self, distance: ArrayLike, name: str) -> Layer:
        """Show the (P,) distance from training over its limit."""
        return self._show("unlike", distance, name, UNLIKE_LIMITS)

    def show_faded(self, colours: NDArray[np.uint8], name: str) -> Layer:
        """Show (P, 4) colours in place of the score's own; its layer stays for its values and its colour bar."""
        layer = self.layer("faded")
        if layer is None:
            layer = self._add_colours(colours, name)
        elif self._patches.grid is None:
            layer.face_color = colours / 255
        else:
            layer.data[...] = self._patches.colours(colours)
            layer.refresh(extent=False)
        if layer.name != name:
            layer.name = name
        self.set_opacity(self.opacity)
        return layer

    def end_fading(self) -> None:
        """Show the score's own colours again."""
        layer, score = self.layer("faded"), self.layer("score")
        if layer is not None:
            if score is not None and self._viewer.layers.selection.active is layer:
                self._viewer.layers.selection.active = score
            self._viewer.layers.remove(layer)
        self.set_opacity(self.opacity)

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
                name=name,
                opacity=self.opacity,
                blending="translucent",
                metadata=mark(self._run_id, "expert"),
                **self.drawing.discs(),
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
            metadata=mark(self._run_id, "expert"),
            **self.drawing.world(),
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
            metadata=mark(self._run_id, "numbers"),
            **self.drawing.world(),
        )

    def show_colour_bars(self) -> None:
        """Show the key of every map; a file does not remember it."""
        for layer in self.all():
            bar = colour_bar(layer)
            if bar is not None:
                bar.visible = True

    def set_opacity(self, opacity: float) -> None:
        """Opacity, 0 to 1, of every layer of this run."""
        self.opacity = opacity
        faded = self.layer("faded") is not None
        for layer in self.all():
            if role_of(layer) != "numbers":
                layer.opacity = 0.0 if faded and role_of(layer) == "score" else opacity

    def remove(self) -> None:
        """Take every layer of this run away."""
        for layer in self.all():
            self._viewer.layers.remove(layer)

    def _show(
        self, role: Role, values: ArrayLike, name: str, limits: tuple[float, float] | None, *, thumbnail: bool = True
    ) -> Layer:
        self._values[role] = np.asarray(values, np.float32)
        layer = self.layer(role)
        if layer is None:
            if role == "score":
                self._plain_colourmap = None
            arguments = {
                "visible": not self.held,
                "opacity": self.opacity,
                "metadata": mark(self._run_id, role),
            }
            layer = self.drawing.make(values, name, limits or (0.0, 1.0), _colourmap(role), **arguments)
            self._viewer.add_layer(layer)
            self.show_colour_bars()
            return layer
        self.drawing.redraw(layer, values, limits, thumbnail=thumbnail)
        if layer.name != name:
            layer.name = name
        return layer

    def _colour(self, layer: Any, diverging: bool) -> None:
        attribute = "colormap" if self._patches.grid is not None else "face_colormap"
        if diverging and self._plain_colourmap is None:
            self._plain_colourmap = getattr(layer, attribute)
            setattr(layer, attribute, diverging_colourmap())
        elif not diverging and self._plain_colourmap is not None:
            setattr(layer, attribute, self._plain_colourmap)
            self._plain_colourmap = None

    def _add_colours(self, colours: NDArray[np.uint8], name: str) -> Layer:
        arguments = {
            "name": name,
            "blending": "translucent",
            "opacity": self.opacity,
            "visible": not self.held,
            "metadata": mark(self._run_id, "faded"),
        }
        if self._patches.grid is None:
            return self._viewer.add_points(
                self._patches.centres, face_color=colours / 255, **self.drawing.discs(), **arguments
            )
        return self._viewer.add_image(
            self._patches.colours(colours),
            rgb=True,
            interpolation2d="nearest",
            **self.drawing.world(),
            **arguments,
        )


def _colourmap(role: Role) -> Any:
    if role != "unlike":
        return _COLOURMAPS[role]
    from napari.utils import Colormap

    return Colormap(list(UNLIKE_COLOURS), name="unlike training", display_name="unlike training")

"""One value per patch as a layer, and how that layer is changed in place.  No Qt.

Patches on a grid are an image, each a pixel or, smooth, a few; patches at free positions are discs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_molf.core import rendering
from napari_molf.core.maps import PatchMap
from napari_molf.core.palette import DIVERGING

if TYPE_CHECKING:
    from napari.layers import Layer


_MICROMETRES = {"units": ("um", "um"), "axis_labels": ("y", "x")}


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


class Drawing:
    """Draws maps of the same patches.

    Parameters
    ----------
    patches
        Where the patches are.
    placement
        Where their slide lies.
    """

    def __init__(self, patches: PatchMap, placement: Placement | None = None) -> None:
        self._patches = patches
        self._placement = placement or Placement()
        self.smooth = False
        """Whether maps are surfaces through the patch centres, or squares."""

    def make(self, values: ArrayLike, name: str, limits: tuple[float, float], colourmap: object, **more: Any) -> Layer:
        """A map that is in no viewer yet.

        Parameters
        ----------
        values
            (P,) values, NaN where a patch is not to be seen.
        name, limits, colourmap
            Name, colour limits and colours of the layer.
        more
            Further arguments of the layer.
        """
        from napari.layers import Image, Points

        arguments = {"name": name, "blending": "translucent", **more}
        if self._patches.grid is None:
            return Points(
                self._patches.centres,
                features={"value": np.asarray(values, np.float32)},
                face_color="value",
                face_colormap=colourmap,
                face_contrast_limits=limits,
                **self.discs(),
                **arguments,
            )
        picture = self._picture(values)
        factor = picture.shape[0] // self._patches.grid.shape[0]
        scale, translate = np.asarray(self._patches.scale), np.asarray(self._patches.translate)
        return Image(
            picture,
            colormap=colourmap,
            contrast_limits=limits,
            interpolation2d="nearest",
            **_MICROMETRES,
            **self._placement.of(tuple(scale / factor), tuple(translate + rendering.shift(factor) * scale)),
            **arguments,
        )

    def redraw(
        self, layer: Any, values: ArrayLike, limits: tuple[float, float] | None, *, thumbnail: bool = True
    ) -> None:
        """Change a layer that :meth:`make` made to other (P,) values, in place; ``limits`` none: keep those that are set."""
        if self._patches.grid is None:
            layer.features = {"value": np.asarray(values, np.float32)}
            if limits is not None:
                layer.face_contrast_limits = limits
            layer.refresh_colors()
            return
        picture = self._picture(values)
        if limits is not None:
            set_limits(layer, limits)
        if layer.data.shape != picture.shape:
            self._resize(layer, picture)
            return
        # Written in place and redrawn: half the time of a new array, whose extent napari would measure again.
        layer.data[...] = picture
        layer.refresh(thumbnail=thumbnail, extent=False)

    def position(self, layer: Any, world: tuple[float, ...]) -> tuple[float, float]:
        """World position as (y, x) on the slide, um, wherever the user has moved the layer."""
        at = np.asarray(layer.world_to_data(world))[-2:]
        if self._patches.grid is None:
            return float(at[0]), float(at[1])
        factor = self._fineness(layer)
        cell = at / factor + rendering.shift(factor)
        y, x = np.asarray(self._patches.translate) + cell * np.asarray(self._patches.scale)
        return float(y), float(x)

    def world(self) -> dict[str, Any]:
        """Layer arguments of an image with one pixel per patch."""
        return {**_MICROMETRES, **self._placement.of(self._patches.scale, self._patches.translate)}

    def discs(self) -> dict[str, Any]:
        """Layer arguments of one disc per patch."""
        return {
            "symbol": "disc",
            "size": self._patches.size_px * self._patches.pixel_size,
            "border_width": 0,
            **_MICROMETRES,
            **self._placement.of((1.0, 1.0), (0.0, 0.0)),
        }

    def _picture(self, values: ArrayLike) -> NDArray[np.float32]:
        image = self._patches.image(values)
        return rendering.smooth(image, rendering.fineness(image.shape)) if self.smooth else image

    def _fineness(self, layer: Any) -> int:
        """Pixels across a patch in a layer on the grid."""
        assert self._patches.grid is not None
        return max(1, layer.data.shape[0] // self._patches.grid.shape[0])

    def _resize(self, layer: Any, picture: NDArray[np.float32]) -> None:
        """Change to a finer or coarser picture of the same tissue, wherever the user has moved the layer."""
        before = self._fineness(layer)
        layer.data = picture
        after = self._fineness(layer)
        cell = np.asarray(layer.scale)[-2:] * before
        moved = np.asarray(layer.rotate)[-2:, -2:] @ (cell * (rendering.shift(after) - rendering.shift(before)))
        layer.scale = cell / after
        layer.translate = np.asarray(layer.translate)[-2:] + moved


def diverging_colourmap() -> Any:
    """Colours of a difference, as napari wants them."""
    from napari.utils.colormaps import Colormap

    return Colormap(DIVERGING, name="molf_difference", display_name="difference")


def limits_of(layer: Any) -> tuple[float, float]:
    """Colour limits of a map, drawn as an image or as points."""
    low, high = layer.contrast_limits if hasattr(layer, "contrast_limits") else layer.face_contrast_limits
    return float(low), float(high)


def colormap_of(layer: Any) -> Any:
    """Colour map of a map, drawn as an image or as points."""
    return layer.colormap if hasattr(layer, "colormap") else layer.face_colormap


def set_limits(layer: Any, limits: tuple[float, float]) -> None:
    """Set colour limits, first making room for them: napari clips limits to the range of its own slider."""
    if tuple(layer.contrast_limits) == tuple(limits):
        return
    low, high = layer.contrast_limits_range
    layer.contrast_limits_range = (min(low, limits[0]), max(high, limits[1]))
    layer.contrast_limits = limits

"""What differs between the napari versions that are supported (0.7.1 and later)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


def scale_bar(viewer: ViewerModel) -> Any:
    """Overlay with the length of a bar in world units."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.overlays.scale_bar if canvas is not None and hasattr(canvas, "overlays") else viewer.scale_bar


def camera(viewer: ViewerModel) -> Any:
    """Camera of the viewer."""
    scene = getattr(viewer, "scene", None)
    return scene.camera if scene is not None else viewer.camera


def grid(viewer: ViewerModel) -> Any:
    """Panels side by side in the canvas."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.grid if canvas is not None and hasattr(canvas, "grid") else viewer.grid


def canvas_size(viewer: ViewerModel) -> tuple[int, int]:
    """(height, width) of the canvas, screen pixels."""
    canvas = getattr(viewer, "canvas", None)
    return tuple(canvas.size) if canvas is not None else tuple(viewer._canvas_size)


def colour_bar(layer: Any) -> Any:
    """Overlay with the key of a layer's colours; none for a kind of layer that has none."""
    for name in ("colorbar", "face_colorbar"):
        if hasattr(layer, name):
            return getattr(layer, name)
    return None

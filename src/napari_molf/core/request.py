"""What to predict, and how to ask for it without a window.  No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_molf.core.maps import ellipse_polygon
from napari_molf.core.slide_layer import SlideInfo

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from napari.layers import Layer

    from molf_engine.bundle import Bundle

UNKNOWN_CODE = "Unknown"
RegionKind = Literal["whole tissue", "view", "shapes"]
ENTER_SCALE = "The scanner's sheet will say it: often 0.25 (40x) or 0.50 (20x). Enter it above."
MISSING_SCALE = f"This slide does not say how many um a pixel is. {ENTER_SCALE}"


@dataclass(frozen=True)
class Request:
    """One prediction that is asked for.

    Attributes
    ----------
    slide
        File or folder of the slide.
    model
        Folder or name of the bundle.
    um_per_pixel
        The user's um per pixel; none: what the file says.
    code
        Cancer code.
    regions
        Polygons (N, 2) of x, y in level-0 pixels, counted from the edge of the first pixel; none: whole tissue.
    positions
        (P, 2) centres x, y of the patches, level-0 pixels, counted in the same way; none: a grid.
    names
        Their names; none: numbers.
    """

    slide: Path
    model: Path | str
    um_per_pixel: float | None = None
    code: str = UNKNOWN_CODE
    regions: tuple[np.ndarray, ...] | None = None
    positions: np.ndarray | None = None
    names: tuple[str, ...] | None = None


def predict(
    slide: Path | str,
    model: Path | str = "starter",
    *,
    um_per_pixel: float | None = None,
    code: str = UNKNOWN_CODE,
    regions: Sequence[np.ndarray] | None = None,
    guidance: float | None = None,
) -> AnnData:
    """What the Predict button does, without a window and in this process.

    Parameters
    ----------
    slide
        File or folder of the slide.
    model
        Folder or name of the bundle.
    um_per_pixel
        Overrides what the file says.
    code
        Cancer code that the model knows.
    regions
        Polygons (N, 2) of x, y in level-0 pixels; none: whole tissue.
    guidance
        Guidance scale; the model's own choice if not given.

    Returns
    -------
    AnnData
        See :mod:`molf_engine.prediction.contract`.

    Raises
    ------
    MolfError
        If the slide cannot be read, has no tissue or no um per pixel, or the model does not fit.
    """
    from molf_engine.bundle import Bundle
    from molf_engine.encoders import FeatureCache
    from molf_engine.prediction import predict_slide
    from molf_engine.slides import open_slide

    bundle = Bundle.load(model)
    with open_slide(slide, um_per_pixel) as opened:
        return predict_slide(opened, bundle, regions=regions, code=code, guidance=guidance, cache=FeatureCache())


def codes_of(bundle: Bundle) -> tuple[str, ...]:
    """Cancer codes to choose from: Unknown, and those that the model has seen."""
    return (UNKNOWN_CODE, *(code for code in bundle.config.trained_codes if code != UNKNOWN_CODE))


def fitting_model(bundles: Sequence[Bundle], info: SlideInfo | None) -> Bundle | None:
    """The model to offer first: one of simulated tissue for a simulated slide, of real tissue for any other."""
    wanted = info is not None and info.simulated
    return next((b for b in bundles if b.config.simulated == wanted), bundles[0] if bundles else None)


def view_region(viewer: ViewerModel, layer: Layer) -> np.ndarray:
    """(4, 2) corners x, y, level-0 pixels, of what the window shows of a slide."""
    from napari_molf.core.compat import camera, canvas_size

    view = camera(viewer)
    half = np.asarray(canvas_size(viewer)) / view.zoom / 2
    y, x = np.asarray(view.center)[-2:]
    corners = [(y + dy * half[0], x + dx * half[1]) for dy, dx in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
    return world_to_slide(np.asarray(corners), layer)


def shape_regions(shapes: Any, layer: Layer) -> tuple[np.ndarray, ...]:
    """Polygons x, y, level-0 pixels, of the areas drawn in a Shapes layer; lines and paths enclose nothing and are left out."""
    regions = []
    for vertices, kind in zip(shapes.data, shapes.shape_type, strict=True):
        if kind in ("line", "path"):
            continue
        outline = np.asarray(vertices)[:, -2:]
        outline = ellipse_polygon(outline) if kind == "ellipse" else outline
        world = np.stack([shapes.data_to_world(point) for point in outline])
        regions.append(world_to_slide(world, layer))
    return tuple(regions)


def world_to_slide(points: np.ndarray, layer: Layer) -> np.ndarray:
    """(N, 2) world positions (y, x) as level-0 pixels (x, y), counted from the edge of the first pixel."""
    pixels = np.stack([np.asarray(layer.world_to_data(point))[:2] for point in points])
    return pixels[:, ::-1] + 0.5

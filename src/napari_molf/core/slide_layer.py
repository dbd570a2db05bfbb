"""A slide as one multiscale layer that is read only where one looks.

Levels become dask arrays with chunks of one fixed size, whatever tiles the file has.  napari places level ``k`` by the ratio of its
size to that of level 0, which is the slide protocol's ``downsample``, so that levels and maps lie on each other to the pixel.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import dask.array as da
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.types import FullLayerData

    from molf_engine.slides import Slide

_log = logging.getLogger(__name__)

METADATA_KEY = "molf_slide"
CHUNK = 1024
"""Side of what is read at once, pixels."""


@dataclass(frozen=True)
class SlideInfo:
    """What a slide layer knows of its file.

    Attributes
    ----------
    path
        File or folder.
    size
        (width, height), level-0 pixels.
    um_per_pixel
        None if nobody has said.
    source
        ``file``, ``given`` or ``unknown``.
    guess
        um per pixel guessed from the objective, to be offered and never to be used unasked.
    simulated
        Whether the tissue is drawn, not scanned.
    """

    path: Path
    size: tuple[int, int]
    um_per_pixel: float | None
    source: str
    guess: float | None = None
    simulated: bool = False


class LevelArray:
    """One level as something that dask can slice; pixels are read when asked for.

    Parameters
    ----------
    slide
        The slide.
    level
        Its level that is read.
    """

    ndim = 3
    dtype = np.dtype(np.uint8)

    def __init__(self, slide: Slide, level: int) -> None:
        self._slide = slide
        self._level = level
        size = slide.levels[level]
        self.shape = (size.height, size.width, 3)

    def __getitem__(self, key: Any) -> NDArray[np.uint8]:
        from molf_engine.errors import SlideError

        (y0, y1, ystep), (x0, x1, xstep) = (part.indices(size) for part, size in zip(key[:2], self.shape, strict=False))
        try:
            region = self._slide.read_region(x0, y0, x1 - x0, y1 - y0, self._level)
        except SlideError as error:
            # One damaged tile must not take the picture of all others away.
            _log.warning("%s", error)
            region = np.full((y1 - y0, x1 - x0, 3), 255, np.uint8)
        return region[(slice(None, None, ystep), slice(None, None, xstep), *key[2:])]


def pyramid(slide: Slide) -> list[da.Array]:
    """Levels of a slide, finest first, each (height, width, 3) uint8 in chunks of :data:`CHUNK` pixels."""
    import dask.array as da

    sources = [LevelArray(slide, index) for index in range(len(slide.levels))]
    meta = np.empty((0, 0, 0), np.uint8)
    # name=False: a name from the content would read the content.
    return [da.from_array(s, chunks=(CHUNK, CHUNK, 3), asarray=False, meta=meta, name=False) for s in sources]


def info_of(slide: Slide, *, simulated: bool = False) -> SlideInfo:
    """What an open slide says of itself."""
    from molf_engine.slides import guess_um_per_pixel

    finest = slide.levels[0]
    return SlideInfo(
        path=Path(slide.path),
        size=(finest.width, finest.height),
        um_per_pixel=slide.um_per_pixel,
        source=slide.um_per_pixel_source,
        guess=guess_um_per_pixel(slide),
        simulated=simulated or _says_simulated(slide.properties),
    )


def _says_simulated(properties: Mapping[str, str]) -> bool:
    # The simulator writes what it drew into the description of the TIFF.
    try:
        said = json.loads(properties.get("description", ""))
    except ValueError:
        return False
    return isinstance(said, dict) and said.get("simulated") is True


def slide_layer_data(slide: Slide, *, simulated: bool = False) -> FullLayerData:
    """Layer data of a slide: in um where it says how many um a pixel is, else in pixels."""
    info = info_of(slide, simulated=simulated)
    unit = "pixel" if info.um_per_pixel is None else "um"
    arguments = {
        "name": slide.name,
        "rgb": True,
        "multiscale": True,
        "scale": (info.um_per_pixel or 1.0,) * 2,
        "units": (unit, unit),
        "axis_labels": ("y", "x"),
        "metadata": {METADATA_KEY: info},
    }
    return pyramid(slide), arguments, "image"


def slide_info(layer: Layer) -> SlideInfo | None:
    """What a layer knows of its slide; none if it shows no slide.

    An RGB image that another reader opened from a file counts: the file is opened again when its expression is predicted.
    """
    info = layer.metadata.get(METADATA_KEY)
    if isinstance(info, SlideInfo):
        return info
    path = getattr(getattr(layer, "source", None), "path", None)
    if not path or not getattr(layer, "rgb", False):
        return None
    height, width = layer.level_shapes[0][:2] if layer.multiscale else layer.data.shape[:2]
    return SlideInfo(Path(path), (int(width), int(height)), None, "unknown")


def set_um_per_pixel(layer: Layer, um_per_pixel: float, viewer: ViewerModel | None = None) -> None:
    """Show a slide layer in um, now that somebody has said how many a pixel is; the view and drawn shapes stay on the same tissue."""
    from napari_molf.core.compat import camera, scale_bar

    info = slide_info(layer)
    if info is None:
        raise ValueError(f"{layer.name} shows no slide")
    source = info.source if info.um_per_pixel == um_per_pixel else "given"
    layer.metadata[METADATA_KEY] = replace(info, um_per_pixel=um_per_pixel, source=source)
    factor = um_per_pixel / float(layer.scale[-1])
    if factor == 1 and str(layer.units[-1]) == "micrometer":
        return
    others = [] if viewer is None else [other for other in viewer.layers if _follows(other, layer)]
    for each in (layer, *others):
        each.scale = np.asarray(each.scale) * factor
        each.translate = np.asarray(each.translate) * factor
        each.units = ("um", "um")
    if viewer is not None:
        view = camera(viewer)
        view.center = tuple(np.asarray(view.center) * factor)
        view.zoom = view.zoom / factor
        scale_bar(viewer).visible = True


def _follows(layer: Layer, slide_layer: Layer) -> bool:
    """Whether a layer was drawn on a slide while that was still in pixels."""
    from napari.layers import Shapes

    return (
        isinstance(layer, Shapes) and layer.ndim == 2 and str(layer.units[-1]) == "pixel" and layer is not slide_layer
    )

"""A saved prediction as layers: its slide, or the thumbnail where the slide is gone, and the score that varies most."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.layers import METADATA_KEY, ResultLayers
from napari_molf.core.maps import robust_limits
from napari_molf.core.run import Run, make_run

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.types import FullLayerData

    from molf_engine.slides import Slide


def result_layer_data(adata: AnnData, path: Path, viewer: ViewerModel | None = None) -> list[FullLayerData]:
    """Layers of a prediction that was read from ``path``; the slide is left out if ``viewer`` shows it already."""
    from napari.components import ViewerModel

    run = make_run(adata, path=path)
    score = run.scores.first_to_show()
    guidance = run.scores.guidance
    values = run.scores.values(score, guidance, relative=False)
    name = f"{score.name} · guidance {guidance:.3g} · {run.model}"
    layer = ResultLayers(ViewerModel(), run.id, run.patches).show_score(values, name, robust_limits(values))
    # The dock takes the run over from here.
    layer.metadata[METADATA_KEY]["result"] = run
    return [*_under(run, viewer), layer.as_layer_data_tuple()]


def result_in(layer: Layer) -> Run | None:
    """The prediction that a layer was opened with, if it was read from a file."""
    run = layer.metadata.get(METADATA_KEY, {}).get("result")
    return run if isinstance(run, Run) else None


def _under(run: Run, viewer: ViewerModel | None) -> list[FullLayerData]:
    from napari_molf.core.slide_layer import slide_info

    infos = [slide_info(layer) for layer in viewer.layers] if viewer is not None else []
    if any(info is not None and info.path == run.slide_path for info in infos):
        return []
    return [_slide(run) or thumbnail_layer_data(run)]


def open_slide_of(run: Run) -> Slide | None:
    """Open the slide of a prediction, if it is where it was and still the same size."""
    from molf_engine.errors import SlideError
    from molf_engine.slides import open_slide

    said: Any = run.scores.adata.uns["molf"]["slide"]
    if not run.slide_path.exists():
        return None
    um_per_pixel = run.patches.pixel_size
    try:
        slide = open_slide(run.slide_path)
        if slide.um_per_pixel is None or not math.isclose(slide.um_per_pixel, um_per_pixel, rel_tol=1e-6):
            slide.close()
            slide = open_slide(run.slide_path, um_per_pixel)
    except SlideError:
        return None
    size = slide.levels[0]
    if (size.width, size.height) != (int(said["width"]), int(said["height"])):
        slide.close()
        return None
    return slide


def _slide(run: Run) -> FullLayerData | None:
    from napari_molf.core.slide_layer import slide_layer_data

    slide = open_slide_of(run)
    return None if slide is None else slide_layer_data(slide)


def thumbnail_layer_data(run: Run) -> FullLayerData:
    """The small picture of its slide that a prediction carries, as a layer at the slide's place."""
    entry = run.scores.adata.uns["spatial"][run.slide_name]
    image = np.asarray(entry["images"]["hires"])
    # One thumbnail pixel is so many level-0 pixels; its centre lies in the middle of them.
    pixels = 1 / float(entry["scalefactors"]["tissue_hires_scalef"])
    um = run.patches.pixel_size
    arguments = {
        "name": f"{run.slide_name} (thumbnail)",
        "rgb": True,
        "scale": (pixels * um,) * 2,
        "translate": ((pixels - 1) / 2 * um,) * 2,
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }
    return image, arguments, "image"

"""A saved prediction as layers: its slide, or the thumbnail where the slide is gone, and the score that varies most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.layers import METADATA_KEY, ResultLayers, run_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.run import Run, make_run

if TYPE_CHECKING:
    from anndata import AnnData
    from napari.components import ViewerModel
    from napari.layers import Layer
    from napari.types import FullLayerData

    from molf_engine.slides import Slide

THUMBNAIL_KEY = "molf_thumbnail"


def result_layer_data(adata: AnnData, path: Path, viewer: ViewerModel | None = None) -> list[FullLayerData]:
    """Layers of a prediction that was read from ``path``; the slide is left out if ``viewer`` shows it already."""
    from napari.components import ViewerModel

    run = _at_its_place(make_run(adata, path=path), viewer)
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


def is_thumbnail_of(layer: Layer, run: Run) -> bool:
    """Whether a layer stands in for the slide of a run."""
    return layer.metadata.get(THUMBNAIL_KEY) == run.id


def put_under(viewer: ViewerModel, slide_layer: Layer, run: Run) -> None:
    """Put a slide that came later under the maps of its prediction, in place of the thumbnail."""
    layers = viewer.layers
    maps = [index for index, layer in enumerate(layers) if run_of(layer) == run.id]
    if maps and layers.index(slide_layer) > maps[0]:
        layers.move(layers.index(slide_layer), maps[0])
    for layer in [layer for layer in layers if is_thumbnail_of(layer, run)]:
        layers.remove(layer)


def _at_its_place(run: Run, viewer: ViewerModel | None) -> Run:
    """The run with its slide where that is now: open in the viewer, where it was, or beside the file of the result."""
    from molf_engine.prediction.whereabouts import find_slide, is_slide_of

    adata = run.scores.adata
    paths = _open_slides(viewer)
    if run.slide_path in paths:
        return run
    place = next((path for path in paths if is_slide_of(adata, path)), None) or find_slide(adata, run.path)
    return run if place is None else replace(run, slide_path=place)


def _open_slides(viewer: ViewerModel | None) -> list[Path]:
    from napari_molf.core.slide_layer import slide_info

    infos = [slide_info(layer) for layer in viewer.layers] if viewer is not None else []
    return [info.path for info in infos if info is not None]


def _under(run: Run, viewer: ViewerModel | None) -> list[FullLayerData]:
    if run.slide_path in _open_slides(viewer):
        return []
    return [slide_data(run) or thumbnail_layer_data(run)]


def open_slide_of(run: Run) -> Slide | None:
    """Open the slide of a prediction, if it is where the run says, and still the same."""
    from molf_engine.prediction import whereabouts

    return whereabouts.open_slide_of(run.scores.adata, run.slide_path)


def slide_data(run: Run) -> FullLayerData | None:
    """Layer data of the slide of a run, if it is where the run says, and still the same."""
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
        "metadata": {THUMBNAIL_KEY: run.id},
        "rgb": True,
        "scale": (pixels * um,) * 2,
        "translate": ((pixels - 1) / 2 * um,) * 2,
        "units": ("um", "um"),
        "axis_labels": ("y", "x"),
    }
    return image, arguments, "image"

"""One slide with its settings: the prediction itself, whoever asks for it."""

from __future__ import annotations

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.cohort.settings import Settings
from molf_engine.cohort.slides import SlideTask
from molf_engine.errors import BundleError, ConfigError
from molf_engine.progress import ProgressCallback, silent

if TYPE_CHECKING:
    import anndata as ad
    import numpy as np

    from molf_engine.bundle import Bundle
    from molf_engine.encoders import FeatureCache
    from molf_engine.slides import Slide

_log = logging.getLogger(__name__)


def predict_file(
    task: SlideTask,
    settings: Settings,
    bundle: Bundle,
    *,
    cache: FeatureCache | None = None,
    threads: int | None = None,
    progress: ProgressCallback = silent,
) -> ad.AnnData:
    """Open a slide and predict it; see :func:`molf_engine.prediction.predict_slide`.

    Raises
    ------
    ConfigError
        If the task has both positions and regions.
    MolfError
        What else is wrong with the slide or a file that belongs to it.
    """
    from molf_engine.bundle import UNKNOWN_CODE
    from molf_engine.encoders.elsewhere import read_features
    from molf_engine.prediction import predict_slide
    from molf_engine.slides import open_slide, patch_grid, patches_at, read_positions

    if task.positions is not None and task.regions is not None:
        raise ConfigError(
            f"{task.slide}: positions and regions exclude each other; regions limit a grid of patches, and with positions there is none."
        )
    with open_slide(task.slide, task.um_per_pixel) as slide:
        patches = features = None
        regions = None if task.regions is None else _outlines(task.regions, slide)
        patch = bundle.config.patch
        if task.positions is not None:
            centres, names = read_positions(task.positions)
            patches = patches_at(slide, centres, patch.size_um, names)
        if task.features is not None:
            stride = patch.stride_um if settings.stride_um is None else settings.stride_um
            patches = patches or patch_grid(slide, patch.size_um, stride_um=stride, regions=regions)
            features = read_features(task.features, patches)
        return predict_slide(
            slide,
            bundle,
            patches=patches,
            regions=regions,
            stride_um=settings.stride_um,
            code=task.code or UNKNOWN_CODE,
            guidance=settings.guidance,
            estimation=settings.estimation,
            features=features,
            cache=cache,
            workers=threads,
            precision=settings.precision,
            progress=progress,
        )


def _outlines(path: Path, slide: Slide) -> list[np.ndarray]:
    """Outlines of the regions of a GeoJSON, checked to be of this slide."""
    from molf_engine.regions.geojson import check_place, read_geojson

    read = read_geojson(path)
    size = slide.levels[0]
    for remark in (check_place(read.regions, size.width, size.height, slide.um_per_pixel), read.remark):
        if remark is not None:
            _log.warning("%s: %s", path, remark)
    return [outline for region in read.regions for outline in region.outlines()]


def feature_cache(wanted: bool, folder: Path | None) -> FeatureCache | None:
    """Cache in ``folder``, laid out as in ``MOLF_CACHE_DIR``; many processes may share it."""
    from molf_engine.encoders import FeatureCache

    if not wanted:
        return None
    return FeatureCache(folder / "features" if folder is not None else None)


@lru_cache(maxsize=1)
def load_bundle(model: str, weights: str) -> Bundle:
    """Load the model of a cohort, kept from slide to slide; refuse other weights than those of the command."""
    from molf_engine.bundle import Bundle

    bundle = Bundle.load(model)
    if bundle.weights_hash != weights:
        raise BundleError(
            f"The model {model} has other weights on this machine ({bundle.weights_hash[:8]}) than where the command was given "
            f"({weights[:8]}). Give the folder of the model on a shared disk."
        )
    return bundle


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process so far, where the system says it."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return round(psutil.Process().memory_info().peak_wset / 2**20, 1)
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)

"""OME-TIFF score maps: a channel per score and a pixel per patch, placed on the slide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import MolfError
from molf_engine.export.columns import need_scores, score_columns
from molf_engine.export.provenance import text
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.export.shown import ScoreName, Shown


def write_ome_tiff(
    shown: Shown,
    path: Path,
    scores: Sequence[ScoreName],
    *,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write maps (scores, rows, columns), float32, NaN where there is no patch.

    ``PhysicalSizeX`` and ``Y`` are the distance of neighbouring patches, um; ``PositionX`` and ``Y`` of each plane the upper left
    corner of its first pixel from that of the slide, um.

    Raises
    ------
    MolfError
        If the patches lie on no grid, no score is chosen, or it cannot be written there.
    """
    import tifffile

    need_scores(scores)
    grid = shown.molf.get("grid")
    if grid is None:
        raise MolfError(
            "The patches of this prediction lie at positions of their own, not on a grid, so they make no image. "
            "Export a table (CSV) or QuPath GeoJSON instead."
        )
    values = score_columns(shown, scores, progress)
    rows, cols = shown.adata.obs["row"].to_numpy(np.int64), shown.adata.obs["col"].to_numpy(np.int64)
    maps = np.full((len(scores), *(int(v) for v in grid["shape"])), np.nan, np.float32)
    maps[:, rows, cols] = values.T
    um, stride = shown.um_per_pixel, float(grid["stride"])
    left, top = ((float(centre) - stride / 2) * um for centre in grid["origin"])
    count = len(scores)
    progress(Progress("Writing", 0, 0))
    with atomic_path(path, overwrite=overwrite) as file:
        tifffile.imwrite(
            file,
            maps,
            ome=True,
            photometric="minisblack",
            compression="zlib",
            metadata={
                "axes": "CYX",
                "Name": f"{shown.slide_name} scores",
                "Description": _description(shown, scores),
                "PhysicalSizeX": stride * um,
                "PhysicalSizeXUnit": "µm",
                "PhysicalSizeY": stride * um,
                "PhysicalSizeYUnit": "µm",
                "Channel": {"Name": [score.name for score in scores]},
                "Plane": {
                    "PositionX": [left] * count,
                    "PositionXUnit": ["µm"] * count,
                    "PositionY": [top] * count,
                    "PositionYUnit": ["µm"] * count,
                },
            },
        )


def _description(shown: Shown, scores: Sequence[ScoreName]) -> str:
    units = "\n".join(f"unit of {score.name}: {shown.unit_of(score)}" for score in scores)
    return f"{text(shown)}\n{units}"

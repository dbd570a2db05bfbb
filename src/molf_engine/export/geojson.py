"""GeoJSON for QuPath: one locked tile per patch, with measurements, written patch by patch.

QuPath counts from the outer corner of the first pixel, x to the right and y down, at full resolution, as we do.  A tile is a detection
to it: measurement maps colour it, and its classification is the expert.  Measurements must be finite, so that what is not known of a
patch is left out.  QuPath reads the ``features`` alone; the provenance stands beside them for whoever opens the file.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.export.columns import beside_columns, need_scores, score_columns
from molf_engine.export.palette import expert_colour
from molf_engine.export.provenance import provenance
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import numpy as np

    from molf_engine.export.shown import ScoreName, Shown

_BLOCK = 500


def write_geojson(
    shown: Shown,
    path: Path,
    scores: Sequence[ScoreName],
    *,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write patches as tiles that QuPath 0.4 and later imports; the text is never in memory whole.

    Raises
    ------
    MolfError
        If no score is chosen, or it cannot be written there.
    """
    need_scores(scores)
    values = score_columns(shown, scores, progress)
    beside = beside_columns(shown)
    heads = [*(score.name for score in scores), *beside]
    classes = [{"name": name, "color": _rgb(expert_colour(expert))} for expert, name in enumerate(shown.experts)]
    names, centres, half = shown.patch_names, shown.centres, shown.patch_px / 2
    facts = provenance(shown)
    # The same patch of the same slide and model has the same id in every export.
    family = uuid.uuid5(uuid.NAMESPACE_OID, f"{facts['slide_fingerprint']}{facts['weights_hash']}")
    with atomic_path(path, overwrite=overwrite) as file, file.open("w", encoding="utf-8") as stream:
        stream.write('{"type": "FeatureCollection", "provenance": ')
        stream.write(json.dumps(facts, ensure_ascii=False))
        stream.write(', "features": [\n')
        for patch, expert in enumerate(shown.top_expert):
            if patch % _BLOCK == 0:
                progress(Progress("Writing patches", patch, len(names)))
            row = [*values[patch].tolist(), *(float(column[patch]) for column in beside.values())]
            feature = {
                "type": "Feature",
                "id": str(uuid.uuid5(family, names[patch])),
                "geometry": {"type": "Polygon", "coordinates": [_square(centres[patch], half)]},
                "properties": {
                    "objectType": "tile",
                    "name": names[patch],
                    "classification": classes[expert],
                    "isLocked": True,
                    "measurements": _finite(heads, row),
                },
            }
            stream.write(",\n" if patch else "")
            stream.write(json.dumps(feature, ensure_ascii=False, allow_nan=False))
        stream.write("\n]}\n")


def _square(centre: np.ndarray, half: float) -> list[list[float]]:
    left, top, right, bottom = (
        round(float(v), 3) for v in (centre[0] - half, centre[1] - half, centre[0] + half, centre[1] + half)
    )
    return [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]


def _finite(heads: Sequence[str], row: Sequence[float]) -> dict[str, Any]:
    return {head: float(f"{value:.7g}") for head, value in zip(heads, row, strict=True) if math.isfinite(value)}


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour.removeprefix("#")))

"""Values of the chosen scores side by side, and the headings that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.errors import MolfError
from molf_engine.progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from molf_engine.export.shown import ScoreName, Shown

BESIDE = {"entropy": "routing_entropy", "distance": "distance"}
"""What goes with the scores of a patch: heading and column of the prediction."""


def need_scores(scores: Sequence[ScoreName]) -> None:
    """Raise :class:`MolfError` if nothing is chosen."""
    if not scores:
        raise MolfError("No score is chosen. Choose at least one gene or Hallmark set to export.")


def score_columns(shown: Shown, scores: Sequence[ScoreName], progress: ProgressCallback) -> np.ndarray:
    """(P, S) float32 values of scores."""
    out = np.empty((shown.adata.n_obs, len(scores)), np.float32)
    for place, score in enumerate(scores):
        progress(Progress("Decoding scores", place, len(scores), "scores"))
        out[:, place] = shown.values(score)
    return out


def beside_columns(shown: Shown) -> dict[str, np.ndarray]:
    """Entropy and distance of each patch, those that the prediction has, by heading."""
    columns = {heading: shown.column(name) for heading, name in BESIDE.items()}
    return {heading: values for heading, values in columns.items() if values is not None}

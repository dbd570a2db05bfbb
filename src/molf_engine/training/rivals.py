"""The rivals of a bundle, fitted on the rows that MoLF learns from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molf_engine.baselines import MLP, DepthOnly, Ridge
from molf_engine.config import RunConfig
from molf_engine.genes.units import UNITS
from molf_engine.training.slides import TrainingSlide


def fit_rivals(
    slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide], config: RunConfig
) -> dict[str, np.ndarray]:
    """Ridge, MLP and depth-only on the rows that MoLF learns from; the MLP stops early on MoLF's validation sections.

    Returns
    -------
    dict
        Arrays under ``ridge.``, ``mlp.`` and ``depth.<scale>.``.
    """
    every = [*slides, *held_out]
    features = np.concatenate([s.features.cpu().numpy() for s in every])
    measured = np.concatenate([np.broadcast_to(s.expression.measured, s.expression.counts_log1p.shape) for s in every])
    log_total = np.log(np.concatenate([s.expression.total for s in every]))
    validation = np.concatenate([np.full(len(s.features), place >= len(slides)) for place, s in enumerate(every)])
    targets = {units: np.concatenate([s.expression.in_units(units) for s in every]) for units in UNITS}

    fitted: dict[str, np.ndarray] = {}
    for rival in (Ridge(), MLP()):
        rival.fit(features, targets[config.data.units], measured, log_total, config.training.seed, validation)
        fitted.update({f"{rival.name}.{name}": value for name, value in rival.tensors().items()})
    for units in UNITS:
        depth = DepthOnly().fit(features, targets[units], measured, log_total, config.training.seed, validation)
        fitted.update({f"depth.{units}.{name}": value for name, value in depth.tensors().items()})
    return fitted

"""The guidance scale that a model uses unless told otherwise: Filter-and-Rank on the validation sections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from molf_engine.bundle.decoder import LatentDecoder
from molf_engine.bundle.latents import slide_latents
from molf_engine.config import GuidanceConfig, Units
from molf_engine.evaluation.guidance import filter_and_rank
from molf_engine.evaluation.metrics import cosine, mse, wasserstein_per_spot
from molf_engine.flow.guidance import guide
from molf_engine.nn.velocity import VelocityField
from molf_engine.training.slides import TrainingSlide

Measures = dict[str, list[float]]


def measure_scales(
    field: VelocityField, decoder: LatentDecoder, slides: Sequence[TrainingSlide], units: Units, scales: Sequence[float]
) -> Measures:
    """Wasserstein distance, cosine and MSE of each scale, mean over slides; two network evaluations per slide serve all."""
    latents = [slide_latents(field, s.features.cpu().numpy(), s.positions.cpu().numpy(), s.code) for s in slides]
    measures: Measures = {"scale": list(scales), "wasserstein": [], "cosine": [], "mse": []}
    for scale in scales:
        rows = []
        for slide, latent in zip(slides, latents, strict=True):
            predicted = decoder.expression(guide(latent.conditional, latent.unconditional, scale))
            measured, mask = slide.expression.in_units(units), slide.expression.measured
            rows.append(
                (
                    wasserstein_per_spot(predicted, measured, mask),
                    cosine(predicted, measured, mask),
                    mse(predicted, measured, mask),
                )
            )
        for name, value in zip(("wasserstein", "cosine", "mse"), np.mean(rows, axis=0), strict=True):
            measures[name].append(float(value))
    return measures


def choose_guidance(measures: Measures, config: GuidanceConfig) -> float:
    """The scale that Filter-and-Rank picks (paper, eq. 11-12)."""
    best = filter_and_rank(
        measures["scale"], measures["wasserstein"], measures["cosine"], measures["mse"], config.tolerance
    )
    return measures["scale"][best]

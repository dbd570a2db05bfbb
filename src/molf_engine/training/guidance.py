"""The guidance scale that a model uses unless told otherwise: Filter-and-Rank on the validation sections."""

from __future__ import annotations

from collections.abc import Sequence

from molf_engine.bundle import Bundle
from molf_engine.bundle.latents import slide_latents
from molf_engine.config import GuidanceConfig
from molf_engine.evaluation.sweep import Sweep, sweep, sweep_section
from molf_engine.training.slides import TrainingSlide


def measure_scales(bundle: Bundle, slides: Sequence[TrainingSlide], config: GuidanceConfig) -> Sweep:
    """Measures of each scale, mean over slides, and the choice; two network evaluations per slide serve all."""
    field, decoder, units = bundle.velocity(), bundle.decoder(), bundle.config.units
    measured = []
    for slide in slides:
        latents = slide_latents(field, slide.features.cpu().numpy(), slide.positions.cpu().numpy(), slide.code)
        measured.append(
            sweep_section(
                latents.conditional, latents.unconditional, decoder.expression, slide.expression, units, config.scales
            )
        )
    return sweep(measured, model=bundle.name, units=units, tolerance=config.tolerance)

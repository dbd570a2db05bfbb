"""Filter-and-Rank for a bundle on measured sections: two network evaluations per section serve every guidance scale."""

from __future__ import annotations

from collections.abc import Sequence

from molf_engine.bundle import Bundle
from molf_engine.bundle.latents import slide_latents
from molf_engine.data import Section
from molf_engine.data.spots import SpotSource, Symbols
from molf_engine.errors import ConfigError
from molf_engine.evaluation.evaluate import section_spots
from molf_engine.evaluation.scoring import role_of
from molf_engine.evaluation.sweep import SCALES, TOLERANCE, Sweep, sweep, sweep_section
from molf_engine.progress import ProgressCallback, silent


def select_guidance(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section] = (),
    *,
    scales: Sequence[float] = SCALES,
    tolerance: float = TOLERANCE,
    code: str | None = None,
    symbols: Symbols | None = None,
    split: str = "",
    progress: ProgressCallback = silent,
) -> Sweep:
    """Measure guidance scales on sections, and choose one (paper, eq. 11-12).

    Parameters
    ----------
    bundle : Bundle
        The trained model; it is only read.
    source : SpotSource
        See :func:`molf_engine.evaluation.evaluate.source_for`.
    sections : sequence of Section
        To choose on; none: the bundle's validation sections.
    scales : sequence of float
        Guidance scales w, 0 or more.
    tolerance : float
        tau: how much worse than the best Wasserstein distance a scale may be, relatively, and still be ranked.
    code, symbols
        As for :func:`molf_engine.evaluation.evaluate.evaluate`.
    split : str
        Name of the split, for reports.

    Raises
    ------
    MolfError
        If a section cannot be read, there is none to choose on, or a scale is negative.
    """
    if not sections:
        if not bundle.config.validation_sections:
            raise ConfigError(
                f"{bundle.name} names no validation sections. Say which sections to choose on (--sections or --split)."
            )
        sections = source.sections(bundle.config.validation_sections)
    field, decoder, units = bundle.velocity(), bundle.decoder(), bundle.config.units
    measured = []
    for _, spots, code_index in section_spots(bundle, source, sections, code, symbols, progress):
        latents = slide_latents(field, spots.features, spots.positions_um, code_index)
        measured.append(
            sweep_section(
                latents.conditional, latents.unconditional, decoder.expression, spots.expression, units, scales
            )
        )
    roles = {role_of(bundle, section.id) for section in sections}
    return sweep(
        measured,
        model=bundle.name,
        units=units,
        role=roles.pop() if len(roles) == 1 else "mixed",
        split=split,
        seed=bundle.config.seed or 0,
        tolerance=tolerance,
    )

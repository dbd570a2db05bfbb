"""Score a bundle on sections that have measured expression.  A bundle is only read: nothing is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.data import Section, load_expression
from molf_engine.data.expression import Expression
from molf_engine.data.sections import open_section
from molf_engine.encoders import FeatureCache, encode_patches
from molf_engine.evaluation.coverage import DRAWS, STEPS, Coverage, section_coverage
from molf_engine.evaluation.scoring import SectionScores, predict_models, role_of, score_section
from molf_engine.flow.guidance import check_scale
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import patches_at


def evaluate(
    bundle: Bundle,
    sections: Sequence[Section],
    *,
    guidance: float | None = None,
    code: str | None = None,
    symbols: Literal["human_symbol"] | None = None,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> list[SectionScores]:
    """Score the bundle and its rivals, section by section.

    Parameters
    ----------
    bundle : Bundle
        The trained model.
    sections : sequence of Section
        See :func:`molf_engine.data.read_hest`.
    guidance : float, optional
        Guidance scale; the bundle's choice if not given.
    code : str, optional
        Cancer code for all sections; each section's own if not given, and `Unknown` where the bundle has not learned it.
    symbols : str, optional
        `human_symbol`: match mouse genes by their human ortholog.

    Raises
    ------
    MolfError
        If a section cannot be read, or the guidance scale is below 0.
    """
    guidance = check_scale(bundle.config.guidance if guidance is None else guidance)
    patients = {patient.id for patient in bundle.config.patients}
    field = bundle.velocity()
    return [
        score_section(
            predict_models(bundle, field, spots.features, spots.positions, spots.code, guidance),
            spots.expression,
            section.patient,
            role=role_of(bundle, section.id),
            seen=section.patient in patients,
        )
        for section, spots in _encoded(bundle, sections, code, symbols, cache, progress)
    ]


def evaluate_coverage(
    bundle: Bundle,
    sections: Sequence[Section],
    *,
    guidance: float | None = None,
    code: str | None = None,
    symbols: Literal["human_symbol"] | None = None,
    draws: int = DRAWS,
    steps: int = STEPS,
    seed: int = 0,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> list[Coverage]:
    """Compare the spread of the bundle's draws with what was measured, section by section.

    Parameters
    ----------
    bundle, sections, guidance, code, symbols
        As for :func:`evaluate`.
    draws, steps, seed : int
        See :func:`molf_engine.evaluation.coverage.section_coverage`.

    Raises
    ------
    MolfError
        If a section cannot be read, the guidance scale is below 0, or there are fewer than two draws.
    """
    guidance = check_scale(bundle.config.guidance if guidance is None else guidance)
    field = bundle.velocity()
    rows = []
    for section, spots in _encoded(bundle, sections, code, symbols, cache, progress):
        rows += section_coverage(
            bundle,
            field,
            spots.features,
            spots.positions,
            spots.code,
            guidance,
            spots.expression,
            role=role_of(bundle, section.id),
            draws=draws,
            steps=steps,
            seed=seed,
            callback=lambda done: progress(Progress("Drawing", done, draws, "draws")),
        )
    return rows


@dataclass(frozen=True)
class _Spots:
    """Spots of one section that can be read: features (S, D), positions in um (S, 2), and what was measured."""

    features: np.ndarray
    positions: np.ndarray
    code: int
    expression: Expression


def _encoded(
    bundle: Bundle,
    sections: Sequence[Section],
    code: str | None,
    symbols: Literal["human_symbol"] | None,
    cache: FeatureCache | None,
    progress: ProgressCallback,
) -> Iterator[tuple[Section, _Spots]]:
    genes = tuple(bundle.genes.index)
    encoder = bundle.encoder()
    for place, section in enumerate(sections):
        progress(Progress(f"Scoring {section.id}", place, len(sections), "sections"))
        expression = load_expression(section, genes, bundle.config.min_counts, symbols)
        chosen = code or (section.code if section.code in bundle.config.trained_codes else UNKNOWN_CODE)
        with open_section(section) as slide:
            patches = patches_at(slide, expression.positions, bundle.config.patch.size_um, expression.names)
            features = encode_patches(slide, patches, encoder, cache=cache, progress=progress)
        readable = np.isfinite(features).all(axis=1)
        yield (
            section,
            _Spots(
                features[readable],
                patches.positions_um[readable],
                bundle.code_index(chosen),
                expression.subset(readable),
            ),
        )

"""Score a bundle on sections that have measured expression.  A bundle is only read: nothing is fitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.data import Section, load_expression
from molf_engine.data.sections import open_section
from molf_engine.encoders import FeatureCache, encode_patches
from molf_engine.evaluation.scoring import SectionScores, predict_models, role_of, score_section
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
        If a section cannot be read.
    """
    genes = tuple(bundle.genes.index)
    patients = {patient.id for patient in bundle.config.patients}
    field, encoder = bundle.velocity(), bundle.encoder()
    scores = []
    for place, section in enumerate(sections):
        progress(Progress(f"Scoring {section.id}", place, len(sections), "sections"))
        expression = load_expression(section, genes, bundle.config.min_counts, symbols)
        chosen = code or (section.code if section.code in bundle.config.trained_codes else UNKNOWN_CODE)
        with open_section(section) as slide:
            patches = patches_at(slide, expression.positions, bundle.config.patch.size_um, expression.names)
            features = encode_patches(slide, patches, encoder, cache=cache, progress=progress)
        readable = np.isfinite(features).all(axis=1)
        expression = expression.subset(readable)
        predictions = predict_models(
            bundle,
            field,
            features[readable],
            patches.positions_um[readable],
            bundle.code_index(chosen),
            bundle.config.guidance if guidance is None else guidance,
        )
        scores.append(
            score_section(
                predictions,
                expression,
                section.patient,
                role=role_of(bundle, section.id),
                seen=section.patient in patients,
            )
        )
    return scores

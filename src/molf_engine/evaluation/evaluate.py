"""Score a bundle on sections that have measured expression.  A bundle is only read: nothing is fitted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.data import Section
from molf_engine.data.corpus import Corpus, is_corpus
from molf_engine.data.spots import FolderSpots, Spots, SpotSource, Symbols
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError
from molf_engine.evaluation.coverage import DRAWS, STEPS, Coverage, section_coverage
from molf_engine.evaluation.scoring import SectionScores, predict_models, role_of, score_section
from molf_engine.flow.guidance import check_scale
from molf_engine.progress import Progress, ProgressCallback, silent


def source_for(
    bundle: Bundle, data: Path, *, features: Path | None = None, cache: FeatureCache | None = None
) -> SpotSource:
    """Where the spots of ``data`` come from, with the features that a bundle needs.

    Parameters
    ----------
    bundle : Bundle
        The trained model.
    data : Path
        HEST-layout folder, or a prepared corpus.
    features : Path, optional
        Folder of features made elsewhere by the bundle's encoder, for a folder of sections.
    cache : FeatureCache, optional
        Keeps what is encoded.

    Raises
    ------
    MolfError
        If the corpus holds features of another encoder or of other patches, or the bundle cannot encode and no features are given.
    """
    if not is_corpus(data):
        encoder = bundle.encoder() if features is None else None
        return FolderSpots(
            data,
            bundle.config.patch.size_um,
            encoder=encoder,
            features=features,
            name=bundle.config.encoder,
            cache=cache,
        )
    if features is not None:
        raise ConfigError(f"{data} is a prepared corpus and has its features already: leave --features out.")
    corpus = Corpus.open(data)
    for what, own, theirs in (
        ("the encoder", bundle.config.encoder, corpus.encoder),
        ("patches in um", bundle.config.patch.size_um, corpus.patch_um),
    ):
        if own != theirs:
            raise ConfigError(
                f"{data} was prepared for another model: {what}: {theirs} there, {own} in {bundle.name}. Prepare a corpus with "
                f"`molf-engine prepare --encoder {bundle.path}`."
            )
    return corpus


def evaluate(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    *,
    guidance: float | None = None,
    code: str | None = None,
    symbols: Symbols | None = None,
    progress: ProgressCallback = silent,
) -> list[SectionScores]:
    """Score the bundle and its rivals, section by section.

    Parameters
    ----------
    bundle : Bundle
        The trained model.
    source : SpotSource
        See :func:`source_for`.
    sections : sequence of Section
        Those of ``source`` to score.
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
            predict_models(bundle, field, spots.features, spots.positions_um, code_index, guidance),
            spots.expression,
            section.patient,
            role=role_of(bundle, section.id),
            seen=section.patient in patients,
        )
        for section, spots, code_index in section_spots(bundle, source, sections, code, symbols, progress)
    ]


def evaluate_coverage(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    *,
    guidance: float | None = None,
    code: str | None = None,
    symbols: Symbols | None = None,
    draws: int = DRAWS,
    steps: int = STEPS,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> list[Coverage]:
    """Compare the spread of the bundle's draws with what was measured, section by section.

    Parameters
    ----------
    bundle, source, sections, guidance, code, symbols
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
    for section, spots, code_index in section_spots(bundle, source, sections, code, symbols, progress):
        rows += section_coverage(
            bundle,
            field,
            spots.features,
            spots.positions_um,
            code_index,
            guidance,
            spots.expression,
            role=role_of(bundle, section.id),
            draws=draws,
            steps=steps,
            seed=seed,
            callback=lambda done: progress(Progress("Drawing", done, draws, "draws")),
        )
    return rows


def section_spots(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    code: str | None,
    symbols: Symbols | None,
    progress: ProgressCallback,
) -> Iterator[tuple[Section, Spots, int]]:
    """Read sections one after the other: each with its spots, and the row of its cancer code.

    Parameters are those of :func:`evaluate`.
    """
    genes = tuple(bundle.genes.index)
    for place, section in enumerate(sections):
        progress(Progress(f"Scoring {section.id}", place, len(sections), "sections"))
        chosen = code or (section.code if section.code in bundle.config.trained_codes else UNKNOWN_CODE)
        spots = source.read(section, genes, bundle.config.min_counts, symbols, progress)
        yield section, spots, bundle.code_index(chosen)

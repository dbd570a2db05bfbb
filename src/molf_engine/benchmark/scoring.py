"""Scoring what was trained on the test sections of a split.  Each model and section is one small file; what is there is not done again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from molf_engine.benchmark.contestants import Contestant
from molf_engine.benchmark.training import Trained
from molf_engine.bundle import Bundle
from molf_engine.data import Section
from molf_engine.data.expression import Expression
from molf_engine.data.spots import Spots, SpotSource
from molf_engine.errors import DataError
from molf_engine.evaluation.gene_sets import GeneSets
from molf_engine.evaluation.results import SectionResult, load_result, measure_models, save_result
from molf_engine.progress import Progress, ProgressCallback, silent

_log = logging.getLogger(__name__)

_log = logging.getLogger(__name__)


def score(
    trained: Trained,
    source: SpotSource,
    sections: Sequence[Section],
    sets: GeneSets,
    folder: Path,
    progress: ProgressCallback = silent,
) -> list[SectionResult]:
    """Score every model on every test section; sections are read one at a time.

    Parameters
    ----------
    trained : Trained
        The models.
    source : SpotSource
        Of features that they understand.
    sections : sequence of Section
        Test sections of the split.
    sets : GeneSets
        On the panel of the base model.
    folder : Path
        Where results are kept.
    """
    results: list[SectionResult] = []
    for place, section in enumerate(sections):
        progress(Progress(f"{trained.split.name}: scoring {section.id}", place, len(sections), "sections"))
        results += _section(trained, source, section, sets, folder)
    return results


def _section(
    trained: Trained, source: SpotSource, section: Section, sets: GeneSets, folder: Path
) -> Iterator[SectionResult]:
    spots: Spots | None = None
    for contestant in trained.contestants:
        kept = [_known(trained, contestant, model, section, folder) for model in contestant.models]
        if contestant.keeps and all(result is not None for result in kept):
            yield from (result for result in kept if result is not None)
            continue
        if spots is None:
            try:
                spots = source.read(section, sets.genes, trained.base.config.min_counts)
            except DataError as error:
                # One section less, and the report says so: hours of training are not to be lost for it.
                _log.warning("%s is not scored: %s", section.id, error)
                trained.notes.append(f"{trained.split.name}: the test section {section.id} is not scored. {error}")
                return
        for result in _measured(trained, contestant, spots, sets):
            save_result(result, folder)
            yield result


def _measured(trained: Trained, contestant: Contestant, spots: Spots, sets: GeneSets) -> list[SectionResult]:
    predicted = contestant.predict(spots)
    if not predicted:
        return []
    wide, expression = on_panel(predicted, contestant.genes, spots.expression)
    section = spots.section
    return measure_models(
        wide,
        expression,
        spots.positions_um,
        section,
        role="test",
        seen=section.patient in seen_patients(trained.base),
        split=trained.split.name,
        seed=trained.seed,
        variant=contestant.variant,
        sets=sets,
    )


def on_panel(
    predicted: dict[str, dict[str, np.ndarray]], genes: tuple[str, ...], expression: Expression
) -> tuple[dict[str, dict[str, np.ndarray]], Expression]:
    """Predictions on some genes laid out on the panel of ``expression``, in which the others then count as unmeasured.

    Parameters
    ----------
    predicted : dict
        Model -> scale -> (S, len(genes)).
    genes : tuple of str
        Columns of the predictions.
    expression : Expression
        What was measured, on the whole panel.
    """
    if genes == expression.genes:
        return predicted, expression
    place = {gene: column for column, gene in enumerate(genes)}
    columns = np.array([place.get(gene, -1) for gene in expression.genes])
    known = columns >= 0
    wide = {
        model: {units: np.where(known, values[:, columns], np.float32(0)) for units, values in scales.items()}
        for model, scales in predicted.items()
    }
    return wide, replace(expression, measured=expression.measured & known)


def seen_patients(bundle: Bundle) -> set[str]:
    """Patients that the models of a split have learned from, or were chosen by."""
    return {patient.id for patient in bundle.config.patients}


def _known(
    trained: Trained, contestant: Contestant, model: str, section: Section, folder: Path
) -> SectionResult | None:
    """The kept result of a model on a section, if there is one."""
    probe = SectionResult(
        model, section.id, (), np.zeros(0, bool), {}, contestant.variant, trained.split.name, trained.seed
    )
    path = folder / probe.file_name()
    return load_result(path) if path.is_file() else None

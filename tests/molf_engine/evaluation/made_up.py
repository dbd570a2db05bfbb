"""Results of models that never were: measured expression from a generator, and predictions that know some of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from molf_engine.data.expression import Expression
from molf_engine.data.sections import UNKNOWN, Section
from molf_engine.evaluation.gene_sets import GeneSets, gene_sets
from molf_engine.evaluation.results import SectionResult, measure_models
from molf_engine.genes import panel
from molf_engine.genes.units import UNITS

SPOTS = 60


def some_genes(number: int = 80) -> tuple[str, ...]:
    """Every so many-th gene of the panel: some of most Hallmark sets."""
    every = panel("molf-1386")
    return tuple(every[:: len(every) // number][:number])


def some_sets(genes: tuple[str, ...]) -> GeneSets:
    """Gene sets by standard deviations from a generator."""
    rng = np.random.default_rng(5)
    table = pd.DataFrame(index=list(genes))
    for units in ("log1p", "log1p-cp10k"):
        table[f"sd_{units}"] = rng.gamma(2.0, 0.3, len(genes))
    table["measured"] = True
    return gene_sets(table)


def a_section(name: str, genes: tuple[str, ...], seed: int, spots: int = SPOTS) -> tuple[Expression, np.ndarray]:
    """What was measured on a made-up section, smooth over its tissue, and where (um)."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(spots)))
    positions = 100.0 * np.stack(np.divmod(np.arange(spots), side), axis=1)
    waves = np.sin(positions @ rng.normal(size=(2, 6)) / 250)
    counts = rng.poisson(np.exp(0.8 + 0.6 * waves @ rng.normal(size=(6, len(genes)))))
    expression = Expression(
        section_id=name,
        genes=genes,
        counts_log1p=np.log1p(counts).astype(np.float32),
        measured=np.ones(len(genes), dtype=bool),
        total=(counts.sum(axis=1) + 100).astype(np.float32),
        positions=positions,
        names=tuple(map(str, range(spots))),
        left_out=seed % 3,
    )
    return expression, positions


def results_of(
    section: Section,
    skills: dict[str, float],
    genes: tuple[str, ...],
    *,
    split: str = "",
    seed: int = 0,
    variant: str = "",
    seen: bool = False,
    sets: GeneSets | None = None,
    scales: Sequence[str] = UNITS,
) -> list[SectionResult]:
    """Results of models on a section: the higher its skill, the more a model's predictions share with what was measured."""
    expression, positions = a_section(section.id, genes, sum(section.id.encode()))
    predicted = {}
    for place, (model, skill) in enumerate(skills.items()):
        rng = np.random.default_rng([place, seed, sum(split.encode()), sum(section.id.encode()), sum(variant.encode())])
        predicted[model] = {
            units: (skill * expression.in_units(units) + rng.normal(size=expression.counts_log1p.shape)).astype(
                np.float32
            )
            for units in scales
        }
    return measure_models(
        predicted,
        expression,
        positions,
        section,
        role="test",
        seen=seen,
        split=split,
        seed=seed,
        variant=variant,
        sets=sets,
    )


def named(name: str, code: str = UNKNOWN, patient: str = UNKNOWN) -> Section:
    """A section without files."""
    return Section(
        name,
        Path(f"{name}.tif"),
        Path(f"{name}.h5ad"),
        patient=patient,
        code=code,
        species="Homo sapiens",
        technology="Visium",
    )

"""Which scores vary most on a slide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_molf.core.run import Run, make_run, read_run
from napari_molf.core.scores import Score
from napari_molf.core.variable import most_variable, robust_spread
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import prediction


def test_the_spread_is_the_standard_deviation_and_a_few_extremes_do_not_change_it() -> None:
    values = np.random.default_rng(0).normal(0, [1.0, 3.0], size=(20_000, 2))
    assert np.allclose(robust_spread(values), [1.0, 3.0], rtol=0.03)
    values[:100] = 1e6
    assert np.allclose(robust_spread(values), [1.0, 3.0], rtol=0.05)


def test_without_the_model_only_hallmarks_are_ranked(monkeypatch) -> None:
    monkeypatch.setattr("molf_engine.bundle.find_bundle_by_hash", lambda _: None)
    assert most_variable(make_run(prediction()), 2.0) == [Score("hallmark", "HYPOXIA"), Score("hallmark", "APOPTOSIS")]


@pytest.fixture
def run(tiny: Tiny) -> Run:
    return read_run(tiny.result, tiny.bundle)


def test_genes_are_ranked_by_their_spread_in_units_of_the_training_spots(run: Run) -> None:
    guidance = 3.0
    found = most_variable(run, guidance, hallmarks=2, genes=4)
    assert [score.kind for score in found] == ["hallmark"] * 2 + ["gene"] * 4
    table = run.bundle.genes
    rankable = table.index[table["measured"] & (table["sd"] > 0)]

    def relative(gene: str) -> float:
        # The scale of the model's own units.
        values = run.scores.values(Score("gene", gene), guidance, relative=run.scores.relative_units)
        return float(robust_spread(values[:, None])[0] / table.loc[gene, "sd"])

    spreads = sorted((relative(gene) for gene in rankable), reverse=True)
    assert np.allclose([relative(score.name) for score in found[2:]], spreads[:4], rtol=1e-4)


def test_genes_never_measured_are_not_ranked(run: Run) -> None:
    first = most_variable(run, 2.0, hallmarks=0, genes=1)[0]
    table = run.bundle.genes.copy()
    table.loc[first.name, "measured"] = False
    unmeasured = replace(run, bundle=replace(run.bundle))
    unmeasured.bundle.__dict__["genes"] = table
    assert first not in most_variable(unmeasured, 2.0, hallmarks=0, genes=len(table))

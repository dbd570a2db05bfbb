"""Tables say of what they are, and mix nothing that differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from molf_engine.errors import DataError
from molf_engine.evaluation.gene_sets import GeneSets
from molf_engine.evaluation.protocols import Comparison
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.sweep import SectionSweep, sweep
from molf_engine.evaluation.tables import (
    Ablation,
    Bootstrap,
    ablation,
    by_section,
    by_set,
    by_tier,
    by_type,
    measures,
    pooled_by_type,
    structure,
    sweeps_table,
)
from molf_engine.evaluation.tables.table import caption
from tests.molf_engine.evaluation.made_up import named, results_of, some_genes, some_sets

GENES = some_genes(40)
BOOTSTRAP = Bootstrap(draws=100)
SECTIONS = [named(f"S{place}", "IDC" if place < 3 else "PRAD", f"P{place}") for place in range(5)]


@pytest.fixture(scope="module")
def sets() -> GeneSets:
    return some_sets(GENES)


@pytest.fixture(scope="module")
def results(sets: GeneSets) -> list[SectionResult]:
    found = []
    for section in SECTIONS:
        found += results_of(section, {"molf": 0.8, "ridge": 0.4}, GENES, sets=sets)
        found += results_of(section, {"molf": 0.1}, GENES, variant="position=none", sets=sets)
    return found


@pytest.fixture
def comparison(results: list[SectionResult]) -> Comparison:
    return Comparison(results, "log1p", GENES)


def test_a_table_by_type_refuses_scores_of_the_other_protocol(comparison: Comparison, sets: GeneSets) -> None:
    pooled = comparison.pooled("HVG-50", sets.group("HVG-50", "log1p"))
    own = comparison.per_section("HVG-50", sets.group("HVG-50", "log1p"))
    with pytest.raises(TypeError, match="not pooled"):
        by_type(pooled, "a", "A", BOOTSTRAP)
    with pytest.raises(TypeError, match="not pooled"):
        by_section(pooled, "a", "A")
    with pytest.raises(TypeError, match="not per section"):
        pooled_by_type(own, "a", "A")
    with pytest.raises(DataError, match="never set in one table"):
        caption("A", [own, pooled])


def test_an_ablation_tells_the_paired_difference_from_the_model_as_it_is(
    comparison: Comparison, sets: GeneSets
) -> None:
    about = Ablation("position", "With and without position", ("molf", "molf (position=none)", "molf (never run)"))
    table = ablation(comparison, sets, about, BOOTSTRAP)
    assert list(table.frame.index) == ["molf", "molf (position=none)", "ridge"]
    worse = table.frame.loc["molf (position=none)"]
    difference = worse["HVG-50 minus molf"]
    assert difference.value == pytest.approx(worse["HVG-50"].value - table.frame.loc["molf", "HVG-50"].value)
    assert difference.low < difference.value < difference.high < 0
    assert any("Without a result: molf (never run)" in note for note in table.notes)


def test_tiers_and_sets_agree(comparison: Comparison, sets: GeneSets) -> None:
    tiers, single = by_tier(comparison, sets, "a", "A", BOOTSTRAP).frame, by_set(comparison, sets, "b", "B").frame
    for tier in ("Low", "Mid", "High"):
        own = single[single["tier"] == tier]
        assert len(own) == tiers.loc[tier, "sets"]
        assert np.mean([cell.value for cell in own["molf"]]) == pytest.approx(tiers.loc[tier, "molf"].value)
    assert single["variance"].is_monotonic_increasing


def test_measures_are_means_of_those_of_the_sections(comparison: Comparison, results: list[SectionResult]) -> None:
    frame = measures(comparison, "a", BOOTSTRAP).frame
    of_types = [
        np.mean([one.scales["log1p"].mse for one in results if one.name == "ridge" and one.code == code])
        for code in ("IDC", "PRAD")
    ]
    assert frame.loc["ridge", "MSE (lower is better)"].value == pytest.approx(np.mean(of_types))


def test_a_better_model_has_more_of_the_structure(comparison: Comparison, sets: GeneSets) -> None:
    table = structure(comparison, sets, "a", BOOTSTRAP)
    molf, ridge = table.frame.loc["molf"], table.frame.loc["ridge"]
    for column in ("Moran's I, agreement over the panel", "gene pairs of HVG-50", "gene pairs of Hallmark"):
        assert molf[column].value > ridge[column].value
    assert molf["mean absolute difference"].value < ridge["mean absolute difference"].value
    assert any("6 nearest neighbours" in note for note in table.notes)


def test_a_sweep_shows_what_passes_and_what_is_taken() -> None:
    one = SectionSweep("V", (1.0, 2.0, 3.0), (0.3, 0.2, 0.4), (0.20, 0.205, 0.30), (0.5, 0.6, 0.9))
    frame = sweeps_table([sweep([one], model="molf", units="log1p")], "a", "A").frame
    assert frame["passes the filter"].tolist() == [True, True, False]
    assert frame["taken"].tolist() == ["", "taken", ""]


def test_a_model_that_the_seed_does_not_change_is_named(sets: GeneSets) -> None:
    found = []
    for section in SECTIONS[:3]:
        (fixed,) = results_of(section, {"ridge": 0.5}, GENES, sets=sets)
        found += [replace(fixed, seed=seed) for seed in (1, 2)]
        found += [one for seed in (1, 2) for one in results_of(section, {"molf": 0.5}, GENES, seed=seed, sets=sets)]
    scores = Comparison(found, "log1p", GENES).per_section("HVG-50", sets.group("HVG-50", "log1p"))
    notes = by_type(scores, "a", "A", BOOTSTRAP).notes
    assert "The seed does not enter the fit of ridge: another gives the same figures." in notes


def test_a_section_that_cannot_be_scored_is_in_no_count(sets: GeneSets) -> None:
    found = [one for section in SECTIONS[:3] for one in results_of(section, {"molf": 0.5}, GENES, sets=sets)]
    scores = Comparison(found, "log1p", GENES).per_section("HVG-50", sets.group("HVG-50", "log1p"))
    rows = tuple(replace(row, value=np.nan, spots=1) if row.section == "S1" else row for row in scores.rows)
    table = by_type(replace(scores, rows=rows), "a", "A", BOOTSTRAP)
    assert table.frame["sections"].tolist() == [2, 2]
    assert "In no mean, for no gene can be scored there: S1 (1 spot)." in table.notes

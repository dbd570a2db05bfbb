"""Differences in measured expression where the answer is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import false_discovery_control, ttest_1samp

from molf_engine.data.expression import Expression
from molf_engine.evaluation.routing.effect_table import benjamini_hochberg, combine, effect_table
from molf_engine.evaluation.routing.effects import (
    Effects,
    section_effects,
    standardised_difference,
    standardised_differences,
    used_by,
    without_line,
)

GENES = ("MKI67", "TOP2A", "VIM", "CD3E")
PANEL = pd.DataFrame(
    {"measured": True, "mean_log1p-cp10k": 1.0, "sd_log1p-cp10k": 1.0}, index=pd.Index(GENES, name="symbol")
)


def expression(counts: np.ndarray, total: np.ndarray, measured: tuple[bool, ...] = (True,) * 4) -> Expression:
    return Expression(
        "S1",
        GENES,
        np.log1p(counts).astype(np.float32),
        np.array(measured),
        total.astype(np.float32),
        np.zeros((len(counts), 2)),
        tuple(map(str, range(len(counts)))),
        0,
    )


def test_the_difference_is_in_units_of_the_pooled_sd() -> None:
    values = np.concatenate([np.tile([1.0, 3.0], 10), np.tile([0.0, 2.0], 10)])[:, None]
    inside = np.arange(40) < 20
    # Means 2 and 1; every value is 1 from its mean: the pooled variance is 40 / 38.
    assert standardised_difference(values, inside, np.ones(1, bool))[0] == pytest.approx((38 / 40) ** 0.5)


def test_constant_unmeasured_and_hardly_used_columns_are_unknown() -> None:
    values = np.random.default_rng(0).normal(size=(40, 3))
    values[:, 1] = 0.1
    found = standardised_difference(values, np.arange(40) < 20, np.array([True, True, False]))
    assert np.isfinite(found).tolist() == [True, False, False]
    assert np.isnan(standardised_difference(values, np.arange(40) < 9, np.ones(3, bool))).all()


def test_a_spot_uses_every_expert_among_its_top() -> None:
    assert used_by(np.array([[0, 2], [2, 1]]), 4).astype(int).tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]


def test_the_gene_of_an_expert_is_found_in_its_section() -> None:
    generator = np.random.default_rng(0)
    counts = generator.poisson(5, size=(200, 4))
    inside = np.arange(200) < 80
    counts[inside, 0] += 20
    found = section_effects(expression(counts, np.full(200, 5000)), np.array([inside, ~inside]), PANEL)
    genes = found.measured["gene"]
    assert genes[0, 0] > 2
    np.testing.assert_allclose(genes[0], -genes[1], rtol=1e-5)
    assert np.abs(genes[0, 1:]).max() < 0.5
    assert np.isnan(found.measured["depth"]).all()


def test_what_depth_alone_makes_is_gone_at_equal_depth() -> None:
    generator = np.random.default_rng(1)
    depth = generator.normal(8, 0.5, 400)
    inside = depth + generator.normal(0, 0.2, 400) > 8
    values = np.column_stack([depth, depth + generator.normal(0, 1, 400)])
    raw = standardised_difference(values, inside, np.ones(2, bool))
    equal = standardised_difference(without_line(values, depth), inside, np.ones(2, bool))
    assert raw[1] > 0.5
    assert abs(equal[1]) < 0.2


def test_a_difference_between_sections_is_no_effect() -> None:
    generator = np.random.default_rng(2)
    names = [f"G{number}" for number in range(300)]
    rows = []
    for section in range(6):
        # The expert is used more in sections with more of every gene, but at random within each.
        values = np.log1p(generator.poisson(3 + 10 * section, size=(120, len(names))))
        inside = generator.random(120) < 0.2 + 0.1 * section
        rows.append(standardised_difference(values, inside, np.ones(len(names), bool)))
    table = combine(np.array(rows), [f"P{number}" for number in range(6)], names)
    # 300 tests of a true null: 15 expected below 0.05, sd 3.8.
    assert 3 <= (table["p"] < 0.05).sum() <= 27
    assert table["difference"].abs().max() < 0.4


def test_every_kind_is_in_the_table_and_its_strongest_rows_come_first() -> None:
    generator = np.random.default_rng(3)
    found = []
    for _ in range(4):
        counts = generator.poisson(5, size=(100, 4))
        inside = np.arange(100) < 50
        counts[inside, 2] += 15
        total = np.where(inside, 6000, 5000) + generator.integers(0, 500, 100)
        found.append(section_effects(expression(counts, total), np.array([inside, ~inside]), PANEL))
    table = effect_table(found, ["A", "B", "C", "D"], GENES, ("E1", "E2"))
    assert set(table["kind"]) == {"gene", "programme", "depth"}
    first = table[table["kind"] == "gene"].groupby("expert").head(1).set_index("expert")
    assert first["name"].tolist() == ["VIM", "VIM"]
    assert first["difference"]["E1"] > 1 > -1 > first["difference"]["E2"]
    assert (first["q"] < 0.01).all()
    depth = table[table["kind"] == "depth"].set_index("expert")
    assert depth["difference"]["E1"] > 1
    assert depth["at equal depth"].isna().all()


def test_patients_count_once_and_are_tested_as_scipy_does() -> None:
    differences = np.array([[1.0, 0.2], [3.0, 0.4], [1.5, -0.1], [0.7, 0.3]])
    table = combine(differences, ["A", "A", "B", "C"], ["x", "y"])
    patients = np.array([[2.0, 0.3], [1.5, -0.1], [0.7, 0.3]])
    np.testing.assert_allclose(table["difference"], patients.mean(axis=0))
    np.testing.assert_allclose(table["p"], ttest_1samp(patients, 0).pvalue)
    assert table["same sign"].tolist() == [1, 0.75]
    assert table["patients"].tolist() == [3, 3]
    assert (table["low"] >= patients.min(axis=0) - 1e-9).all()
    assert (table["high"] <= patients.max(axis=0) + 1e-9).all()


def test_two_patients_are_described_not_tested() -> None:
    table = combine(np.array([[1.0], [2.0]]), ["A", "B"], ["x"])
    assert table["difference"][0] == 1.5
    assert table[["low", "high", "p"]].isna().all(axis=None)


def test_a_gene_seen_in_too_few_patients_is_left_out() -> None:
    differences = np.array([[1.0, np.nan, 1], [1, np.nan, np.nan], [1, np.nan, 1], [1, 1, np.nan]])
    assert combine(differences, list("ABCD"), ["all", "one", "half"])["name"].tolist() == ["all", "half"]


def test_an_expert_without_spots_has_no_rows() -> None:
    assert combine(np.full((3, 2), np.nan), list("ABC"), ["x", "y"]).empty


def test_false_discovery_rates_are_those_of_scipy() -> None:
    p = np.random.default_rng(0).random(50) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))
    with_gap = benjamini_hochberg(np.array([0.01, np.nan, 0.02]))
    np.testing.assert_allclose(with_gap, [0.02, np.nan, 0.02])


def test_programmes_are_scored_without_statistics_of_training_too() -> None:
    generator = np.random.default_rng(0)
    unknown = PANEL.assign(**{"mean_log1p-cp10k": np.nan, "sd_log1p-cp10k": np.nan})
    counts = generator.poisson(5, size=(60, 4))
    found: Effects = section_effects(expression(counts, np.full(60, 5000)), np.array([np.arange(60) < 30]), unknown)
    assert np.isfinite(found.measured["programme"]).any()


def test_several_groups_at_once_are_as_one_by_one() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(60, 300)).astype(np.float32)
    inside = np.array([np.arange(60) < 20, np.arange(60) >= 45, np.arange(60) < 5])
    measured = np.arange(300) != 7
    together = standardised_differences(values, inside, measured)
    for group, found in zip(inside, together, strict=True):
        first, second = values[group].astype(float), values[~group].astype(float)
        spread = np.sqrt(
            (first.var(axis=0) * len(first) + second.var(axis=0) * len(second)) / (len(first) + len(second) - 2)
        )
        expected = (first.mean(axis=0) - second.mean(axis=0)) / spread
        assert np.allclose(found[measured], expected[measured], atol=1e-5) or group.sum() < 10
    assert np.isnan(together[:, 7]).all() and np.isnan(together[2]).all()


def test_two_groups_that_are_constant_each_have_no_standardised_difference() -> None:
    inside = np.arange(40) < 13
    assert np.isnan(standardised_difference(np.where(inside, 0.1, 0.7)[:, None], inside, np.ones(1, bool))).all()

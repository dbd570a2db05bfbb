"""Intervals come from drawing sections again within their type, and are refused where they would mean nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from molf_engine.errors import ConfigError
from molf_engine.evaluation.bootstrap import Design, difference, interval


def design(codes: str, patients: str = "", splits: str = "", sections: str = "") -> Design:
    """One letter per row."""
    names = sections or "".join(chr(ord("a") + place) for place in range(len(codes)))
    return Design(tuple(splits or "0" * len(codes)), tuple(codes), tuple(names), tuple(patients or names))


def test_the_mean_is_over_sections_then_types_then_splits() -> None:
    rows = design("AAB" + "B", splits="0001")
    # Split 0: A is 2, B is 6; split 1: B is 10.
    assert rows.overall(np.array([1.0, 3, 6, 10]))[0] == ((2 + 6) / 2 + 10) / 2
    assert rows.overall(np.array([1.0, np.nan, 6, 10]))[0] == ((1 + 6) / 2 + 10) / 2
    assert np.isnan(rows.overall(np.full(4, np.nan))[0])


def test_three_sections_of_one_type_give_the_exact_distribution() -> None:
    values = np.array([0.0, 1.0, 10.0])
    exact = np.array([np.mean(draw) for draw in itertools.product(values, repeat=3)])
    found = interval(values, design("AAA"), draws=20_000, level=0.8)
    # Of 27 equally likely means, the 10th and 90th percentile.
    assert found.low == pytest.approx(np.quantile(exact, 0.1, method="inverted_cdf"))
    assert found.high == pytest.approx(np.quantile(exact, 0.9, method="inverted_cdf"))
    assert (found.units, found.types, found.few) == (3, 1, 1)


def test_types_are_never_mixed() -> None:
    found = interval(np.array([0.0, 0, 0, 8, 8, 8]), design("AAABBB"))
    assert found.low == found.high == 4


def test_the_same_seed_gives_the_same_interval() -> None:
    values, rows = np.random.default_rng(0).normal(size=8), design("AAAABBBB")
    first = interval(values, rows, seed=3)
    assert first == interval(values, rows, seed=3)
    assert first != interval(values, rows, seed=4)
    assert "seed 3" in first.text()


def test_sections_of_a_type_are_drawn_across_splits_and_types_keep_their_share() -> None:
    rows, values = design("AABB", splits="0101"), np.array([0.0, 4, 1, 1])
    np.testing.assert_allclose(rows.shares(np.ones(4, bool)), 0.25)
    found = interval(values, rows)
    # A is 0, 2 or 4, B always 1.
    assert (found.low, found.high) == (0.5, 2.5)
    uneven = design("AAB", splits="010")
    np.testing.assert_allclose(uneven.shares(np.ones(3, bool)), [0.25, 0.5, 0.25])
    np.testing.assert_allclose(uneven.shares(np.array([True, False, True])), [0.5, 0, 0.5])


def test_a_section_tested_on_two_splits_is_drawn_once() -> None:
    rows = design("AAAAAA", splits="000111", sections="abcabc")
    values = np.array([0.0, 1, 2, 2, 1, 0])
    # Whatever is drawn, what one split gains the other loses.
    found = interval(values, rows)
    assert found.low == pytest.approx(1)
    assert found.high == pytest.approx(1)


def test_all_sections_of_a_patient_are_drawn_together() -> None:
    rows = design("AAAAAA", patients="ppqqrr")
    values = np.array([-1.0, 1, -1, 1, -1, 1])
    by_patient = interval(values, rows, over="patients")
    assert by_patient.low == by_patient.high == 0
    assert by_patient.units == 3
    assert interval(values, rows).low < -0.5


@pytest.mark.parametrize(
    ("rows", "over", "words"),
    [
        (design("AA"), "sections", "2 sections are too few, 3 are needed"),
        (design("A"), "sections", "1 section is too few"),
        (design(""), "sections", "0 sections"),
        (design("ABC"), "sections", "no cancer type has two sections"),
        (design("AAAA", patients="ppqq"), "patients", "2 patients are too few"),
        (Design(("0",) * 3, ("A",) * 3, ("a", "b", "c"), ("p", "q", "Unknown")), "patients", "unknown"),
    ],
)
def test_where_no_interval_can_be_given_it_says_why(rows: Design, over: str, words: str) -> None:
    found = interval(np.arange(len(rows), dtype=float), rows, over=over)  # type: ignore[arg-type]
    assert not found.known
    assert np.isnan(found.low)
    assert not found.excludes(-100)
    assert words in found.text()


def test_an_interval_of_few_sections_is_said_to_be_too_narrow() -> None:
    values = np.arange(12.0)
    found = interval(values[:6], design("AAAAAB"))
    assert (found.types, found.few) == (2, 1)
    assert "of 2 types, 1 has fewer than 5 sections" in found.text()
    assert "narrow" not in interval(values[:10], design("AAAAABBBBB")).text()


def test_a_row_without_a_value_is_not_drawn() -> None:
    assert interval(np.array([1.0, 2, 3, np.nan]), design("AAAA")).units == 3


def test_paired_differences_see_what_both_share() -> None:
    rng = np.random.default_rng(1)
    rows, shared = design("AAAAAAAA"), rng.normal(size=8)
    found = difference(shared + 0.1 + 0.01 * rng.normal(size=8), shared, rows)
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.interval.excludes(0)
    assert found.text("molf", "ridge").startswith("molf scores 0.1")
    assert "excludes 0" in found.text("molf", "ridge")
    same = difference(shared, shared[::-1], rows)
    assert "includes 0" in same.text("molf", "ridge")
    assert "too few" in difference(np.ones(2), np.zeros(2), design("AA")).text("molf", "ridge")


def test_nonsense_is_refused() -> None:
    for settings in ({"level": 1.0}, {"draws": 0}):
        with pytest.raises(ConfigError):
            interval(np.zeros(3), design("AAA"), **settings)  # type: ignore[arg-type]

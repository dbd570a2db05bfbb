"""Matching the experts of two models."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import DataError
from molf_engine.evaluation.routing.comparison import common_rows, compare, match_experts
from tests.molf_engine.evaluation.routing.made import routed


def test_the_same_routing_under_other_names_is_found() -> None:
    first = np.random.default_rng(0).integers(0, 4, 1000)
    renamed = np.array([2, 0, 3, 1])
    found = match_experts(first, renamed[first], (4, 4))
    assert dict(found.matched) == dict(enumerate(renamed))
    assert found.agreement == 1
    assert found.kappa == 1


def test_independent_routing_agrees_no_more_than_chance() -> None:
    generator = np.random.default_rng(0)
    found = match_experts(generator.integers(0, 4, 20_000), generator.integers(0, 4, 20_000), (4, 4))
    assert found.by_chance == pytest.approx(1 / 4, abs=0.01)
    assert found.kappa == pytest.approx(0, abs=0.02)


def test_an_expert_without_partner_disagrees() -> None:
    found = match_experts(np.array([0, 0, 1, 2]), np.array([1, 1, 0, 0]), (3, 2))
    assert len(found.matched) == 2
    assert found.agreement == pytest.approx(3 / 4)


def test_spots_are_matched_by_their_place_whatever_their_order() -> None:
    one = np.array([[0.0, 1], [5, 5], [2, 3]])
    mine, theirs = common_rows(one, np.array([[2.0, 3], [9, 9], [0, 1]]))
    np.testing.assert_array_equal(one[mine], [[0, 1], [2, 3]])
    assert theirs.tolist() == [2, 0]


def test_sections_are_matched_by_their_name() -> None:
    a, b = routed([[1, 0], [0, 1]], "A", active=1), routed([[1, 0], [1, 0]], "B", active=1)
    assert compare([a, b], [b, a]).agreement == 1
    with pytest.raises(DataError, match="B was routed by one model only"):
        compare([a, b], [a])


def test_nothing_in_common_is_refused() -> None:
    with pytest.raises(DataError, match="no spot in common"):
        match_experts(np.array([], dtype=int), np.array([], dtype=int), (2, 2))

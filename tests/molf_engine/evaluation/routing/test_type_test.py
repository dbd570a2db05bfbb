"""The permutation test between cancer types, on use that is made up."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.evaluation.routing.type_test import compare_types, explained_variance, smallest_p
from tests.molf_engine.evaluation.routing.made import use


def made_up(shift: float, patients: int = 6, seed: int = 0) -> list:
    """Two types whose use of two experts differs by ``shift``, with noise between patients."""
    noise = np.random.default_rng(seed).normal(0, 0.02, size=2 * patients)
    return [
        use([0.5 + sign * shift + e, 0.5 - sign * shift - e], code, f"{code}{number}")
        for sign, code, errors in ((1, "IDC", noise[:patients]), (-1, "PRAD", noise[patients:]))
        for number, e in enumerate(errors)
    ]


def test_types_that_differ_are_found_and_explain_nearly_all_variance() -> None:
    found = compare_types(made_up(0.2), permutations=999)
    assert found.p == pytest.approx(found.smallest_p) == pytest.approx(2 / 924)
    assert found.explained > 0.95
    assert found.distance > 2 * found.distance_by_chance
    assert found.units == 12


def test_types_that_do_not_differ_are_called_different_as_often_as_p_says() -> None:
    p = np.array([compare_types(made_up(0, seed=seed), seed, 99).p for seed in range(100)])
    # 100 tests of a true null: 5 expected below 0.05, sd 2.2; the mean of p is 0.5, sd 0.03.
    assert (p <= 0.05).sum() <= 13
    assert 0.4 < p.mean() < 0.6


def test_sections_of_one_patient_are_one_witness() -> None:
    once = made_up(0.2, patients=2)
    many = compare_types(once * 10, permutations=199)
    assert many.units == 4
    assert many.p == pytest.approx(compare_types(once, permutations=199).p)
    assert many.smallest_p == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("uses", "reason"),
    [
        ([use([1, 0]), use([0, 1], patient="P2")], "all sections are of one cancer type"),
        ([use([1, 0]), use([0, 1], "PRAD", "P2")], "no cancer type has more than one patient"),
        ([use([1, 0], "Unknown"), use([0, 1], "Unknown", "P2")], "no section has a known cancer type"),
    ],
)
def test_what_cannot_be_said_is_not_said(uses: list, reason: str) -> None:
    found = compare_types(uses)
    assert reason in found.reason
    assert np.isnan([found.p, found.distance, found.explained]).all()


def test_unknown_types_are_left_out() -> None:
    with_unknown = [*made_up(0.2), use([0, 1], "Unknown", "X")]
    assert compare_types(with_unknown, permutations=99) == compare_types(made_up(0.2), permutations=99)


def test_the_same_seed_gives_the_same_answer() -> None:
    uses = made_up(0.01)
    assert compare_types(uses, 3, 199) == compare_types(uses, 3, 199)
    assert compare_types(uses, 3, 199).distance_by_chance != compare_types(uses, 4, 199).distance_by_chance


def test_variance_explained_is_all_of_it_without_noise_and_none_for_equal_means() -> None:
    members = np.array([[True, True, False, False], [False, False, True, True]])
    assert explained_variance(members, np.array([[1, 0], [1, 0], [0, 1], [0, 1.0]])) == 1
    assert explained_variance(members, np.array([[1, 0], [0, 1], [1, 0], [0, 1.0]])) == 0
    assert np.isnan(explained_variance(members, np.full((4, 2), 0.5)))


def test_the_smallest_p_counts_labels_that_cannot_be_told_apart() -> None:
    assert smallest_p([2, 2]) == pytest.approx(2 / 6)
    assert smallest_p([1, 3]) == pytest.approx(1 / 4)
    assert smallest_p([4, 4, 4]) == pytest.approx(6 / 34650)

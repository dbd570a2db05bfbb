"""Which patches stand for an expert."""

from __future__ import annotations

import numpy as np

from molf_engine.evaluation.routing.ranking import surest, surest_apart

# A line of patches, 1 apart; the highest logits lie next to each other at its start.
PLACES = np.column_stack([np.arange(20.0), np.zeros(20)])
LOGITS = -np.arange(20.0)


def test_the_surest_come_first_and_the_earlier_of_equals() -> None:
    assert surest(np.array([1.0, 3.0, 2.0, 3.0]), 3).tolist() == [1, 3, 2]
    assert surest(np.array([1.0]), 12).tolist() == [0]


def test_neighbours_do_not_fill_the_montage() -> None:
    assert surest_apart(LOGITS, PLACES, 4, apart=5.0).tolist() == [0, 5, 10, 15]


def test_where_the_slide_is_too_small_the_best_of_the_rest_follow() -> None:
    chosen = surest_apart(LOGITS, PLACES, 6, apart=8.0).tolist()
    assert chosen == [0, 8, 16, 4, 12, 2]
    assert sorted(surest_apart(LOGITS, PLACES, 50, apart=8.0).tolist()) == list(range(20))


def test_patches_at_one_place_are_all_found_in_the_end() -> None:
    assert surest_apart(np.array([1.0, 3.0, 2.0]), np.zeros((3, 2)), 3, apart=8.0).tolist() == [1, 2, 0]


def test_no_patch_or_none_wanted_is_an_empty_montage() -> None:
    assert surest_apart(np.empty(0), np.empty((0, 2)), 5, apart=1.0).size == 0
    assert surest_apart(LOGITS, PLACES, 0, apart=1.0).size == 0

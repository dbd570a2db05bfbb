"""Where the numbers of areas stand."""

from __future__ import annotations

import numpy as np

from napari_molf.core.numbers import MOST, number_places


def test_each_area_has_its_number_in_its_middle() -> None:
    labels = np.zeros((7, 12), np.uint8)
    labels[1:6, 0:5] = 3
    labels[0:3, 7:10] = 1
    assert sorted(number_places(labels)) == [(1, 8, 1), (3, 2, 3)]


def test_two_areas_of_one_expert_have_two_numbers_and_specks_have_none() -> None:
    labels = np.zeros((5, 12), np.uint8)
    labels[0:2, 0:2] = labels[3:5, 4:6] = 2
    labels[0, 11] = labels[0, 9] = 1
    assert [label for *_, label in number_places(labels)] == [2, 2]
    assert number_places(np.zeros((3, 3), np.uint8)) == []


def test_a_patchwork_gets_the_numbers_of_its_largest_areas() -> None:
    labels = np.zeros((60, 60), np.uint8)
    for row in range(0, 60, 3):
        for col in range(0, 60, 3):
            labels[row : row + 2, col : col + 2] = 1
    labels[0:2, 0:5] = 1
    places = number_places(labels)
    assert len(places) == MOST and places[0][:2] in {(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0), (1, 1), (1, 2)}

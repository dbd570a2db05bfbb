"""The list of scores to compare, and limits that panels share."""

from __future__ import annotations

from napari_molf.compare.chosen import Chosen, label, shared
from napari_molf.compare.panels import MOST, shape_of
from napari_molf.core.scores import Score
from napari_molf.core.views import Wanted

A, B, C = (Wanted(Score("gene", name)) for name in "ABC")
H = Wanted(Score("hallmark", "HYPOXIA"), 4.0)


def test_nothing_is_there_twice_and_there_is_an_end() -> None:
    chosen = Chosen()
    assert chosen.add(A, B, A) is None and chosen.items == (A, B)
    said = chosen.add(*(Wanted(Score("gene", str(n))) for n in range(MOST)))
    assert said is not None and "9" in said and len(chosen) == MOST
    assert chosen.add(A) is None


def test_scores_move_within_the_list() -> None:
    chosen = Chosen()
    chosen.add(A, B, C)
    chosen.move(C, -1)
    chosen.move(A, -1)
    assert chosen.items == (A, C, B)
    chosen.remove(C)
    chosen.remove(C)
    assert chosen.items == (A, B)


def test_limits_are_shared_among_like_units_only() -> None:
    assert shared([A, H, B], [(0, 2), (-1, 1), (1, 5)]) == [(0, 5), (-1, 1), (0, 5)]


def test_a_fixed_guidance_scale_is_said() -> None:
    assert (label(A), label(H)) == ("A", "HYPOXIA at guidance 4")


def test_panels_are_laid_out_as_square_as_they_get() -> None:
    assert [shape_of(count) for count in (1, 2, 3, 4, 5, 7, 9)] == [
        (1, 1), (1, 2), (2, 2), (2, 2), (2, 3), (3, 3), (3, 3),
    ]  # fmt: skip

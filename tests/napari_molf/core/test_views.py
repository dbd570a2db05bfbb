"""Values, limits and names of what is on the map."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.scores import Score
from napari_molf.core.views import (
    REMEMBERED,
    Decoded,
    Minus,
    View,
    Wanted,
    caption,
    caption_of,
    standardise,
    symmetric_limits,
)
from tests.napari_molf.fakes import GENES, fake_run

EPCAM, CD3E, HYPOXIA = Score("gene", "EPCAM"), Score("gene", "CD3E"), Score("hallmark", "HYPOXIA")
PATCHES = np.arange(19, dtype=np.float32)


def view(score: Score = EPCAM, w: float = 4.0, *, fit: bool = True, **more: object) -> View:
    return View("run", score, w, False, fit, **more)  # type: ignore[arg-type]


def test_a_difference_of_guidance_scales_is_the_one_minus_the_other() -> None:
    decoded = Decoded(fake_run().scores)
    values, limits = decoded.show(view(minus=Wanted(EPCAM, 1.0)))
    assert np.allclose(values, 3 * PATCHES)
    assert limits == (-limits[1], limits[1]) and limits[1] >= np.percentile(values, 99)


def test_two_genes_are_compared_in_their_own_units() -> None:
    decoded = Decoded(fake_run().scores)
    values, _ = decoded.show(view(CD3E, minus=Wanted(EPCAM)))
    assert np.allclose(values, GENES.index("CD3E") - GENES.index("EPCAM"))


def test_a_gene_and_a_hallmark_are_standardised_first() -> None:
    shown = view(CD3E, minus=Wanted(HYPOXIA, 1.0))
    values, _ = Decoded(fake_run().scores).show(shown)
    # Both grow with the patch's number: in standard deviations they are the same.
    assert shown.standardised and np.allclose(values, 0, atol=1e-5)


def test_noise_is_not_stretched_to_full_colour() -> None:
    first = np.linspace(0, 8, 100)
    low, high = symmetric_limits(np.full(100, 1e-3), (first, first))
    assert low == -high and high >= 0.25 * 7.8


@pytest.mark.parametrize(("needed", "reach"), [(0.9, 1), (1.2, 1.5), (0.21, 0.3), (40, 50), (70, 100), (1, 1)])
def test_limits_are_numbers_that_a_colour_bar_can_write(needed: float, reach: float) -> None:
    flat = np.zeros(10)
    assert symmetric_limits(np.full(10, 10 * needed), (flat, flat)) == pytest.approx((-10 * reach, 10 * reach))


def test_a_map_without_any_value_has_limits_and_no_spread() -> None:
    nothing = np.full(4, np.nan)
    assert symmetric_limits(nothing, (nothing, nothing))[1] > 0
    assert np.isnan(standardise(nothing)).all() and (standardise(np.ones(4)) == 0).all()


def test_what_is_decoded_is_remembered_but_not_for_ever() -> None:
    run = fake_run()
    asked = run.scores._guided.asked
    decoded = Decoded(run.scores)
    for _ in range(3):
        decoded.values(EPCAM, 4.0, relative=False)
    assert len(asked) == 1
    for w in range(REMEMBERED):
        decoded.values(EPCAM, 10.0 + w, relative=False)
    decoded.values(EPCAM, 4.0, relative=False)
    assert len(asked) == REMEMBERED + 2


def test_panels_come_in_their_order_whatever_is_decoded_first() -> None:
    beside = (Wanted(CD3E, 1.0), Wanted(EPCAM))
    first, second = Decoded(fake_run().scores).beside(view(beside=beside))
    assert np.allclose(first, 1 + PATCHES) and np.allclose(second, 4 * PATCHES)


def test_a_difference_of_the_score_itself_follows_the_score() -> None:
    assert Minus(None, 1.0).of(CD3E) == Wanted(CD3E, 1.0)
    assert Minus(EPCAM, None).of(CD3E) == Wanted(EPCAM, None)


def test_names_say_what_minus_what() -> None:
    scores = fake_run().scores
    assert caption(view(), scores, "m") == "EPCAM · guidance 4 · m"
    assert caption(view(minus=Wanted(EPCAM, 1.0)), scores, "m") == "EPCAM · guidance 4 minus 1 · m"
    assert caption(view(minus=Wanted(CD3E)), scores, "m") == "EPCAM minus CD3E · guidance 4 · m"
    mixed = caption(view(minus=Wanted(HYPOXIA)), scores, "m")
    assert mixed == "EPCAM minus HYPOXIA · each standardised over this slide · guidance 4 · m"
    assert caption_of(Wanted(CD3E, 1.0), view(), scores) == "CD3E · guidance 1"
    assert caption_of(Wanted(CD3E), view(), scores) == "CD3E · guidance 4"

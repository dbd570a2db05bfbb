"""Which patches are shown, and how that is said."""

from __future__ import annotations

import numpy as np

from napari_molf.core.threshold import Threshold

VALUES = np.array([0.0, 1.0, 2.0, 3.0, 4.0, np.nan])


def test_a_percentile_is_of_the_patches_that_have_a_value() -> None:
    assert Threshold(75).level(VALUES) == 3.0
    assert Threshold(75).keep(VALUES).tolist() == [False, False, False, True, True, False]


def test_both_sides_keep_the_patches_at_the_threshold() -> None:
    assert Threshold(2.0, percentile=False).keep(VALUES).sum() == 3
    assert Threshold(2.0, above=False, percentile=False).keep(VALUES).sum() == 3


def test_it_says_the_share_and_the_value() -> None:
    assert Threshold(75).sentence(VALUES) == "2 of 5 patches (40 %) are shown: 3.00 and above, the 75th percentile."
    below = Threshold(1.5, above=False, percentile=False).sentence(VALUES)
    assert below == "2 of 5 patches (40 %) are shown: 1.50 and below."


def test_without_any_value_nothing_is_shown() -> None:
    nothing = np.full(3, np.nan)
    assert not Threshold(50).keep(nothing).any()
    assert Threshold(50).sentence(nothing).startswith("0 of 0 patches (0 %)")

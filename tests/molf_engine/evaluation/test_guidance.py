from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.guidance import filter_and_rank


def chosen(scales, w1, cosine, mse, tolerance=0.05) -> float:
    return scales[filter_and_rank(scales, w1, cosine, mse, tolerance)]


def test_split_1_of_the_paper_chooses_2() -> None:
    # Known of Table 13, split 1: smallest distance .157, valid scales {1, 2, 3}, best cosine among them .253 at 2.
    # The other entries stand in for those that we do not have; scales beyond 3 are tempting and must not be ranked.
    scales = [1, 2, 3, 4, 5, 6]
    w1 = [0.157, 0.160, 0.164, 0.166, 0.170, 0.180]
    cosine = [0.251, 0.253, 0.252, 0.260, 0.261, 0.262]
    assert chosen(scales, w1, cosine, mse=[0.2, 0.2, 0.2, 0.1, 0.1, 0.1]) == 2


def test_split_0_of_the_paper_keeps_all_but_8_and_its_tie_is_3() -> None:
    # Known of Table 13, split 0: smallest distance .155 at w = 6, valid {1..7, 9}, cosine .233 at 2, 3 and 4, mean
    # squared error .189 at 3 and 4, choice 3. The other entries stand in.
    scales = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    w1 = [0.162, 0.161, 0.160, 0.158, 0.156, 0.155, 0.157, 0.163, 0.162, 0.170]
    cosine = [0.230, 0.233, 0.233, 0.233, 0.231, 0.230, 0.229, 0.300, 0.228, 0.300]
    mse = [0.192, 0.190, 0.189, 0.189, 0.191, 0.192, 0.193, 0.100, 0.195, 0.100]
    assert chosen(scales, w1, cosine, mse) == 3


def test_the_best_cosine_wins_within_the_tolerance_only() -> None:
    w1, cosine = [1.0, 1.04, 1.06], [0.1, 0.2, 0.3]
    assert chosen([1, 2, 3], w1, cosine, [1, 1, 1], tolerance=0.05) == 2
    assert chosen([1, 2, 3], w1, cosine, [1, 1, 1], tolerance=0.0) == 1
    assert chosen([1, 2, 3], w1, cosine, [1, 1, 1], tolerance=0.1) == 3


def test_a_scale_exactly_at_the_limit_is_kept() -> None:
    assert chosen([1, 2], [0.1, 0.1 * 1.05], [0.1, 0.2], [1, 1]) == 2


def test_cosines_that_agree_to_three_decimals_are_ranked_by_error() -> None:
    assert chosen([1, 2, 3], [1, 1, 1], [0.2334, 0.2326, 0.2331], [0.3, 0.2, 0.1]) == 3
    assert chosen([1, 2, 3], [1, 1, 1], [0.2344, 0.2326, 0.2331], [0.3, 0.2, 0.1]) == 1


def test_a_full_tie_takes_the_smaller_scale_in_any_order() -> None:
    assert chosen([3, 1, 2], [1, 1, 1], [0.2, 0.2, 0.2], [0.1, 0.1, 0.1]) == 1


def test_scales_that_diverged_are_passed_over() -> None:
    assert chosen([1, 2, 3], [np.nan, 1.0, 1.0], [0.9, np.nan, 0.1], [0.1, 0.1, 0.1]) == 3
    with pytest.raises(DataError, match="diverged"):
        filter_and_rank([1.0], [np.nan], [0.1], [0.1])


def test_nothing_to_choose_from_and_a_negative_tolerance_are_refused() -> None:
    with pytest.raises(ConfigError):
        filter_and_rank([], [], [], [])
    with pytest.raises(ConfigError):
        filter_and_rank([1], [1], [1], [1], tolerance=-0.1)

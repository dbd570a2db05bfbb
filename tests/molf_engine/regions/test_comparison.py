"""Effects and tests against known answers, and chance on tissue where neighbours are alike."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import false_discovery_control, mannwhitneyu

from molf_engine.errors import Cancelled, RegionError
from molf_engine.progress import Progress
from molf_engine.regions.comparison import Comparison, compare, mann_whitney
from molf_engine.regions.summary import expert_shares, square_mm, summary

ROWS, COLS = 30, 40
POSITIONS = np.stack(np.meshgrid(np.arange(COLS), np.arange(ROWS)), axis=-1).reshape(-1, 2).astype(float)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.hypot(POSITIONS[:, 0] - x, POSITIONS[:, 1] - y) < radius


def smooth_noise(scores: int, sigma: float = 1.0, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(ROWS, COLS, scores))
    field = gaussian_filter(noise, (sigma, sigma, 0)).reshape(-1, scores)
    return (field / field.std(axis=0)).astype(np.float32)


def compared(values: np.ndarray, a: np.ndarray, b: np.ndarray, **more: object) -> Comparison:
    names = [f"g{i}" for i in range(values.shape[1])]
    return compare(values, names, a, b, POSITIONS, **more)  # type: ignore[arg-type]


def test_the_test_is_that_of_scipy_with_and_without_ties() -> None:
    rng = np.random.default_rng(0)
    a = np.column_stack([rng.normal(size=31), rng.integers(0, 4, 31), rng.integers(0, 2, 31)])
    b = np.column_stack([rng.normal(0.4, size=17), rng.integers(0, 5, 17), rng.integers(0, 2, 17)])
    effect, p = mann_whitney(a, b)
    expected = mannwhitneyu(a, b, axis=0, method="asymptotic")
    np.testing.assert_allclose(p, expected.pvalue, rtol=0, atol=1e-10)
    np.testing.assert_allclose(effect, 2 * expected.statistic / (31 * 17) - 1, atol=1e-12)


def test_the_effect_counts_pairs_as_cliff_does() -> None:
    a, b = np.array([3.0, 1.0, 4.0]), np.array([2.0, 1.0])
    above = np.sign(a[:, None] - b[None]).mean()
    assert mann_whitney(a[:, None], b[:, None])[0] == pytest.approx(above)


def test_groups_apart_have_effect_one_and_equal_values_none() -> None:
    a, b = np.column_stack([np.arange(10, 20), np.ones(10)]), np.column_stack([np.arange(10), np.ones(10)])
    effect, p = mann_whitney(a, b)
    assert effect.tolist() == [1, 0]
    assert p[0] < 1e-3
    assert p[1] == 1


def test_the_difference_is_that_of_the_means_and_q_that_of_benjamini_and_hochberg() -> None:
    a, b = disc(8, 8, 4), disc(25, 20, 5)
    values = smooth_noise(12)
    values[a, 0] += 3
    result = compared(values, a, b)
    assert result.difference[0] == pytest.approx(values[a, 0].mean() - values[b, 0].mean(), abs=1e-5)
    np.testing.assert_allclose(result.q, false_discovery_control(result.p))
    np.testing.assert_allclose(result.spatial_q, false_discovery_control(result.spatial_p))


def test_a_programme_of_its_own_in_one_region_is_found_in_spite_of_the_neighbours() -> None:
    a = disc(10, 10, 4)
    values = smooth_noise(40)
    values[a, :4] += 3
    result = compared(values, a, ~a)
    assert (result.spatial_q[:4] < 0.05).all()
    assert (result.effect[:4] > 0.8).all()


def test_chance_looks_significant_to_the_plain_test_and_not_to_the_spatial_one() -> None:
    a, b = disc(8, 8, 4), disc(25, 20, 5)
    plain, spatial = [], []
    for seed in range(4):
        result = compared(smooth_noise(60, seed=seed), a, b, seed=seed)
        plain.append(np.mean(result.p < 0.05))
        spatial.append(np.mean(result.spatial_p < 0.05))
    assert np.mean(plain) > 0.3
    assert np.mean(spatial) < 0.1


def test_patches_alike_count_as_fewer_and_the_warning_says_how_many() -> None:
    a = disc(10, 10, 4)
    rough, smooth = (compared(smooth_noise(40, sigma), a, ~a) for sigma in (0.01, 2.0))
    assert rough.placement.effective == pytest.approx(ROWS * COLS, rel=0.35)
    assert smooth.placement.effective < 0.1 * rough.placement.effective
    assert smooth.moran > 0.8 > 0.3 > abs(rough.moran)
    assert f"{smooth.placement.effective:,.0f} independent" in smooth.warning


def test_free_positions_are_compared_as_well() -> None:
    rng = np.random.default_rng(1)
    positions = rng.uniform(0, 100, (800, 2))
    a = np.hypot(*(positions - 30).T) < 12
    values = rng.normal(size=(800, 5))
    values[a, 0] += 3
    result = compare(values, list("abcde"), a, ~a, positions)
    assert result.spatial_q[0] < 0.05
    assert (result.spatial_q[1:] > 0.05).all()


def test_without_room_for_copies_the_effect_stays_and_the_reason_is_given() -> None:
    a = POSITIONS[:, 0] < COLS / 2
    result = compared(smooth_noise(10), a, ~a)
    assert np.isnan(result.spatial_q).all()
    assert np.isfinite(result.effect).all()
    assert "no room" in result.warning and "effect size" in result.warning


def test_patches_in_both_regions_belong_to_neither() -> None:
    a, b = disc(10, 10, 5), disc(14, 10, 5)
    result = compared(smooth_noise(3), a, b)
    assert result.shared == int((a & b).sum()) > 0
    assert result.patches_a == int((a & ~b).sum())


@pytest.mark.parametrize("count", [0, 4])
def test_too_few_patches_are_refused_with_their_number(count: int) -> None:
    a = np.arange(len(POSITIONS)) < count
    with pytest.raises(RegionError, match=f"has {count} predicted patches; a comparison needs at least 5"):
        compared(smooth_noise(3), a, ~a)


def test_all_patches_in_one_region_leave_nothing_to_compare_with() -> None:
    everything = np.ones(len(POSITIONS), bool)
    with pytest.raises(RegionError, match="Group B has 0"):
        compared(smooth_noise(3), everything, ~everything)


def test_a_score_that_the_model_does_not_know_stays_unknown() -> None:
    values = smooth_noise(4)
    values[3, 2] = np.nan
    result = compared(values, disc(8, 8, 4), disc(25, 20, 5))
    for column in (result.effect, result.p, result.q, result.spatial_q, result.mean_a):
        assert np.isnan(column[2])
        assert np.isfinite(column[[0, 1, 3]]).all()


def test_a_comparison_can_be_stopped() -> None:
    def stop(progress: Progress) -> None:
        if progress.phase.startswith("Placing"):
            raise Cancelled

    with pytest.raises(Cancelled):
        compared(smooth_noise(3), disc(8, 8, 4), disc(25, 20, 5), progress=stop)


def test_the_same_seed_gives_the_same_numbers() -> None:
    a, b, values = disc(8, 8, 4), disc(25, 20, 5), smooth_noise(5)
    first, second = (compared(values, a, b, seed=3).spatial_p for _ in range(2))
    assert first.tolist() == second.tolist()


def test_a_summary_gives_mean_median_and_quartiles_per_region() -> None:
    values = np.array([[1.0, 10], [2, 20], [3, np.nan], [100, 40]])
    inside = np.array([[True, True, True, False], [False] * 4, [True] * 4])
    table = summary(values, inside)
    assert table.patches.tolist() == [3, 0, 4]
    assert table.mean[0].tolist() == [2, 15]
    assert (table.lower[0, 0], table.median[0, 0], table.upper[0, 0]) == (1.5, 2, 2.5)
    assert np.isnan(table.mean[1]).all() and np.isnan(table.median[1]).all()


def test_shares_of_the_experts_sum_to_one_where_there_are_patches() -> None:
    inside = np.array([[True, True, True, False], [False] * 4])
    shares = expert_shares(np.array([0, 2, 2, 1]), inside, 4)
    np.testing.assert_allclose(shares[0], [1 / 3, 0, 2 / 3, 0])
    assert np.isnan(shares[1]).all()


def test_areas_are_in_square_millimetres() -> None:
    assert square_mm(4_000_000, 0.5) == pytest.approx(1.0)

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from molf_engine.evaluation.metrics import cosine, mean_finite, mse, pcc, wasserstein_per_spot


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    measured = rng.gamma(2, size=(40, 12)).astype(np.float32)
    return (measured + rng.normal(size=measured.shape)).astype(np.float32), measured


def test_pcc_of_each_gene_is_that_of_numpy(pair) -> None:
    predicted, measured = pair
    expected = [np.corrcoef(predicted[:, gene], measured[:, gene])[0, 1] for gene in range(12)]
    np.testing.assert_allclose(pcc(predicted, measured), expected, atol=1e-6)


def test_pcc_is_nan_where_unmeasured_or_constant(pair) -> None:
    predicted, measured = (array.copy() for array in pair)
    predicted[:, 0] = 0.1  # not exact in float32: its variance is not exactly 0
    measured[:, 1] = 0
    mask = np.arange(12) != 2
    assert np.flatnonzero(np.isnan(pcc(predicted, measured, mask))).tolist() == [0, 1, 2]


def test_pcc_ignores_scale_and_offset_even_when_tiny(pair) -> None:
    predicted, measured = (array.astype(np.float64) for array in pair)
    np.testing.assert_allclose(pcc(predicted * 1e-30, measured * 3 + 7), pcc(predicted, measured), atol=1e-9)


def test_pcc_of_a_single_spot_is_nan() -> None:
    assert np.isnan(pcc(np.ones((1, 3)), np.ones((1, 3)))).all()


def test_a_prediction_of_another_shape_is_an_error(pair) -> None:
    with pytest.raises(ValueError, match="should both be"):
        pcc(pair[0][:, 1:], pair[1])


def test_the_mean_is_over_finite_values_only() -> None:
    assert mean_finite(np.array([1.0, np.nan, 3.0, np.inf])) == 2.0
    assert np.isnan(mean_finite(np.array([np.nan])))


def test_wasserstein_per_spot_is_that_of_scipy_over_measured_genes(pair) -> None:
    predicted, measured = pair
    mask = np.arange(12) < 9
    expected = np.mean([wasserstein_distance(x[mask], y[mask]) for x, y in zip(predicted, measured, strict=True)])
    assert wasserstein_per_spot(predicted, measured, mask) == pytest.approx(expected)


def test_wasserstein_does_not_see_which_gene_has_which_value() -> None:
    assert wasserstein_per_spot(np.array([[1.0, 2.0, 3.0]]), np.array([[3.0, 1.0, 2.0]])) == 0


def test_cosine_and_mse_by_hand() -> None:
    predicted = np.array([[1.0, 0.0, 9.0], [1.0, 1.0, 9.0], [0.0, 0.0, 9.0]])
    measured = np.array([[2.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
    mask = np.array([True, True, False])
    assert cosine(predicted, measured, mask) == pytest.approx((1 + 1 / np.sqrt(2)) / 2)
    assert mse(predicted, measured, mask) == pytest.approx((1 + 0 + 0 + 1 + 1 + 1) / 6)


def test_without_measured_genes_nothing_is_scored(pair) -> None:
    nothing = np.zeros(12, dtype=bool)
    assert all(np.isnan(metric(*pair, nothing)) for metric in (wasserstein_per_spot, cosine, mse))

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.baselines import Ridge
from molf_engine.baselines.ridge import ALPHAS, gcv, principal_components


def explicit_ridge(x: np.ndarray, y: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Fitted values and hat matrix of ridge with an intercept, by definition."""
    centring = np.eye(len(x)) - 1 / len(x)
    z = centring @ x
    hat = 1 / len(x) + z @ np.linalg.solve(z.T @ z + alpha * np.eye(x.shape[1]), z.T)
    return hat @ y, hat


def test_gcv_in_closed_form_equals_gcv_by_definition() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 5)) + 3, rng.normal(size=(30, 4)) - 2
    z, centred = x - x.mean(0), y - y.mean(0)
    eigenvalues, vectors = np.linalg.eigh(z.T @ z)
    alphas = np.array([0.01, 1.0, 50.0])
    closed = gcv(eigenvalues, vectors.T @ z.T @ centred, (centred**2).sum(0), 30, alphas)
    for row, alpha in zip(closed, alphas, strict=True):
        fitted, hat = explicit_ridge(x, y, alpha)
        np.testing.assert_allclose(row, 30 * ((y - fitted) ** 2).sum(0) / (30 - np.trace(hat)) ** 2, rtol=1e-10)


def test_gcv_is_leave_one_out_where_every_spot_has_the_same_leverage() -> None:
    # A circulant design: the hat matrix has one value along its diagonal, so GCV is exactly leave-one-out (times 1/n).
    angle = 2 * np.pi * np.arange(12) / 12
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    y = np.random.default_rng(2).normal(size=(12, 1))
    alpha = 0.7
    errors = []
    fitted, hat = explicit_ridge(x, y, alpha)
    for spot in range(12):
        errors.append((y[spot, 0] - fitted[spot, 0]) / (1 - hat[spot, spot]))
    z, centred = x - x.mean(0), y - y.mean(0)
    eigenvalues, vectors = np.linalg.eigh(z.T @ z)
    closed = gcv(eigenvalues, vectors.T @ z.T @ centred, (centred**2).sum(0), 12, np.array([alpha]))
    np.testing.assert_allclose(closed[0, 0], np.mean(np.square(errors)), rtol=1e-10)


def test_the_penalty_chosen_is_the_best_of_the_grid_and_the_fit_is_the_explicit_one(problem) -> None:
    gene = [0]
    rival = Ridge(shared_alpha=False).fit(
        problem.features, problem.targets[:, gene], problem.measured[:, gene], problem.log_total
    )
    mean, projection = principal_components(problem.features, 256)
    x = (problem.features - mean) @ projection
    y = problem.targets[:, gene].astype(float)
    grid = ALPHAS * np.linalg.eigvalsh(np.cov(x.T, bias=True) * len(x)).mean()
    scores = []
    for alpha in grid:
        fitted, hat = explicit_ridge(x, y, alpha)
        scores.append(((y - fitted) ** 2).sum() / (len(y) - np.trace(hat)) ** 2)
    best = grid[np.argmin(scores)]
    assert rival.alphas[0] == pytest.approx(best)
    np.testing.assert_allclose(rival.predict(problem.features), explicit_ridge(x, y, best)[0], atol=1e-4)


@pytest.mark.parametrize("shared", [True, False])
def test_genes_fitted_together_are_exactly_the_genes_fitted_alone_where_measured(problem, shared: bool) -> None:
    together = Ridge(shared_alpha=shared).fit(*problem.training)
    predicted = together.predict(problem.new_features)
    mean, projection = principal_components(problem.features, 256)
    scores, new = (problem.features - mean) @ projection, (problem.new_features - mean) @ projection
    for gene in (0, 1, 2, 3, 8):
        rows = problem.measured[:, gene]
        x, y = scores[rows], problem.targets[rows, gene].astype(float)
        z = x - x.mean(0)
        slopes = np.linalg.solve(z.T @ z + together.alphas[gene] * np.eye(z.shape[1]), z.T @ y)
        np.testing.assert_allclose(predicted[:, gene], y.mean() + (new - x.mean(0)) @ slopes, atol=2e-4)


def test_a_gene_s_own_penalty_does_not_depend_on_its_company(problem) -> None:
    together = Ridge(shared_alpha=False).fit(*problem.training)
    for gene in (0, 1, 2):
        alone = Ridge(shared_alpha=False).fit(
            problem.features, problem.targets[:, [gene]], problem.measured[:, [gene]], problem.log_total
        )
        assert alone.alphas[0] == pytest.approx(together.alphas[gene], rel=1e-12)
        np.testing.assert_allclose(
            alone.predict(problem.new_features)[:, 0], together.predict(problem.new_features)[:, gene], atol=1e-5
        )


def test_masks_that_change_from_spot_to_spot_are_fitted_exactly_too(problem) -> None:
    measured = problem.measured & (np.random.default_rng(0).random(problem.measured.shape) < 0.7)
    together = Ridge(shared_alpha=False).fit(problem.features, problem.targets, measured, problem.log_total)
    alone = Ridge(shared_alpha=False).fit(
        problem.features, problem.targets[:, [5]], measured[:, [5]], problem.log_total
    )
    np.testing.assert_allclose(
        alone.predict(problem.new_features)[:, 0], together.predict(problem.new_features)[:, 5], atol=1e-5
    )


def test_it_predicts_new_spots(problem) -> None:
    predicted = Ridge().fit(*problem.training).predict(problem.new_features)
    for gene in (0, 1, 2, 3, 5):
        assert np.corrcoef(predicted[:, gene], problem.new_targets[:, gene])[0, 1] > 0.6


def test_pure_noise_is_shrunk_to_the_mean() -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(200, 40)), rng.normal(size=(200, 30)) + 5
    predicted = (
        Ridge().fit(features, targets, np.ones(targets.shape, bool), np.zeros(200)).predict(rng.normal(size=(100, 40)))
    )
    assert np.abs(predicted - targets.mean(0)).mean() < 0.05


def test_more_features_than_spots_and_features_that_do_not_vary_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    features = np.column_stack([rng.normal(size=(20, 60)), np.full((20, 3), 7.0)])
    targets = features[:, :2] + 1
    rival = Ridge().fit(features, targets, np.ones((20, 2), bool), rng.normal(size=20))
    assert np.isfinite(rival.predict(features)).all()


def test_a_gene_measured_at_a_spot_or_two_is_predicted_as_its_mean(problem) -> None:
    measured = problem.measured.copy()
    measured[:, 0] = False
    measured[[10, 20], 0] = True
    predicted = (
        Ridge().fit(problem.features, problem.targets, measured, problem.log_total).predict(problem.new_features)
    )
    np.testing.assert_allclose(predicted[:, 0], problem.targets[[10, 20], 0].mean(), rtol=1e-6)


def test_components_are_at_most_one_less_than_spots() -> None:
    features = np.random.default_rng(0).normal(size=(10, 30))
    assert principal_components(features, 256)[1].shape == (30, 9)
    assert principal_components(features, 4)[1].shape == (30, 4)


def test_component_scores_are_uncorrelated_and_fall_in_variance() -> None:
    features = np.random.default_rng(0).normal(size=(100, 6)) @ np.random.default_rng(1).normal(size=(6, 6)) + 50
    mean, projection = principal_components(features, 256)
    covariance = np.cov(((features - mean) @ projection).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-10)
    assert (np.diff(np.diag(covariance)) < 0).all()

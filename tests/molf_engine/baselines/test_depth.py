from __future__ import annotations

import numpy as np

from molf_engine.baselines import DepthOnly, Ridge
from molf_engine.baselines.depth import lines


def test_each_line_is_the_least_squares_line_where_measured() -> None:
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=40) + 8, rng.normal(size=(40, 5)) + 3
    measured = rng.random((40, 5)) < 0.6
    slopes, offsets = lines(x, np.where(measured, targets, 0), measured)
    for gene in range(5):
        rows = measured[:, gene]
        np.testing.assert_allclose((slopes[gene], offsets[gene]), np.polyfit(x[rows], targets[rows, gene], 1))


def test_without_measurements_or_without_depth_there_is_no_slope() -> None:
    targets = np.array([[1.0, 5.0], [3.0, 7.0]])
    assert [value.tolist() for value in lines(np.array([4.0, 4.0]), targets, np.array([[1, 0], [1, 0]], bool))] == [
        [0, 0],
        [2, 0],
    ]


def test_every_gene_is_a_line_on_the_predicted_log_total(problem) -> None:
    rival = DepthOnly().fit(*problem.training)
    depth, predicted = rival.log_total(problem.new_features), rival.predict(problem.new_features)
    for gene in (0, 1, 2, 3):
        assert abs(np.corrcoef(depth, predicted[:, gene])[0, 1]) > 0.9999
    # The line is fitted on what is predicted for the training spots, not on their measured totals.
    fitted = rival.log_total(problem.features)
    expected = np.polyval(np.polyfit(fitted, problem.targets[:, 0], 1), depth)
    np.testing.assert_allclose(predicted[:, 0], expected, rtol=1e-4)


def test_its_depth_is_that_of_the_ridge(problem) -> None:
    depth, ridge = DepthOnly().fit(*problem.training), Ridge().fit(*problem.training)
    np.testing.assert_allclose(depth.log_total(problem.new_features), ridge.log_total(problem.new_features), rtol=1e-6)

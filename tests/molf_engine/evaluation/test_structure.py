"""Structure scores have their known answers on small grids."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.evaluation.structure import MeasuredStructure, Structure, gene_correlations, moran, neighbour_weights


def grid(side: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(float)


def test_neighbours_on_a_square_grid_are_the_four_beside() -> None:
    weights = neighbour_weights(grid(5), neighbours=4).toarray()
    middle = 12
    assert set(np.flatnonzero(weights[middle])) == {7, 11, 13, 17}
    assert not np.diag(weights).any()
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_all_equally_far_neighbours_count_whatever_the_order_of_the_spots() -> None:
    positions, order = grid(5), np.random.default_rng(0).permutation(25)
    # The fifth to the eighth neighbour of the middle are equally far.
    weights = neighbour_weights(positions, neighbours=6).toarray()
    assert np.count_nonzero(weights[12]) == 8
    shuffled = neighbour_weights(positions[order], neighbours=6).toarray()
    np.testing.assert_allclose(shuffled, weights[np.ix_(order, order)])


def test_spots_at_one_place_are_neighbours_and_not_their_own() -> None:
    weights = neighbour_weights(np.array([[0.0, 0], [0, 0], [9, 9]]), neighbours=1).toarray()
    np.testing.assert_array_equal(weights, [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0]])


@pytest.mark.parametrize("spots", [0, 1])
def test_a_spot_alone_has_no_neighbour(spots: int) -> None:
    weights = neighbour_weights(np.zeros((spots, 2)))
    assert weights.shape == (spots, spots)
    assert np.isnan(moran(np.zeros((spots, 3)), weights)).all()


def test_moran_of_a_chessboard_a_slope_and_noise() -> None:
    positions = grid(20)
    weights = neighbour_weights(positions, neighbours=4)
    inner = np.random.default_rng(1).normal(size=400)
    values = np.stack([positions.sum(axis=1) % 2, positions[:, 0], inner, np.full(400, 0.1)], axis=1)
    chess, slope, noise, constant = moran(values, weights)
    # A spot inside has four neighbours of the other colour; one on an edge three, and two of its own; one in a corner two and three.
    assert chess == pytest.approx((-324 - 72 / 5 + 4 / 5) / 400)
    assert slope > 0.9
    assert abs(noise) < 0.1
    assert np.isnan(constant)


def test_moran_of_four_spots_in_a_row_by_hand() -> None:
    weights = neighbour_weights(np.array([[0.0, 0], [1, 0], [2, 0], [3, 0]]), neighbours=1)
    # z = -1.5, -.5, .5, 1.5; lags -.5, -.5, .5, .5; products .75 + .25 + .25 + .75 over 5.
    assert moran(np.arange(4.0)[:, None], weights)[0] == pytest.approx(2 / 5)


def test_correlations_between_genes_are_those_of_numpy() -> None:
    values = np.random.default_rng(2).normal(size=(60, 5)).astype(np.float32)
    np.testing.assert_allclose(gene_correlations(values), np.corrcoef(values.T), atol=1e-6)


def compare(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> Structure:
    weights = neighbour_weights(grid(12), neighbours=4)
    mask = np.ones(measured.shape[1], dtype=bool) if mask is None else mask
    return MeasuredStructure(measured, weights, mask, {"all": np.arange(measured.shape[1])}).compare(predicted)


def test_a_perfect_prediction_agrees_and_a_blurred_one_is_too_smooth() -> None:
    rng = np.random.default_rng(3)
    measured = rng.normal(size=(144, 8)) @ rng.normal(size=(8, 8)) + np.linspace(0, 9, 8) * grid(12)[:, :1] / 12
    same = compare(measured, measured)
    assert same.moran_agreement() == pytest.approx(1)
    assert same.moran_difference() == 0
    assert same.pairs["all"].correlation == pytest.approx(1)
    blurred = compare(neighbour_weights(grid(12), neighbours=20) @ measured, measured)
    assert blurred.moran_bias() > 0.3
    assert blurred.moran_difference() >= blurred.moran_bias()


def test_genes_that_do_not_vary_or_were_not_measured_are_left_out_of_the_pairs() -> None:
    rng = np.random.default_rng(4)
    measured, predicted = rng.normal(size=(144, 7)), rng.normal(size=(144, 7))
    predicted[:, 0], measured[:, 1] = 0.1, 0.2
    found = compare(predicted, measured, np.arange(7) != 2)
    assert found.pairs["all"].genes == 4
    assert np.isnan(found.moran_measured[[1, 2]]).all()
    assert np.isfinite(found.moran_predicted[3:]).all()
    expected = [np.corrcoef(values[:, 3:].T)[np.triu_indices(4, 1)] for values in (predicted, measured)]
    assert found.pairs["all"].correlation == pytest.approx(np.corrcoef(*expected)[0, 1])

"""Distances between distributions over experts, against values known on paper."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from molf_engine.evaluation.routing.divergence import cluster_order, distance_matrix, entropy, js_distance


def test_equal_distributions_have_no_distance_and_disjoint_ones_have_one() -> None:
    assert js_distance(np.array([0.3, 0.7]), np.array([0.3, 0.7])) == 0
    assert js_distance(np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.2, 0.8])) == pytest.approx(1)


def test_a_half_shared_expert_gives_the_root_of_the_divergence_on_paper() -> None:
    # p = (1, 0), q = (1/2, 1/2): H(3/4, 1/4) - 1/2 H(1/2, 1/2) = 0.8113 - 0.5 bits.
    assert js_distance(np.array([1.0, 0]), np.array([0.5, 0.5])) == pytest.approx(0.31127812445913283**0.5)


def test_scipy_finds_the_same_distances() -> None:
    p, q = np.random.default_rng(0).dirichlet(np.ones(6), size=(2, 20))
    np.testing.assert_allclose(js_distance(p, q), jensenshannon(p, q, base=2, axis=1), rtol=1e-9)


def test_even_use_of_eight_experts_is_three_bits() -> None:
    assert entropy(np.full(8, 1 / 8)) == pytest.approx(3)
    assert entropy(np.array([1.0, 0, 0])) == 0


def test_the_matrix_is_symmetric_with_zeros_on_its_diagonal() -> None:
    matrix = distance_matrix(np.random.default_rng(1).dirichlet(np.ones(6), size=5))
    assert (np.diag(matrix) == 0).all()
    np.testing.assert_array_equal(matrix, matrix.T)
    assert (matrix[np.triu_indices(5, 1)] > 0).all()


def test_like_types_stand_side_by_side() -> None:
    shares = np.array([[0.9, 0.1, 0], [0, 0.1, 0.9], [0.88, 0.12, 0], [0, 0.12, 0.88]])
    order = cluster_order(distance_matrix(shares))
    assert abs(order.index(0) - order.index(2)) == abs(order.index(1) - order.index(3)) == 1
    assert cluster_order(np.zeros((1, 1))) == [0]

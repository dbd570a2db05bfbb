from __future__ import annotations

import numpy as np

from molf_engine.baselines.neighbourhood import nearest


def grid(side: int, pitch: float = 200.0) -> np.ndarray:
    x, y = np.meshgrid(np.arange(side) * pitch, np.arange(side) * pitch)
    return np.column_stack([x.ravel(), y.ravel()])


def found(positions: np.ndarray, k: int) -> list[set[int]]:
    near = nearest(positions, k)
    pairs = zip(near.index, near.known, strict=True)
    return [set(index[known].tolist()) for index, known in pairs]


def test_on_a_grid_all_equally_near_spots_are_neighbours_however_many_were_asked_for() -> None:
    middle = 12
    assert found(grid(5), 1)[middle] == {12, 7, 11, 13, 17}
    assert found(grid(5), 4)[middle] == {12, 7, 11, 13, 17}
    assert found(grid(5), 5)[middle] == {12, 7, 11, 13, 17, 6, 8, 16, 18}


def test_neighbours_are_those_of_all_distances() -> None:
    positions = np.random.default_rng(0).uniform(0, 3000, size=(60, 2))
    away = np.linalg.norm(positions[:, None] - positions, axis=-1)
    expected = [set(np.argsort(row)[:7].tolist()) for row in away]
    # Random places have no ties within a hundredth, but for a few that the rule then adds.
    assert all(want <= have for want, have in zip(expected, found(positions, 6), strict=True))
    assert np.mean([len(have) for have in found(positions, 6)]) < 7.5


def test_fewer_spots_than_neighbours_are_no_trouble() -> None:
    assert found(np.array([[3.0, 4.0]]), 8) == [{0}]
    assert found(np.array([[0.0, 0.0], [100.0, 0.0]]), 8) == [{0, 1}, {0, 1}]
    assert nearest(np.zeros((0, 2)), 8).index.shape[0] == 0


def test_spots_at_one_place_are_neighbours_at_distance_0() -> None:
    near = nearest(np.zeros((3, 2)), 2)
    assert near.known.all()
    assert not near.distance.any()
    assert not near.axes.any()


def test_where_neighbours_lie_evenly_around_no_axis_is_made_up() -> None:
    near = nearest(grid(5), 4)
    np.testing.assert_allclose(near.axes[12], 0, atol=1e-6)
    assert np.abs(near.axes[0]).max() > 0.1


def test_coordinates_along_the_axes_are_known_but_for_their_signs() -> None:
    # Three spots on a line at 45 degrees: the second axis is empty, the first has the distances.
    near = nearest(np.array([[0.0, 0.0], [100.0, 100.0], [200.0, 200.0]]), 2)
    known = np.abs(near.axes[0])[np.argsort(near.index[0])]
    np.testing.assert_allclose(known[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(known[:, 1], np.log1p(np.sqrt(2) * np.array([0, 1, 2])), rtol=1e-6)

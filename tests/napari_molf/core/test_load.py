"""How much of the tissue around a place is given to one expert."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.load import RADIUS_UM, load_radius, local_load
from tests.napari_molf.fakes import fake_run


@pytest.fixture
def grid():
    return fake_run(rows=40, cols=50).patches


def by_hand(patches, used: np.ndarray) -> np.ndarray:
    distance = np.hypot(*(patches.centres[:, None] - patches.centres[None]).transpose(2, 0, 1))
    near = distance <= load_radius(patches)
    return (near & used).sum(axis=1) / near.sum(axis=1)


def test_the_load_is_the_share_of_the_patches_around(grid) -> None:
    used = np.random.default_rng(0).random(len(grid)) < 0.3
    assert np.allclose(local_load(grid, used), by_hand(grid, used), atol=1e-6)


def test_free_positions_have_the_same_load_as_the_grid(grid) -> None:
    used = np.random.default_rng(0).random(len(grid)) < 0.3
    free = fake_run(rows=40, cols=50, free=True).patches
    assert np.allclose(local_load(free, used), local_load(grid, used), atol=1e-6)


def test_tissue_that_belongs_to_one_expert_is_one_and_the_border_is_between(grid) -> None:
    used = grid.centres[:, 1] < grid.centres[:, 1].mean()
    load = local_load(grid, used)
    assert load[grid.cols == 0].min() == 1 and load[grid.cols == 49].max() == 0
    assert 0.3 < load[grid.cols == 25].mean() < 0.6


def test_patches_that_lie_far_apart_have_neighbours_too() -> None:
    sparse = fake_run(um_per_pixel=10.0).patches
    assert sparse.scale[0] > RADIUS_UM and load_radius(sparse) == 2.5 * sparse.scale[0]
    alone = np.arange(len(sparse)) == 9
    assert 0 < local_load(sparse, alone)[9] < 0.2

"""Patches as arrays: known answers."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.maps import (
    GridFrame,
    PatchMap,
    ellipse_polygon,
    ordinal,
    percentile_of,
    robust_limits,
    wider_limits,
)


@pytest.fixture
def grid() -> PatchMap:
    rows, cols = np.array([0, 1, 2]), np.array([1, 0, 3])
    positions = np.stack([9.5 + cols * 20, 9.5 + rows * 20], axis=1).astype(float)
    return PatchMap(positions, rows, cols, 20.0, 0.5, GridFrame((9.5, 9.5), 20.0, (3, 4)))


def test_values_land_in_their_cell_and_nothing_elsewhere(grid: PatchMap) -> None:
    image = grid.image([1.0, 2.0, 3.0])
    assert image.shape == (3, 4)
    assert (image[0, 1], image[1, 0], image[2, 3]) == (1, 2, 3)
    assert np.isnan(image).sum() == 9


def test_experts_count_from_one_and_nothing_is_zero(grid: PatchMap) -> None:
    labels = grid.labels(np.array([0, 5, -1]))
    assert (labels[0, 1], labels[1, 0], labels[2, 3], labels[0, 0]) == (1, 6, 0, 0)


def test_world_is_y_before_x_in_um_from_pixel_centres(grid: PatchMap) -> None:
    assert grid.scale == (10.0, 10.0)
    assert grid.translate == (4.75, 4.75)
    assert np.allclose(grid.centres[2], [(9.5 + 40) * 0.5, (9.5 + 60) * 0.5])


def test_a_patch_is_found_up_to_its_edge_and_not_beyond(grid: PatchMap) -> None:
    y, x = grid.centres[2]
    assert grid.patch_at(y, x) == 2
    assert grid.patch_at(y + 4.9, x - 4.9) == 2
    assert grid.patch_at(y - 5.1, x) is None
    assert grid.patch_at(-100, 0) is None
    assert grid.patch_at(1e6, 0) is None


def test_free_positions_are_found_within_their_own_square() -> None:
    free = PatchMap(np.array([[100.0, 50.0], [110.0, 50.0]]), np.full(2, -1), np.full(2, -1), 20.0, 2.0, None)
    assert free.patch_at(50 * 2 + 19, 100 * 2 - 19) == 0
    assert free.patch_at(100, 211) == 1
    assert free.patch_at(50 * 2 + 21, 200) is None
    with pytest.raises(ValueError, match="points"):
        free.image([1, 2])


def test_limits_ignore_the_outermost_hundredth_and_are_never_empty() -> None:
    values = np.arange(1001.0)
    values[0], values[-1] = -1e9, np.nan
    assert robust_limits(values) == pytest.approx((9.99, 989.01))
    assert robust_limits(np.full(5, 3.0)) == (2.5, 3.5)
    assert robust_limits(np.full(5, np.nan)) == (0.0, 1.0)


def test_limits_of_a_map_that_fills_only_widen_and_seldom() -> None:
    assert wider_limits(None, (0, 1)) == (0, 1)
    assert wider_limits((0, 10), (-1, 10.5)) == (0, 10)
    assert wider_limits((0, 10), (2, 15)) == (0, 15)


def test_percentile_counts_what_is_not_higher() -> None:
    assert percentile_of([1, 2, 3, np.nan], 2) == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("number", "text"),
    [(97.2, "97th"), (1, "1st"), (0, "1st"), (100, "99th"), (22, "22nd"), (11, "11th"), (93, "93rd")],
)
def test_percentiles_read_as_words(number: float, text: str) -> None:
    assert ordinal(number) == text


def test_an_ellipse_touches_the_middle_of_each_side_of_its_box() -> None:
    outline = ellipse_polygon([(0, 0), (0, 10), (4, 10), (4, 0)], 4)
    assert np.allclose(outline, [(2, 10), (4, 5), (2, 0), (0, 5)])

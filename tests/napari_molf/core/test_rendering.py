"""A smooth map keeps the tissue's edge and the patches' values."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.rendering import FINEST, SMOOTH_PIXELS, fineness, shift, smooth


def test_it_is_missing_exactly_where_a_patch_is() -> None:
    image = np.ones((5, 6), np.float32)
    image[0, 0] = image[2, 3] = image[4, 5] = np.nan
    surface = smooth(image, 4)
    assert np.array_equal(np.isnan(surface), np.kron(np.isnan(image), np.ones((4, 4), bool)))


def test_a_constant_map_stays_constant_up_to_every_edge_and_beside_every_hole() -> None:
    image = np.full((5, 6), 3.5, np.float32)
    image[1, 1] = image[:, 4] = np.nan
    surface = smooth(image, 8)
    assert np.allclose(surface[np.isfinite(surface)], 3.5, atol=1e-5)


def test_a_ramp_stays_a_ramp_between_the_centres() -> None:
    image = np.repeat(np.arange(6, dtype=np.float32)[None], 4, axis=0)
    surface = smooth(image, 4)
    centres = (np.arange(24) + 0.5) / 4 - 0.5
    inside = (centres >= 0) & (centres <= 5)
    assert np.allclose(surface[:, inside], centres[inside], atol=1e-5)
    # Half a patch at the border has no neighbour to go towards.
    assert (surface[:, ~inside] >= 0).all() and (surface[:, ~inside] <= 5).all()


def test_no_value_is_outside_those_of_the_patches() -> None:
    image = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    image[image > 1] = np.nan
    surface = smooth(image, 5)
    assert np.nanmin(surface) >= np.nanmin(image) - 1e-5 and np.nanmax(surface) <= np.nanmax(image) + 1e-5


def test_with_an_odd_number_of_pixels_the_middle_one_has_the_patch_s_own_value() -> None:
    image = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
    assert np.allclose(smooth(image, 3)[1::3, 1::3], image, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (85, 85), (300, 400), (2000, 3000)])
def test_the_larger_the_map_the_coarser_its_surface(shape: tuple[int, int]) -> None:
    factor = fineness(shape)
    assert 2 <= factor <= FINEST
    assert factor == 2 or shape[0] * shape[1] * factor**2 <= SMOOTH_PIXELS


def test_the_first_pixel_starts_at_the_edge_of_the_first_patch() -> None:
    assert shift(1) == 0 and shift(4) - 0.5 / 4 == -0.5

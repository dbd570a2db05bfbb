"""A score that fades where the draws differ."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.fading import faded_colours, steadiness


def test_a_patch_is_half_faded_where_draws_differ_as_much_as_the_tissue() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0])
    assert steadiness(np.full(4, values.std()), values) == pytest.approx(0.5)
    assert steadiness([0.0, values.std(), 3 * values.std(), np.nan], values) == pytest.approx([1.0, 0.5, 0.1, 0.0])


def test_on_a_flat_map_only_draws_that_agree_stay() -> None:
    assert steadiness([0.0, 0.2], [1.0, 1.0]) == pytest.approx([1.0, 0.0])


def test_colours_are_those_of_the_layer_but_for_their_opacity() -> None:
    from napari.utils.colormaps import ensure_colormap

    viridis = ensure_colormap("viridis")
    colours = faded_colours([-1.0, 0.0, 1.0, 9.0, np.nan], [1.0, 1.0, 0.5, 0.25, 1.0], viridis, (0.0, 2.0))
    expected = np.rint(255 * viridis.map(np.array([0.0, 0.0, 0.5, 1.0], np.float32)))
    assert np.array_equal(colours[:4, :3], expected[:, :3])
    assert colours[:, 3].tolist() == [255, 255, 128, 64, 0]


def test_gamma_bends_the_colours_as_napari_does() -> None:
    from napari.utils.colormaps import ensure_colormap

    grey = ensure_colormap("gray")
    straight, bent = (faded_colours([0.25], [1.0], grey, (0.0, 1.0), gamma) for gamma in (1.0, 0.5))
    assert straight[0, 0] == 64 and bent[0, 0] == 128

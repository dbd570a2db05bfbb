"""The layer of measured spots, in a viewer without a window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_molf.measured.spot_layer import Discs, SpotLayer

DISCS = Discs(Path("slide.tif"), np.array([[10.5, 20.5], [30.5, 40.5]]), 55.0, 2.0)


@pytest.fixture
def spots(model: ViewerModel) -> SpotLayer:
    layer = SpotLayer(model)
    layer.draw(DISCS, "S1 · measured", None)
    return layer


def test_spots_are_discs_of_their_true_size_where_they_were_measured(spots: SpotLayer) -> None:
    layer = spots.layer
    assert layer.data.tolist() == [[40.0, 20.0], [80.0, 60.0]]
    assert layer.size.tolist() == [55.0, 55.0]
    assert str(layer.units[0]) == "micrometer"
    assert (layer.face_color[:, 3] == 0).all()


def test_values_colour_them_between_the_limits(spots: SpotLayer) -> None:
    spots.colour([0.0, 2.0], (0.0, 2.0), "viridis", "EPCAM")
    assert spots.layer.name == "EPCAM"
    assert np.allclose(spots.layer.face_color[0, :3], [0.267, 0.005, 0.329], atol=0.01)
    spots.set_limits((0.0, 4.0))
    assert np.allclose(spots.layer.face_color[1, :3], [0.128, 0.567, 0.551], atol=0.02)
    spots.clear("OTHER")
    assert (spots.layer.face_color[:, 3] == 0).all()


def test_there_is_one_layer_and_what_was_chosen_stays_chosen(model: ViewerModel, spots: SpotLayer) -> None:
    map_layer = model.add_image(np.zeros((4, 4)))
    spots.draw(DISCS, "again", None)
    assert [layer.name for layer in model.layers if layer is not map_layer] == ["again"]
    assert model.layers.selection.active is map_layer


def test_a_layer_that_the_user_deleted_stays_deleted(model: ViewerModel, spots: SpotLayer) -> None:
    model.layers.clear()
    spots.colour([0.0, 1.0], (0, 1), "viridis", "EPCAM")
    spots.set_visible(True)
    spots.set_limits((0, 2))
    spots.show_key(True)
    assert len(model.layers) == 0

"""A run as layers, in a viewer without a window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.layers import Placement, ResultLayers, role_of, run_of
from napari_molf.core.palette import EXPERT_COLOURS, MAX_EXPERTS
from tests.napari_molf.fakes import fake_run


@pytest.fixture
def run():
    return fake_run()


@pytest.fixture
def layers(model, run) -> ResultLayers:
    return ResultLayers(model, run.id, run.patches)


def test_another_score_changes_the_layer_and_adds_none(model, layers: ResultLayers, run) -> None:
    first = layers.show_score(np.arange(19.0), "A", (0, 10))
    second = layers.show_score(np.arange(19.0) * 2, "B", (0, 20))
    assert first is second and len(model.layers) == 1
    assert first.name == "B" and first.contrast_limits == [0, 20]
    assert first.data[0, 1] == 0 and first.data[3, 4] == 36 and np.isnan(first.data[0, 0])


def test_limits_stay_when_none_are_given_even_beyond_the_data(layers: ResultLayers) -> None:
    layer = layers.show_score(np.arange(19.0), "A", (0, 10))
    layers.show_score(np.arange(19.0) * 100, "A", None)
    assert layer.contrast_limits == [0, 10]
    layers.show_score(np.arange(19.0), "A", (-5, 1e5))
    assert layer.contrast_limits == [-5, 1e5]


def test_the_score_layer_is_what_eyes_need(layers: ResultLayers) -> None:
    layer = layers.show_score(np.arange(19.0), "A", (0, 10))
    assert layer.colormap.name == "viridis" and layer.blending == "translucent" and layer.interpolation2d == "nearest"
    assert layer.colorbar.visible
    assert [str(u) for u in layer.units] == ["micrometer"] * 2
    assert np.allclose(layer.scale, 20) and np.allclose(layer.translate, (20 - 0.5) * 0.5)


def test_layers_are_known_by_their_run_not_by_their_name(model, layers: ResultLayers, run) -> None:
    layer = layers.show_score(np.arange(19.0), "A", (0, 10))
    assert run_of(layer) == run.id and role_of(layer) == "score"
    layer.name = "mine"
    other = ResultLayers(model, "another run", run.patches).show_score(np.zeros(19), "A", (0, 1))
    assert other is not layer and layers.layer("score") is layer


def test_a_layer_that_the_user_deleted_stays_away_while_the_map_fills_and_comes_back_when_asked_for(
    model, layers: ResultLayers
) -> None:
    model.layers.remove(layers.show_score(np.arange(19.0), "A", (0, 10)))
    layers.update_score(np.arange(19.0), (0, 1))
    assert len(model.layers) == 0
    layers.show_score(np.arange(19.0), "A", (0, 10))
    assert len(model.layers) == 1


def test_experts_have_a_colour_each_and_no_tissue_has_none(layers: ResultLayers, run) -> None:
    layer = layers.show_experts(run.scores.top_expert, 3, "experts")
    assert layer.data[0, 0] == 0 and set(np.unique(layer.data)) <= {0, 1, 2, 3}
    colour = layer.colormap.color_dict
    assert colour[0][3] == 0 and colour[None][3] == 0
    from napari.utils.color import ColorValue

    for expert in range(3):
        assert np.allclose(colour[expert + 1], ColorValue(EXPERT_COLOURS[expert]))


def test_more_experts_than_colours_are_refused(layers: ResultLayers) -> None:
    with pytest.raises(ValueError, match="cannot be told apart"):
        layers.show_experts(np.zeros(19, int), MAX_EXPERTS + 1, "experts")


def test_only_one_map_is_to_be_seen(layers: ResultLayers, run) -> None:
    layers.show_score(np.arange(19.0), "A", (0, 10))
    layers.show_experts(run.scores.top_expert, 3, "experts")
    layers.show_weight(run.scores.routing[:, 0], "weight")
    layers.show_only("weight")
    assert [(role_of(layer), layer.visible) for layer in layers.all()] == [
        ("score", False),
        ("expert", False),
        ("numbers", False),
        ("weight", True),
    ]
    layers.show_only("expert")
    assert {role_of(layer) for layer in layers.all() if layer.visible} == {"expert", "numbers"}


def test_a_map_of_experts_that_the_user_deleted_comes_back_with_its_numbers_once(layers: ResultLayers, run) -> None:
    layers.show_experts(run.scores.top_expert, 3, "experts")
    layers._viewer.layers.remove(layers.layer("expert"))
    layers.show_experts(run.scores.top_expert, 3, "experts")
    assert [role_of(layer) for layer in layers.all()] == ["expert", "numbers"]


def test_free_positions_become_points(model) -> None:
    run = fake_run(free=True)
    layers = ResultLayers(model, run.id, run.patches)
    layer = layers.show_score(np.arange(19.0), "A", (0, 18))
    assert type(layer).__name__ == "Points" and np.allclose(layer.size, 20)
    assert np.allclose(layer.data[0], ((20 - 0.5) * 0.5, (60 - 0.5) * 0.5))
    before = layer.face_color.copy()
    assert layers.show_score(np.arange(19.0)[::-1], "B", None) is layer
    assert np.allclose(layer.face_color, before[::-1], atol=1e-5)
    assert len(layers.show_experts(run.scores.top_expert, 3, "experts").face_color) == 19


def test_a_prediction_follows_a_slide_that_was_moved_and_turned(model, run) -> None:
    slide = model.add_image(np.zeros((160, 200)), scale=(0.5, 0.5), translate=(100, 30), rotate=30, units=("um", "um"))
    layer = ResultLayers(model, run.id, run.patches, Placement(slide)).show_score(np.zeros(19), "A", (0, 1))
    # The centre of patch (row 2, col 3) is pixel (99.5, 139.5) of the slide.
    assert np.allclose(layer.data_to_world((2, 3)), slide.data_to_world((99.5, 139.5)))


def test_every_colour_is_its_own() -> None:
    assert len(EXPERT_COLOURS) == MAX_EXPERTS == len(set(EXPERT_COLOURS))


def test_smooth_changes_the_layer_in_place_wherever_the_user_has_moved_it(model) -> None:
    layers = ResultLayers(model, "run", fake_run().patches)
    values = np.arange(19.0)
    layer = layers.show_score(values, "s", (0, 19))
    layer.translate, layer.rotate = (100.0, 30.0), 30
    before, read = layer.extent.world, layers.position(layer.data_to_world((1, 2)))
    layers.set_smooth(True)
    (same,) = model.layers
    assert same is layer and layer.data.shape == (32, 40) and np.isnan(layer.data[:8, :8]).all()
    middle = layer.data_to_world((1 * 8 + 3.5, 2 * 8 + 3.5))
    assert np.allclose(layers.position(middle), read)
    layers.show_score(2 * values, "s", None)
    assert layer.data.shape == (32, 40)
    layers.set_smooth(False)
    assert layer.data.shape == (4, 5) and layer.data[0, 3] == 4 and np.allclose(layer.extent.world, before)


def test_a_difference_has_its_own_colours_and_gives_back_those_that_the_user_chose(model) -> None:
    layers = ResultLayers(model, "run", fake_run().patches)
    layer = layers.show_score(np.arange(19.0), "s", (0, 19))
    layer.colormap = "magma"
    layers.show_score(np.arange(19.0) - 9, "d", (-9, 9), diverging=True)
    assert layer.colormap.name == "molf_difference"
    colours = layer.colormap.map(np.array([0.0, 0.5, 1.0]))
    assert colours[0, 2] > colours[0, 0] and colours[2, 0] > colours[2, 2] and colours[1, :3].min() > 0.8
    layers.show_score(np.arange(19.0), "s", (0, 19))
    assert layer.colormap.name == "magma"


def test_discs_at_free_positions_have_a_colour_key_and_stay_discs(model) -> None:
    layers = ResultLayers(model, "run", fake_run(free=True).patches)
    layer = layers.show_score(np.where(np.arange(19) < 5, np.nan, 1.0), "s", (0, 19))
    layers.set_smooth(True)
    layers.show_score(np.arange(19.0) - 9, "d", (-9, 9), diverging=True)
    assert len(layer.data) == 19 and layer.face_colorbar.visible and layer.face_colormap.name == "molf_difference"

"""Maps side by side, in a viewer without a window."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.compare.panels import PanelMap, SideBySide
from napari_molf.core.drawing import Drawing
from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info, slide_layer_data
from napari_molf.core.views import Wanted
from tests.napari_molf.fakes import GENES, ArraySlide, fake_run

WANTED = [Wanted(Score("gene", name)) for name in GENES[:4]]


def maps(wanted: list[Wanted] = WANTED, factor: float = 1.0) -> list[PanelMap]:
    return [PanelMap(w, w.score.name, factor * np.arange(19.0), (0.0, 19.0)) for w in wanted]


@pytest.fixture
def slide(model):
    data, arguments, _ = slide_layer_data(ArraySlide([np.zeros((160, 200, 3), np.uint8)] * 2))
    return model.add_image(data, **arguments)


@pytest.fixture
def panels(model, slide) -> SideBySide:
    model.add_points(np.zeros((1, 2)), name="mine", units=("um", "um")).visible = False
    model.layers.selection.active = slide
    model.scene.camera.zoom, model.scene.camera.center = 3.0, (0, 40, 50)
    panels = SideBySide(model)
    panels.open(maps(), Drawing(fake_run().patches), slide, 0.5)
    return panels


def cells(model) -> dict[tuple[int, int], list[str]]:
    inside = model.canvas.grid.iter_viewboxes(model.layers)
    return {cell: [model.layers[index].name for index in indices] for cell, indices in inside}


def test_each_panel_has_the_tissue_and_one_map(model, panels, slide) -> None:
    assert cells(model) == {
        (row, col): [f"Tissue under {name}", name]
        for (row, col), name in zip([(0, 0), (0, 1), (1, 0), (1, 1)], GENES, strict=False)
    }
    assert [layer.name for layer in model.layers if not layer.visible] == ["array", "mine"]
    score = model.layers["CD3E"]
    assert score.colorbar.visible and score.name_overlay.visible and score.opacity == 0.5
    assert model.canvas.overlays.scale_bar.gridded and model.canvas.overlays.scale_bar.visible
    assert model.scene.camera.zoom == 1.5


def test_copies_of_the_slide_share_its_pixels_and_are_no_slides_to_predict(model, panels, slide) -> None:
    copy = model.layers["Tissue under CD3E"]
    assert all(mine is theirs for mine, theirs in zip(copy.data, slide.data, strict=True))
    assert slide_info(copy) is None and np.allclose(copy.extent.world, slide.extent.world)


def test_other_values_change_the_same_layers(model, panels) -> None:
    before = list(model.layers)
    panels.show(maps(factor=2.0))
    assert list(model.layers) == before and model.layers["CD3E"].data[0, 3] == 4.0


def test_panels_come_go_and_change_places(model, panels) -> None:
    kept = model.layers["MKI67"]
    fifth = Wanted(Score("gene", "WEAK"))
    panels.show(maps([WANTED[3], fifth, WANTED[0]]))
    assert [names[1] for names in cells(model).values() if names] == ["MKI67", "WEAK", "EPCAM"]
    assert kept in model.layers and panels.wanted == (WANTED[3], fifth, WANTED[0])
    assert [layer.name for layer in model.layers][-2:] == ["array", "mine"]


def test_closing_puts_everything_back_as_it_was(model, panels, slide) -> None:
    panels.close()
    assert [layer.name for layer in model.layers] == ["array", "mine"]
    assert [layer.visible for layer in model.layers] == [True, False]
    grid, camera = model.canvas.grid, model.scene.camera
    assert (grid.enabled, grid.stride, tuple(grid.shape)) == (False, 1, (-1, -1))
    assert camera.zoom == 3.0 and tuple(camera.center)[-2:] == (40, 50)
    assert not model.canvas.overlays.scale_bar.gridded and model.layers.selection.active is slide


def test_a_layer_that_the_user_deleted_is_noticed_and_its_panel_goes(model, panels) -> None:
    model.layers.remove("CD3E")
    model.layers["EPCAM"].name = "renamed by hand"
    assert panels.missing() == (WANTED[1],) and not panels.disturbed
    panels.show(maps([WANTED[0], WANTED[2]]))
    assert "Tissue under CD3E" not in model.layers and len(cells(model)) == 2


def test_a_click_is_known_by_its_cell(model, panels) -> None:
    assert panels.at((1, 0)) == WANTED[2] and panels.at(None) is None
    panels.select(WANTED[2])
    assert model.layers.selection.active is model.layers["COL1A1"]


def test_it_is_disturbed_by_a_new_layer_and_by_the_grid_button(model, panels) -> None:
    model.add_points(np.zeros((1, 2)), name="new")
    assert panels.disturbed
    model.layers.remove("new")
    assert not panels.disturbed
    model.canvas.grid.enabled = False
    assert panels.disturbed


def test_without_a_slide_the_maps_stand_alone(model) -> None:
    panels = SideBySide(model)
    panels.open(maps(WANTED[:2]), Drawing(fake_run().patches), None, 0.5)
    assert cells(model) == {(0, 0): ["EPCAM"], (0, 1): ["CD3E"]}
    panels.close()
    assert not model.layers


def test_patches_at_free_positions_have_panels_too(model, slide) -> None:
    panels = SideBySide(model)
    panels.open(maps(WANTED[:2]), Drawing(fake_run(free=True).patches), slide, 0.5)
    panels.show([PanelMap(WANTED[0], "EPCAM", np.arange(19.0), (0.0, 5.0)), *maps(WANTED[1:2])])
    assert tuple(model.layers["EPCAM"].face_contrast_limits) == (0.0, 5.0)
    assert model.layers["EPCAM"].face_colorbar.visible

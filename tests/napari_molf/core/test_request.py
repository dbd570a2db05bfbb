"""What is asked of the engine: regions and codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_molf.core.request import codes_of, fitting_model, predict, shape_regions, view_region
from napari_molf.core.slide_layer import SlideInfo, slide_layer_data
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import ArraySlide, fake_bundle


def add_slide(model, um_per_pixel: float = 0.5):
    data, arguments, _ = slide_layer_data(ArraySlide([np.zeros((100, 200, 3), np.uint8)], um_per_pixel))
    return model.add_image(data, **arguments)


def test_only_codes_that_the_model_has_seen_are_offered_and_unknown_first() -> None:
    assert codes_of(fake_bundle(codes=("IDC", "Unknown"))) == ("Unknown", "IDC")


@pytest.mark.parametrize("simulated", [True, False])
def test_the_model_fits_the_slide(simulated: bool) -> None:
    bundles = [fake_bundle("demo", simulated=True), fake_bundle("starter")]
    info = SlideInfo(Path("s"), (1, 1), 0.5, "file", simulated=simulated)
    assert fitting_model(bundles, info).name == ("demo" if simulated else "starter")
    assert fitting_model(bundles[:1], info).name == "demo"
    assert fitting_model([], info) is None


def test_the_view_is_what_the_canvas_shows(model) -> None:
    layer = add_slide(model)
    model.canvas.size = (60, 80)
    model.scene.camera.zoom = 4.0  # screen pixels per um: 15 um by 20 um
    model.scene.camera.center = (25.0, 50.0)
    region = view_region(model, layer)
    # x 40..60 um, y 17.5..32.5 um; half a pixel from the centre of a pixel to its edge.
    assert np.allclose(region.min(axis=0), [80.5, 35.5]) and np.allclose(region.max(axis=0), [120.5, 65.5])


def test_drawn_shapes_become_polygons_x_before_y_and_lines_are_left_out(model) -> None:
    layer = add_slide(model)
    shapes = model.add_shapes(units=("um", "um"))
    shapes.add_rectangles([[5, 10], [5, 30], [15, 30], [15, 10]])
    shapes.add_lines([[0, 0], [1, 1]])
    shapes.add_ellipses([[0, 0], [0, 20], [10, 20], [10, 0]])
    rectangle, ellipse = shape_regions(shapes, layer)
    assert np.allclose(rectangle, [(20.5, 10.5), (60.5, 10.5), (60.5, 30.5), (20.5, 30.5)])
    assert np.allclose(ellipse.min(axis=0), [0.5, 0.5]) and np.allclose(ellipse.max(axis=0), [40.5, 20.5])


def test_it_can_be_asked_without_a_window(tiny: Tiny) -> None:
    from molf_engine.prediction import read_prediction

    region = np.array([(0, 0), (650, 0), (650, 300), (0, 300)], float)
    adata = predict(tiny.slide, tiny.bundle, regions=[region], guidance=2.0)
    whole = read_prediction(tiny.result)
    assert 0 < adata.n_obs < whole.n_obs and (adata.obsm["spatial"][:, 1] < 300).all()
    assert adata.uns["molf"]["guidance"] == 2.0

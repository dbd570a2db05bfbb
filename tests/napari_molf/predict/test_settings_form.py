"""The form: what it knows, what it asks, what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molf_engine.errors import BundleError, MissingScaleError, NoTissueError, SlideError
from napari_molf.core.slide_layer import SlideInfo, slide_layer_data
from napari_molf.predict.settings_form import CHOOSE_FOLDER, SettingsForm, build_settings_form
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import ArraySlide, fake_bundle

IMAGE = np.zeros((100, 200, 3), np.uint8)


def add_slide(model, **kwargs: object):
    data, arguments, _ = slide_layer_data(ArraySlide([IMAGE], **kwargs))  # type: ignore[arg-type]
    return model.add_image(data, **arguments)


@pytest.fixture
def form(qtbot, model) -> SettingsForm:
    return SettingsForm(model, [fake_bundle("demo", simulated=True), fake_bundle("starter", codes=("IDC", "PRAD"))])


def test_everything_that_can_be_known_is_filled_in(model, form: SettingsForm) -> None:
    layer = add_slide(model, um_per_pixel=0.25)
    form.refresh_slides()
    assert form.layer is layer
    assert (form.um.value, form.um_origin.value) == ("0.25", "from the file")
    assert form.bundle.name == "starter"
    assert form.code.choices == ("Unknown", "IDC", "PRAD") and form.code.value == "Unknown"
    assert form.region.value == "whole tissue"
    request = form.request()
    assert request.slide == Path("array.tif") and request.model == Path("/models/starter")
    assert request.um_per_pixel is None and request.regions is None and request.code == "Unknown"


def test_a_missing_scale_is_guessed_in_sight_and_the_guess_is_what_is_sent(model, form: SettingsForm) -> None:
    layer = add_slide(model, um_per_pixel=None)
    form.refresh_slides()
    assert (form.um.value, form.um_origin.value) == ("0.5", "guessed from 20x")
    assert form.request().um_per_pixel == 0.5
    assert str(layer.units[0]) == "micrometer"


def test_a_missing_scale_without_a_guess_is_asked_for(model, form: SettingsForm) -> None:
    form.set_slide(SlideInfo(Path("s.tif"), (10, 10), None, "unknown"))
    assert (form.um.value, form.um_origin.value) == ("", "please enter")
    with pytest.raises(MissingScaleError, match="how many um a pixel is"):
        form.request()
    form.um.value = "0,5"  # a comma, as half of Europe writes it
    assert form.um_origin.value == "given by you" and form.request().um_per_pixel == 0.5


@pytest.mark.parametrize("text", ["abc", "0", "-1", "nan"])
def test_nonsense_is_no_scale(model, form: SettingsForm, text: str) -> None:
    add_slide(model)
    form.refresh_slides()
    form.um.value = text
    with pytest.raises(MissingScaleError, match=f"'{text}' is not a number"):
        form.request()


def test_a_scale_is_used_as_exactly_as_the_file_has_it(model, form: SettingsForm) -> None:
    layer = add_slide(model, um_per_pixel=0.68768234)
    form.refresh_slides()
    assert form.um.value == "0.6877" and form.request().um_per_pixel is None
    assert np.allclose(layer.scale, 0.68768234, rtol=1e-9)
    form.refresh_slides()
    assert form.um_origin.value == "from the file"
    form.um.value = "0.7"
    form.um.value = "0.6877"
    assert form.um_origin.value == "from the file" and form.um_per_pixel == 0.68768234


def test_the_slide_stays_chosen_when_something_else_is_selected(model, form: SettingsForm) -> None:
    layer = add_slide(model)
    form.refresh_slides()
    form.choose_slide(None)
    form.choose_slide(model.add_labels(np.zeros((4, 4), int)))
    assert form.layer is layer
    second = add_slide(model, name="second")
    form.refresh_slides()
    form.choose_slide(layer)
    form.choose_slide(second)
    assert form.layer is second


def test_the_file_can_be_overruled(model, form: SettingsForm) -> None:
    layer = add_slide(model, um_per_pixel=0.25)
    form.refresh_slides()
    form.um.value = "0.3"
    assert form.request().um_per_pixel == 0.3
    assert np.allclose(layer.scale, 0.3)


def test_without_slide_or_model_it_says_what_to_do(qtbot, model) -> None:
    form = SettingsForm(model)
    with pytest.raises(SlideError, match="Drag one"):
        form.request()
    add_slide(model)
    form.refresh_slides()
    with pytest.raises(BundleError, match="Model"):
        form.request()


def test_codes_follow_the_model_and_a_code_that_both_know_stays(model, form: SettingsForm) -> None:
    add_slide(model)
    form.refresh_slides()
    form.code.value = "PRAD"
    form.model.value = next(b for b in form.model.choices if getattr(b, "name", "") == "demo")
    assert form.code.choices == ("Unknown", "IDC") and form.code.value == "Unknown"


def test_a_model_chosen_by_hand_is_kept_when_another_slide_comes(model, form: SettingsForm) -> None:
    add_slide(model)
    form.refresh_slides()
    form.model.value = form.model.choices[0]
    assert form.bundle.name == "demo"
    add_slide(model, name="second")
    form.refresh_slides()
    assert form.bundle.name == "demo"


def test_choosing_a_folder_is_asked_for_and_can_be_taken_back(model, form: SettingsForm) -> None:
    asked: list[bool] = []
    form.folder_wanted.connect(lambda: asked.append(True))
    form.model.value = CHOOSE_FOLDER
    assert asked == [True] and form.bundle is None
    form.choose_again()
    assert form.bundle.name == "starter"
    form.add_model(fake_bundle("mine"))
    assert form.bundle.name == "mine"


def test_shapes_limit_the_region_and_must_be_drawn(model, form: SettingsForm) -> None:
    add_slide(model)
    form.refresh_slides()
    wanted: list[bool] = []
    form.shapes_wanted.connect(lambda: wanted.append(True))
    form.region.value = "shapes"
    assert wanted == [True]
    with pytest.raises(NoTissueError, match="Draw one"):
        form.request()
    shapes = model.add_shapes(units=("um", "um"))
    shapes.add_rectangles([[5, 10], [5, 30], [15, 30], [15, 10]])
    (region,) = form.request().regions
    assert region.shape == (4, 2)


def test_shapes_drawn_on_a_slide_in_pixels_stay_on_their_tissue(model, form: SettingsForm) -> None:
    add_slide(model, um_per_pixel=None)
    form.refresh_slides()
    shapes = model.add_shapes(units=("pixel", "pixel"))
    shapes.add_rectangles([[20, 40], [20, 80], [60, 80], [60, 40]])
    form.region.value = "shapes"
    (region,) = form.request().regions
    assert np.allclose(region.min(axis=0), [40.5, 20.5]) and np.allclose(region.max(axis=0), [80.5, 60.5])


def test_a_slide_that_is_removed_is_no_longer_offered(model, form: SettingsForm) -> None:
    layer = add_slide(model)
    form.refresh_slides()
    model.layers.remove(layer)
    form.refresh_slides()
    assert form.layer is None and form.info is None


def test_the_form_works_by_itself(qtbot, installed: Tiny) -> None:
    request = build_settings_form(slide=installed.slide).request()
    assert request.slide == installed.slide and request.model == installed.bundle and request.um_per_pixel is None

"""A slide layer: lazy, and where the slide's pixels are."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.slide_layer import CHUNK, pyramid, set_um_per_pixel, slide_info, slide_layer_data
from tests.napari_molf.fakes import ArraySlide, shrink


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)


def test_every_level_reads_back_as_it_is() -> None:
    image = noise(1301, 1777)
    slide = ArraySlide([image, shrink(image, 433, 592)])
    for level, array in enumerate(pyramid(slide)):
        assert np.array_equal(array.compute(), slide.arrays[level])


def test_nothing_is_read_until_pixels_are_asked_for() -> None:
    slide = ArraySlide([noise(3000, 3000), noise(1000, 1000)])
    levels = pyramid(slide)
    assert slide.reads == []
    levels[0][10:20, 30:40].compute()
    assert len(slide.reads) == 1 and slide.reads[0][1] <= CHUNK * CHUNK


def test_a_damaged_tile_is_white_and_the_others_stay() -> None:
    from molf_engine.errors import SlideError

    slide = ArraySlide([noise(100, 100)])

    def broken(*_: object) -> np.ndarray:
        raise SlideError("tile 3 is damaged")

    slide.read_region = broken  # type: ignore[method-assign]
    assert (pyramid(slide)[0].compute() == 255).all()


def add(model, slide: ArraySlide):
    data, arguments, _ = slide_layer_data(slide)
    return model.add_image(data, **arguments)


def test_the_layer_is_in_um_and_knows_its_file(model) -> None:
    layer = add(model, ArraySlide([noise(60, 80)], um_per_pixel=0.25))
    info = slide_info(layer)
    assert info is not None
    assert (info.size, info.um_per_pixel, info.source) == ((80, 60), 0.25, "file")
    assert str(layer.units[0]) == "micrometer"
    assert np.allclose(layer.extent.world[1], [59 * 0.25, 79 * 0.25])


def test_a_slide_without_scale_is_in_pixels_with_a_guess_until_someone_says(model) -> None:
    layer = add(model, ArraySlide([noise(60, 80)], um_per_pixel=None))
    assert slide_info(layer).um_per_pixel is None
    assert slide_info(layer).guess == pytest.approx(0.5)
    assert str(layer.units[0]) == "pixel"
    model.scene.camera.center = (0, 30, 40)
    model.scene.camera.zoom = 2.0
    set_um_per_pixel(layer, 0.5, model)
    assert str(layer.units[0]) == "micrometer"
    assert slide_info(layer).source == "given"
    assert np.allclose(model.scene.camera.center[-2:], (15, 20)) and model.scene.camera.zoom == pytest.approx(4.0)
    assert model.canvas.overlays.scale_bar.visible


def test_a_layer_that_shows_no_slide_has_no_slide(model) -> None:
    assert slide_info(model.add_image(np.zeros((5, 5)))) is None

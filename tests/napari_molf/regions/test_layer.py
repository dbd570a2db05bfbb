"""Shapes as regions of the slide, and back; no window."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molf_engine.regions import Region, membership
from napari_molf.core.slide_layer import set_um_per_pixel
from napari_molf.regions import layer as drawing
from napari_molf.regions.anchor import anchor_of, anchor_of_run, anchor_on_show, find_anchor
from tests.napari_molf.regions.made import SIZE, a_run, add_slide, box, draw, region


def drawn_on(model, slide_layer, *layers):
    anchor = anchor_of(slide_layer)
    return drawing.regions_of([drawing.take(layer) for layer in layers], anchor)


def test_a_drawn_box_is_a_region_in_pixels_of_the_slide(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    draw(layer, 2, 5, 1, 3)
    drawing.name_new_shapes([layer])
    (only,) = drawn_on(model, slide, layer)
    assert only.name == "Region 1"
    assert only.extent == pytest.approx((2 * SIZE, 5 * SIZE, 1 * SIZE, 3 * SIZE))


def test_regions_stay_on_a_slide_that_was_turned_and_moved(model) -> None:
    slide = add_slide(model)
    slide.translate, slide.rotate = (500, -200), 30
    anchor = anchor_of(slide)
    holed = Region("ring", ((box(2, 8, 2, 8), box(4, 6, 4, 6)),), "Tumor", "#c80000")
    data, arguments, _ = drawing.layer_data([holed, region("b", 9, 12, 2, 4)], anchor, "r")
    layer = model.add_shapes(data, **arguments)
    ring, b = drawn_on(model, slide, layer)
    assert (ring.name, ring.classification, ring.colour) == ("ring", "Tumor", "#c80000")
    assert ring.area == pytest.approx(holed.area, rel=1e-3)
    assert b.extent == pytest.approx((9 * SIZE, 12 * SIZE, 2 * SIZE, 4 * SIZE))
    assert not membership([ring], np.array([(5 * SIZE, 5 * SIZE)]))[0, 0]


def test_shapes_of_one_name_are_one_region(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    draw(layer, 0, 2, 0, 2)
    draw(layer, 5, 7, 0, 2)
    drawing.name_new_shapes([layer])
    drawing.change([layer], "Region 2", "name", "Region 1")
    (only,) = drawn_on(model, slide, layer)
    assert only.area == pytest.approx(8 * SIZE**2)


def test_lines_and_unfinished_shapes_are_no_regions(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    layer.add_lines([np.array([(0, 0), (50, 50)])])
    layer.add_paths([np.array([(0, 0), (50, 50), (80, 10)])])
    assert drawn_on(model, slide, layer) == ()


def test_an_ellipse_holds_what_it_shows(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    layer.add_ellipses([np.array([(0, 0), (0, 100), (60, 100), (60, 0)])])
    drawing.name_new_shapes([layer])
    (only,) = drawn_on(model, slide, layer)
    assert only.area == pytest.approx(np.pi * 100 * 60, rel=5e-3)


def test_a_crossing_outline_is_taken_as_it_is_seen(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    layer.add_polygons([np.array([(0, 0), (100, 100), (100, 0), (0, 100)])])
    drawing.name_new_shapes([layer])
    (only,) = drawn_on(model, slide, layer)
    assert only.area == pytest.approx(200 * 200 / 2, rel=1e-3)


def test_regions_keep_their_slide_when_their_layer_is_renamed(model) -> None:
    first, second = add_slide(model, "one"), add_slide(model, "two")
    layer = drawing.add_regions_layer(model, first)
    layer.name = "anything"
    assert drawing.region_layers(model, Path("one.tif")) == [layer]
    assert drawing.region_layers(model, Path("two.tif")) == []
    assert drawing.layer_for(model, anchor_of(second)) is not layer


def test_the_users_own_shapes_become_regions_when_drawn_in(model) -> None:
    slide = add_slide(model)
    own = model.add_shapes([np.array([(0, 0), (0, 50), (50, 50)])], shape_type="polygon", units=("um", "um"))
    model.layers.selection.active = own
    assert drawing.layer_for(model, anchor_of(slide)) is own
    drawing.name_new_shapes([own])
    assert [r.name for r in drawn_on(model, slide, own)] == ["Region 1"]


def test_shapes_of_others_are_left_alone(model) -> None:
    slide = add_slide(model)
    other = model.add_shapes([np.array([(0, 0), (0, 50), (50, 50)])], shape_type="polygon", metadata={"theirs": 1})
    model.layers.selection.active = other
    assert drawing.layer_for(model, anchor_of(slide)) is not other


def test_regions_follow_when_the_um_per_pixel_become_known(model) -> None:
    slide = add_slide(model, um_per_pixel=None)
    layer = drawing.add_regions_layer(model, slide)
    layer.add_polygons([box(2, 5, 1, 3)[:, ::-1] - 0.5])
    drawing.name_new_shapes([layer])
    set_um_per_pixel(slide, 0.25, model)
    (only,) = drawn_on(model, slide, layer)
    assert only.extent == pytest.approx((2 * SIZE, 5 * SIZE, 1 * SIZE, 3 * SIZE))


def test_names_and_classes_change_and_regions_go(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    draw(layer, 0, 2, 0, 2)
    draw(layer, 5, 7, 0, 2)
    drawing.name_new_shapes([layer])
    drawing.change([layer], "Region 1", "name", "nest")
    drawing.change([layer], "nest", "class", "Tumor")
    assert [(r.name, r.classification) for r in drawn_on(model, slide, layer)] == [("nest", "Tumor"), ("Region 2", "")]
    drawing.remove([layer], {"nest"})
    assert [r.name for r in drawn_on(model, slide, layer)] == ["Region 2"]
    draw(layer, 8, 9, 0, 2)
    drawing.forget_inherited_names(layer)
    drawing.name_new_shapes([layer])
    assert [r.name for r in drawn_on(model, slide, layer)] == ["Region 2", "Region 1"]


def test_what_is_drawn_after_a_region_was_selected_has_a_name_of_its_own(model) -> None:
    slide = add_slide(model)
    layer = drawing.add_regions_layer(model, slide)
    draw(layer, 0, 2, 0, 2)
    drawing.name_new_shapes([layer])
    drawing.change([layer], "Region 1", "name", "nest")
    layer.selected_data = {0}
    draw(layer, 5, 7, 0, 2)
    drawing.forget_inherited_names(layer)
    drawing.name_new_shapes([layer])
    assert [r.name for r in drawn_on(model, slide, layer)] == ["nest", "Region 1"]


def test_a_prediction_without_its_slide_anchors_its_regions(model) -> None:
    run = a_run()
    anchor = find_anchor(model, run.slide_path, run)
    assert anchor is not None and anchor.size == (20 * SIZE, 16 * SIZE)
    pixels = np.array([(120.0, 40.0)])
    np.testing.assert_allclose(anchor.to_world(pixels), run.patches.pixel_size * (pixels[:, ::-1] - 0.5))
    np.testing.assert_allclose(anchor.to_slide(anchor.to_world(pixels)), pixels)
    assert find_anchor(model, Path("other.tif"), run) is None
    assert anchor_of_run(replace(run, slide_name="x")).name == "x"


def test_the_selected_slide_is_on_show_and_else_the_topmost(model) -> None:
    first, _ = add_slide(model, "one"), add_slide(model, "two")
    model.add_shapes()
    assert anchor_on_show(model).path == Path("two.tif")
    model.layers.selection.active = first
    assert anchor_on_show(model).path == Path("one.tif")
    model.layers.clear()
    assert anchor_on_show(model) is None

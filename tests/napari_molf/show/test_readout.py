"""What is under the pointer."""

from __future__ import annotations

import numpy as np
import pytest

from napari_molf.core.layers import Placement, ResultLayers
from napari_molf.core.scores import Score
from napari_molf.core.views import View, Wanted
from napari_molf.desk.presenter import Presenter
from napari_molf.show.readout import IDLE, Readout, describe, position_on_slide
from tests.napari_molf.fakes import fake_run

EPCAM = Score("gene", "EPCAM")


def test_it_reads_score_percentile_expert_and_place() -> None:
    run = fake_run()
    values = np.arange(19.0)
    patch = 17  # row 3, column 3
    routing = run.scores.routing[patch]
    text = describe(run, EPCAM, values, (3 * 20 + 9.0, 3 * 20 + 11.0))
    top = routing.argmax()
    assert text == (
        f"EPCAM 17.00 (95th percentile on this slide) · expert E{top + 1}, {100 * routing[top]:.0f} % · 71, 69 um"
    )


def test_a_difference_is_read_as_what_it_is() -> None:
    run = fake_run()
    view = View(run.id, EPCAM, 4.0, False, True, minus=Wanted(EPCAM, 1.0))
    assert describe(run, EPCAM, np.arange(19.0), (70.0, 70.0), view).startswith("EPCAM, guidance 4 minus 1, 17.00 (")
    other = View(run.id, EPCAM, 4.0, False, True, minus=Wanted(Score("gene", "CD3E")))
    assert describe(run, EPCAM, np.arange(19.0), (70.0, 70.0), other).startswith("EPCAM minus CD3E, guidance 4, 17.00")


def test_off_the_tissue_it_says_so() -> None:
    run = fake_run()
    assert describe(run, EPCAM, np.arange(19.0), (1.0, 2.0)) == "no prediction here · 2, 1 um"


def test_a_patch_that_is_still_to_come_says_so() -> None:
    run = fake_run()
    values = np.full(19, np.nan)
    assert describe(run, EPCAM, values, (30.0, 30.0)).startswith("EPCAM still to come")


def test_the_place_is_that_on_the_slide_even_if_the_slide_was_moved(model) -> None:
    run = fake_run()
    slide = model.add_image(
        np.zeros((160, 200)), scale=(0.5, 0.5), translate=(1000, 500), rotate=90, units=("um", "um")
    )
    layers = ResultLayers(model, run.id, run.patches, Placement(slide))
    layers.show_score(np.zeros(19), "A", (0, 1))
    world = slide.data_to_world((60, 90))
    assert position_on_slide(layers, run, world) == pytest.approx((30, 45))


def test_it_follows_the_pointer_and_lets_go_of_the_viewer(qtbot, model) -> None:
    presenter = Presenter(model)
    readout = Readout(model, presenter)
    qtbot.addWidget(readout)
    assert model.mouse_move_callbacks == [readout.on_move]
    presenter.add_run(fake_run(), None)
    presenter.show(EPCAM)
    qtbot.waitUntil(lambda: presenter.values is not None)
    assert readout.text() == IDLE
    model.cursor.position = (30.0, 30.0)
    readout.on_move(model, None)
    assert readout.text().startswith("EPCAM") and readout.text().endswith("30, 30 um")
    presenter.shown.connect(readout.read_again)
    presenter.show(Score("gene", "CD3E"))
    # Not before it is on the map: its name would stand beside a value of the other.
    readout.read_again()
    assert readout.text().startswith("EPCAM")
    qtbot.waitUntil(lambda: readout.text().startswith("CD3E"))
    readout.stop()
    assert model.mouse_move_callbacks == []
    presenter.stop()

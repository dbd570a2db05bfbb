"""Spread over draws in a real window, with a real model in a real child process."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import Qt

from napari_molf._reader import read_result, read_slide
from napari_molf._widget import PredictWidget
from napari_molf.trust.known import NAME
from napari_molf.trust.part import TrustPart
from tests.napari_molf.conftest import Tiny

LONG = 120_000


def test_draws_of_a_saved_prediction_are_mapped_and_the_window_closes_over_them(
    qtbot, viewer, installed: Tiny, tiny: Tiny
) -> None:
    for array, arguments, _ in read_slide(str(installed.slide)):
        viewer.add_image(array, **arguments)
    dock = PredictWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Predict expression")
    qtbot.waitUntil(lambda: dock.form.bundle is not None, timeout=LONG)
    with qtbot.waitSignal(dock.presenter.shown):
        for array, arguments, _ in read_result(str(tiny.result)):
            viewer.add_image(array, **arguments)
    dock.sections["trust"].fold(False)
    part = next(part for part in dock.parts if isinstance(part, TrustPart))
    part.row.count.setValue(3)
    qtbot.mouseClick(part.row.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.presenter.layers.layer("spread") is not None, timeout=LONG)
    layer, run = dock.presenter.layers.layer("spread"), dock.presenter.run
    assert layer.name == f"spread of {dock.presenter.score.name} over 3 draws · tiny"
    shown = layer.data[run.patches.rows, run.patches.cols]
    assert np.isfinite(shown).all() and shown.max() > 0
    assert np.array_equal(layer.translate, dock.presenter.layers.layer("score").translate)
    qtbot.mouseClick(part.known, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: dock.desk.panel(NAME).isVisible())
    viewer.close()
    assert dock._stopped

"""The experts in a real window: opened from the dock, and gone with it."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_molf._reader import read_result
from napari_molf._widget import PredictWidget
from napari_molf.core.layers import role_of
from napari_molf.core.marker import METADATA_KEY
from napari_molf.experts.gallery import NAME
from tests.napari_molf.conftest import Tiny

LONG = 60_000


@pytest.fixture
def dock(qtbot, viewer, installed: Tiny, tiny: Tiny) -> PredictWidget:
    """A dock with a saved prediction on the map."""
    widget = PredictWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Predict expression")
    with qtbot.waitSignal(widget.presenter.shown, timeout=LONG):
        for data, arguments, kind in read_result(str(tiny.result)):
            getattr(viewer, f"add_{kind}")(data, **arguments)
    return widget


def test_from_the_dock_to_the_gallery_to_the_slide_and_back(qtbot, viewer, dock: PredictWidget) -> None:
    dock.experts.which.setCurrentIndex(1)
    qtbot.mouseClick(dock.experts.gallery, Qt.MouseButton.LeftButton)
    gallery = dock.desk.panel(NAME)
    assert gallery.expert == 1
    qtbot.waitUntil(gallery.isVisible, timeout=LONG)
    qtbot.waitUntil(lambda: gallery.complete and gallery.raised.raised is not None, timeout=LONG)
    qtbot.keyClicks(gallery.name, "stroma")
    qtbot.keyClick(gallery.name, Qt.Key.Key_Return)
    assert dock.experts.key.item(1).text() == gallery.tabs.tabText(1) == "stroma"
    pos = gallery.patches.visualItemRect(gallery.patches.item(0)).center()
    qtbot.mouseClick(gallery.patches.viewport(), Qt.MouseButton.LeftButton, pos=pos)
    patch = gallery.patches.exemplars[0].patch
    assert np.allclose(viewer.scene.camera.center[-2:], dock.desk.run.patches.centres[patch], atol=1.0)
    assert dock.presenter.run is dock.desk.run
    dock.experts.top.click()
    assert {role_of(layer) for layer in viewer.layers if layer.visible} >= {"expert", "numbers"}
    assert any(METADATA_KEY in layer.metadata for layer in viewer.layers)
    viewer.window.remove_dock_widget(gallery)
    qtbot.waitUntil(lambda: dock.desk.panel(NAME) is None)
    assert not any(METADATA_KEY in layer.metadata for layer in viewer.layers)


def test_the_window_closes_with_the_gallery_open(qtbot, viewer, dock: PredictWidget) -> None:
    gallery = dock.experts.open_gallery()
    dock.stop()
    assert gallery._stopped and dock.desk.panel(NAME) is None

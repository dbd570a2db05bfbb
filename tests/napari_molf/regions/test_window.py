"""Panels of the section in a real window."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget

from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.regions.part import COMPARE_TITLE, TABLE_TITLE, RegionsPart
from tests.napari_molf.regions.made import a_varied_run, add_slide, draw


@pytest.fixture
def part(qtbot, viewer):
    slide = add_slide(viewer)
    presenter = Presenter(viewer)
    desk = Desk(viewer, presenter)
    desk.choose(None, slide, slide_info(slide))
    part = RegionsPart(desk)
    presenter.run_changed.connect(part.set_run)
    viewer.window.add_dock_widget(part, name="Regions")
    presenter.add_run(a_varied_run(), slide)
    with qtbot.waitSignal(presenter.shown):
        presenter.show(Score("gene", "EPCAM"))
    qtbot.mouseClick(part.tools[0], Qt.MouseButton.LeftButton)
    draw(part.layers[0], 2, 6, 2, 6)
    qtbot.waitUntil(lambda: part.rows.patches == [16])
    yield part
    desk.close_panels()
    part.stop()
    presenter.stop()


def test_panels_open_once_close_at_their_cross_and_open_again(qtbot, part: RegionsPart) -> None:
    desk = part.desk
    for button, title in ((part.table_button, TABLE_TITLE), (part.compare_button, COMPARE_TITLE)):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        panel = desk.panel(title)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
        assert desk.panel(title) is panel
    compare = desk.panel(COMPARE_TITLE)
    qtbot.mouseClick(compare.run_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: compare.volcano.picture is not None, timeout=30_000)
    dock = compare.parentWidget()
    assert isinstance(dock, QDockWidget)
    with qtbot.waitSignal(compare.closed):
        desk.viewer.window.remove_dock_widget(compare)
    assert desk.panel(COMPARE_TITLE) is None
    qtbot.mouseClick(part.compare_button, Qt.MouseButton.LeftButton)
    assert desk.panel(COMPARE_TITLE) is not compare


def test_the_names_of_regions_are_on_the_canvas(qtbot, part: RegionsPart) -> None:
    (layer,) = part.layers
    qtbot.waitUntil(lambda: list(layer.text.values) == ["Region 1"])
    assert layer.text.visible

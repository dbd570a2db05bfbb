"""The Regions section, used as a person would; the viewer is one without a window."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from napari.utils import interactions
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit

from napari_molf.core.scores import Score
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.regions import layer as drawing
from napari_molf.regions.compare_panel import ComparePanel
from napari_molf.regions.part import NO_PREDICTION, NO_SLIDE, NOTHING_DRAWN, RegionsPart
from napari_molf.regions.region_list import AREA, CLASS, NAME, PATCHES
from napari_molf.regions.rows import REST
from napari_molf.regions.summary_panel import SummaryPanel
from tests.napari_molf.regions.made import COLS, ROWS, SIZE, a_run, a_varied_run, add_slide, box, csv_rows, draw


def press(qtbot, button) -> None:
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def cell(part: RegionsPart, row: int, column: int) -> str:
    return part.list.item(row, column).text()


@pytest.fixture
def desk(qtbot, model):
    presenter = Presenter(model)
    desk = Desk(model, presenter)
    yield desk
    presenter.stop()


@pytest.fixture
def slide(desk):
    layer = add_slide(desk.viewer)
    desk.choose(None, layer, slide_info(layer))
    return layer


@pytest.fixture
def part(qtbot, desk, slide):
    part = RegionsPart(desk)
    qtbot.addWidget(part)
    desk.presenter.run_changed.connect(part.set_run)
    part.show()
    qtbot.waitUntil(lambda: part.note.text() == NOTHING_DRAWN)
    yield part
    part.stop()


@pytest.fixture
def run(desk, slide, part):
    run = a_varied_run()
    desk.presenter.add_run(run, slide)
    return run


def draw_region(qtbot, part: RegionsPart, *outline: float) -> None:
    before = len(part.rows.regions)
    press(qtbot, part.tools[0])
    draw(part.layers[-1], *outline)
    qtbot.waitUntil(lambda: len(part.rows.regions) == before + 1)


@pytest.fixture
def nest(qtbot, part, run):
    draw_region(qtbot, part, 2, 5, 1, 4)
    return part


def test_without_a_slide_there_is_nothing_to_draw_on(qtbot, desk) -> None:
    part = RegionsPart(desk)
    qtbot.addWidget(part)
    qtbot.waitUntil(lambda: part.slide.text() == NO_SLIDE)
    assert not any(button.isEnabled() for button in part.tools)
    part.stop()


def test_each_tool_is_ready_on_a_layer_of_the_slide(qtbot, part: RegionsPart, desk) -> None:
    modes = []
    for button in part.tools:
        press(qtbot, button)
        modes.append(str(desk.viewer.layers.selection.active.mode))
    assert modes == ["add_polygon", "add_rectangle", "add_ellipse", "add_polygon_lasso"]
    assert len(part.layers) == 1


def pull(layer, *positions: tuple[float, float]) -> None:
    """Press at the first position of the world, move over the others, and let go at the last."""
    steps = [
        ("mouse_press", positions[0]),
        *(("mouse_move", p) for p in positions[1:]),
        ("mouse_release", positions[-1]),
    ]
    calls = {
        "mouse_press": interactions.mouse_press_callbacks,
        "mouse_move": interactions.mouse_move_callbacks,
        "mouse_release": interactions.mouse_release_callbacks,
    }
    # One event that changes: napari's tools go on looking at the one that they were given at the press.
    event = SimpleNamespace(modifiers=[], button=1, view_direction=None, up_direction=None, handled=False)
    event.dims_displayed, event.dims_point = [0, 1], [0, 0]
    for kind, position in steps:
        event.type, event.position, event.pos = kind, position, np.array(position)
        event.is_dragging = kind == "mouse_move"
        calls[kind](layer, event)


def test_a_box_drawn_by_hand_is_named_when_the_hand_lets_go(qtbot, nest: RegionsPart, desk) -> None:
    nest.layers[0].selected_data = {0}
    press(qtbot, nest.tools[1])
    um = SIZE * 0.5
    pull(desk.viewer.layers.selection.active, (6 * um, 6 * um), (7 * um, 8 * um), (9 * um, 10 * um))
    qtbot.waitUntil(lambda: [r.name for r in nest.rows.regions] == ["Region 1", "Region 2"])
    assert nest.rows.patches == [9, 12]


def test_a_drawn_region_is_listed_with_its_patches_and_area(nest: RegionsPart) -> None:
    assert [cell(nest, 0, column) for column in (NAME, CLASS, PATCHES, AREA)] == ["Region 1", "", "9", "0.0036"]
    assert nest.compare_button.isEnabled() and nest.table_button.isEnabled()


def test_before_a_prediction_regions_have_an_area_and_no_patches(qtbot, part: RegionsPart) -> None:
    draw_region(qtbot, part, 2, 5, 1, 4)
    assert cell(part, 0, PATCHES) == "–"
    assert part.note.text() == NO_PREDICTION
    assert not part.compare_button.isEnabled()


def test_a_region_where_nothing_is_predicted_is_said(qtbot, nest: RegionsPart) -> None:
    draw_region(qtbot, nest, 0, 1, 0, 1)
    assert nest.note.text() == "No predicted patch in Region 2."
    assert cell(nest, 1, PATCHES) == "0"


def test_all_patches_may_lie_in_one_region(qtbot, part: RegionsPart, run) -> None:
    draw_region(qtbot, part, -1, COLS + 1, -1, ROWS + 1)
    assert cell(part, 0, PATCHES) == f"{ROWS * COLS - 1}"


def test_a_region_is_renamed_where_it_stands(qtbot, nest: RegionsPart) -> None:
    nest.list.editItem(nest.list.item(0, NAME))
    editor = nest.list.findChild(QLineEdit)
    editor.clear()
    qtbot.keyClicks(editor, "tumour nest")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: [r.name for r in nest.rows.regions] == ["tumour nest"])
    assert list(nest.layers[0].features["name"]) == ["tumour nest"]
    nest.list.item(0, CLASS).setText("Tumor")
    qtbot.waitUntil(lambda: nest.rows.regions[0].classification == "Tumor")


def test_a_region_keeps_its_name_when_none_is_given(nest: RegionsPart) -> None:
    nest.list.item(0, NAME).setText("  ")
    assert cell(nest, 0, NAME) == "Region 1"


def test_a_region_drawn_after_another_was_selected_has_its_own_name(qtbot, nest: RegionsPart) -> None:
    nest.layers[0].selected_data = {0}
    draw_region(qtbot, nest, 8, 10, 1, 4)
    assert [r.name for r in nest.rows.regions] == ["Region 1", "Region 2"]


def test_selected_regions_are_deleted(qtbot, nest: RegionsPart) -> None:
    draw_region(qtbot, nest, 8, 10, 1, 4)
    assert not nest.delete_button.isEnabled()
    nest.list.selectRow(0)
    press(qtbot, nest.delete_button)
    qtbot.waitUntil(lambda: [r.name for r in nest.rows.regions] == ["Region 2"])


def test_a_layer_that_is_deleted_takes_its_regions_along(qtbot, nest: RegionsPart, desk) -> None:
    desk.viewer.layers.remove(nest.layers[0])
    qtbot.waitUntil(lambda: nest.note.text() == NOTHING_DRAWN)
    assert nest.list.rowCount() == 0
    assert not nest.compare_button.isEnabled()


def test_a_layer_that_is_renamed_is_still_that_of_the_regions(qtbot, nest: RegionsPart) -> None:
    nest.layers[0].name = "mine"
    draw_region(qtbot, nest, 8, 10, 1, 4)
    assert len(nest.layers) == 1 and nest.list.rowCount() == 2


def test_a_session_that_lost_the_slide_of_its_shapes_finds_it_again(qtbot, nest: RegionsPart, desk) -> None:
    saved = nest.layers[0]
    features, data = saved.features.copy(), [np.array(shape) for shape in saved.data]
    desk.viewer.layers.remove(saved)
    qtbot.waitUntil(lambda: not nest.rows.regions)
    desk.viewer.add_shapes(data, shape_type="polygon", features=features, units=("um", "um"))
    qtbot.waitUntil(lambda: [r.name for r in nest.rows.regions] == ["Region 1"])
    assert nest.rows.patches == [9]


def test_regions_belong_to_the_slide_they_were_drawn_on(qtbot, nest: RegionsPart, desk) -> None:
    other = add_slide(desk.viewer, "other")
    desk.choose(None, other, slide_info(other))
    qtbot.waitUntil(lambda: nest.slide.text() == "On other")
    assert nest.list.rowCount() == 0
    draw_region(qtbot, nest, 1, 3, 1, 3)
    assert nest.note.text() == NO_PREDICTION
    desk.presenter.add_run(a_run("other"), other)
    qtbot.waitUntil(lambda: nest.rows.patches == [4])
    desk.presenter.add_run(a_run(), desk.presenter.slide_layer_of(a_run()))
    qtbot.waitUntil(lambda: nest.rows.patches == [9])
    assert nest.slide.text() == "On array"


def test_a_prediction_at_free_positions_is_counted_as_well(qtbot, nest: RegionsPart, desk, slide) -> None:
    desk.presenter.add_run(a_run(free=True), slide)
    free = desk.presenter.run.id
    qtbot.waitUntil(lambda: nest.rows.run_id == free)
    assert nest.rows.patches == [9]


def test_predict_only_there_asks_for_the_selected_regions_with_their_holes(
    qtbot, nest: RegionsPart, desk, slide
) -> None:
    from molf_engine.regions import Region
    from molf_engine.slides.patches import inside_any
    from napari_molf.regions.anchor import anchor_of

    holed = Region("ring", ((box(8, 14, 2, 8), box(10, 12, 4, 6)),))
    data, arguments, _ = drawing.layer_data([holed], anchor_of(slide), "imported")
    desk.viewer.add_shapes(data, **arguments)
    qtbot.waitUntil(lambda: len(nest.rows.regions) == 2)
    asked: list = []
    desk.prediction_wanted.connect(asked.append)
    nest.list.selectRow(1)
    press(qtbot, nest.predict_button)
    nest.list.clearSelection()
    press(qtbot, nest.predict_button)
    (ring,) = asked[0]["regions"]
    points = np.array([(9.5, 3.5), (11.5, 5.5), (3.5, 2.5)]) * SIZE
    assert inside_any(points, [ring]).tolist() == [True, False, False]
    assert inside_any(points, asked[1]["regions"]).tolist() == [True, False, True]


def test_without_the_slide_itself_nothing_is_predicted_and_why_is_said(qtbot, nest: RegionsPart, desk, slide) -> None:
    said: list = []
    desk.said.connect(said.append)
    desk.viewer.layers.remove(slide)
    press(qtbot, nest.predict_button)
    assert "is not open" in said[-1]


def test_regions_go_to_a_file_and_come_back(qtbot, nest: RegionsPart, desk, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "mine.geojson"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    press(qtbot, nest.export_button)
    qtbot.waitUntil(path.exists)
    feature = json.loads(path.read_text())["features"][0]
    np.testing.assert_allclose(feature["geometry"]["coordinates"][0][:-1], box(2, 5, 1, 4), atol=0.01)
    desk.viewer.layers.remove(nest.layers[0])
    qtbot.waitUntil(lambda: not nest.rows.regions)
    press(qtbot, nest.import_button)
    qtbot.waitUntil(lambda: nest.rows.patches == [9])
    assert nest.layers[0].name == "Regions: mine"


def test_regions_of_another_slide_are_refused_in_the_dock(
    qtbot, nest: RegionsPart, desk, tmp_path, monkeypatch
) -> None:
    from molf_engine.regions.geojson import write_geojson
    from tests.napari_molf.regions.made import region

    path = tmp_path / "other.geojson"
    write_geojson([region("far", 500, 510, 500, 510)], path)
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    said: list = []
    desk.said.connect(said.append)
    press(qtbot, nest.import_button)
    qtbot.waitUntil(lambda: bool(said))
    assert "another slide" in said[-1] and "800 x 640 px" in said[-1]
    assert len(nest.rows.regions) == 1


# -- the table ---------------------------------------------------------------------------------------------------


@pytest.fixture
def shown(qtbot, nest: RegionsPart, desk):
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(Score("gene", "EPCAM"))
    return nest


def test_the_table_follows_the_score_on_show_and_can_be_pasted(
    qtbot, shown: RegionsPart, desk, tmp_path, monkeypatch
) -> None:
    panel = SummaryPanel(desk, shown)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.table.rows.rowCount() == 2)
    assert panel.table.rows.cell(0, 0) == "Region 1" and panel.table.rows.cell(1, 0) == REST
    press(qtbot, panel.leaving.copy)
    pasted = QApplication.clipboard().text()
    assert pasted.startswith("# napari-molf: predicted, not measured")
    assert "EPCAM mean" in pasted
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(Score("gene", "CD3E"))
    qtbot.waitUntil(lambda: "CD3E" in panel.caption.text())
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "out"), ""))
    press(qtbot, panel.leaving.save)
    qtbot.waitUntil((tmp_path / "out.csv").exists)
    assert csv_rows(tmp_path / "out.csv")[1].startswith("Region 1,,9,")
    panel.stop()


def test_the_table_is_empty_when_the_last_region_is_gone(qtbot, shown: RegionsPart, desk) -> None:
    panel = SummaryPanel(desk, shown)
    qtbot.addWidget(panel)
    qtbot.waitUntil(lambda: panel.table.rows.rowCount() == 2)
    desk.viewer.layers.remove(shown.layers[0])
    qtbot.waitUntil(lambda: panel.table.rows.rowCount() == 0)
    assert not panel.leaving.copy.isEnabled()
    panel.stop()


# -- comparing ---------------------------------------------------------------------------------------------------


@pytest.fixture
def panel(qtbot, shown: RegionsPart, desk):
    panel = ComparePanel(desk, shown)
    qtbot.addWidget(panel)
    panel.resize(1100, 400)
    panel.show()
    yield panel
    panel.stop()


@pytest.fixture
def compared(qtbot, panel: ComparePanel):
    press(qtbot, panel.run_button)

    def drawn_in_its_size(view) -> bool:
        return view.picture is not None and view.picture.pixels.shape[:2] == (view.height(), view.width())

    qtbot.waitUntil(lambda: drawn_in_its_size(panel.volcano) and drawn_in_its_size(panel.spread), timeout=30_000)
    return panel


def test_two_groups_are_compared_and_the_warning_stays_in_sight(compared: ComparePanel) -> None:
    assert (compared.a.currentText(), compared.b.currentText()) == ("Region 1", REST)
    assert compared.run_button.text() == "Compare"
    assert "Neighbouring patches are alike" in compared.warning.text()
    assert "independent" in compared.warning.text()
    assert compared.table.rows.rowCount() == 6


def test_a_click_on_a_point_puts_its_map_on_show(qtbot, compared: ComparePanel, desk) -> None:
    assert desk.presenter.score == Score("gene", "EPCAM")
    with qtbot.waitSignal(desk.presenter.shown) as signal:
        qtbot.mouseClick(compared.volcano, Qt.MouseButton.LeftButton, pos=compared.volcano.position_of("COL1A1"))
    assert signal.args[0].score == Score("gene", "COL1A1")


def test_a_row_of_the_table_puts_its_map_on_show(qtbot, compared: ComparePanel, desk) -> None:
    row = compared.table.rows.row_of("MKI67")
    where = compared.table.visualRect(compared.table.rows.index(row, 0)).center()
    with qtbot.waitSignal(desk.presenter.shown):
        qtbot.mouseClick(compared.table.viewport(), Qt.MouseButton.LeftButton, pos=where)
    assert desk.presenter.score == Score("gene", "MKI67")


def test_the_distribution_is_that_of_the_score_on_show(qtbot, compared: ComparePanel, desk) -> None:
    before, volcano = compared.spread.picture, compared.volcano.picture
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(Score("hallmark", "HYPOXIA"))
    qtbot.waitUntil(lambda: not np.array_equal(compared.spread.picture.pixels, before.pixels))
    assert compared.volcano.picture is volcano


def test_hallmarks_are_shown_as_well_and_the_table_sorts_by_numbers(qtbot, compared: ComparePanel) -> None:
    qtbot.keyClicks(compared.kind, "H")
    assert compared.table.rows.rowCount() == 50
    compared.table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    effects = [compared.table.rows.cell(row, 1) for row in range(50)]
    assert effects == sorted(effects)


def test_the_volcano_is_drawn_again_for_the_other_kind_and_the_other_q(qtbot, compared: ComparePanel) -> None:
    spatial = compared.volcano.picture
    press(qtbot, compared.plain)
    qtbot.waitUntil(lambda: not np.array_equal(compared.volcano.picture.pixels, spatial.pixels))
    qtbot.keyClicks(compared.kind, "H")
    qtbot.waitUntil(lambda: "HYPOXIA" in compared.volcano.picture.names)


def test_the_whole_table_is_copied_with_its_provenance(qtbot, compared: ComparePanel) -> None:
    compared.table.setFocus()
    qtbot.keyClick(compared.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    lines = QApplication.clipboard().text().splitlines()
    assert any(line.startswith("# A: Region 1, 9 patches") for line in lines)
    assert any(line.startswith("EPCAM\t") for line in lines)


def test_a_group_cannot_be_compared_with_itself(qtbot, panel: ComparePanel) -> None:
    qtbot.keyClick(panel.b, Qt.Key.Key_Up)
    assert not panel.run_button.isEnabled()
    assert panel.state.text() == "A and B are the same."


def test_too_small_a_region_is_refused_in_the_panel_and_in_the_dock(qtbot, panel: ComparePanel, shown, desk) -> None:
    said: list = []
    desk.said.connect(said.append)
    draw_region(qtbot, shown, 10, 12, 10, 11)
    panel.a.setCurrentText("Region 2")
    press(qtbot, panel.run_button)
    qtbot.waitUntil(lambda: "has 2 predicted patches" in panel.warning.text())
    assert "has 2 predicted patches" in said[-1]
    assert panel.run_button.isEnabled()


def test_a_comparison_outlives_the_layer_of_its_regions(qtbot, panel: ComparePanel, shown, desk) -> None:
    press(qtbot, panel.run_button)
    desk.viewer.layers.remove(shown.layers[0])
    qtbot.waitUntil(lambda: panel.table.rows.rowCount() == 6, timeout=30_000)
    qtbot.waitUntil(lambda: panel.a.count() == 0)
    assert not panel.run_button.isEnabled()


def test_a_comparison_can_be_cancelled(qtbot, panel: ComparePanel) -> None:
    press(qtbot, panel.run_button)
    assert panel.run_button.text() == "Cancel"
    press(qtbot, panel.run_button)
    assert (panel.run_button.text(), panel.state.text()) == ("Compare", "Cancelled.")
    assert panel.table.rows.rowCount() == 0


def test_after_another_run_a_click_goes_back_to_the_one_that_was_compared(qtbot, compared: ComparePanel, desk) -> None:
    first = desk.presenter.run.id
    other = add_slide(desk.viewer, "other")
    desk.presenter.add_run(a_run("other"), other)
    with qtbot.waitSignal(desk.presenter.shown):
        compared.table.row_chosen.emit("CD3E")
    assert desk.presenter.run.id == first


def test_both_themes_give_pictures_in_their_own_colours(qtbot, compared: ComparePanel, desk) -> None:
    dark = compared.volcano.picture
    desk.viewer.theme = "light"
    qtbot.waitUntil(lambda: compared.volcano.picture is not dark and compared.volcano.picture.pixels[0, 0, 0] > 180)
    assert dark.pixels[0, 0, 0] < 80


def test_the_pointer_tells_what_a_point_is(qtbot, compared: ComparePanel) -> None:
    where = compared.volcano.position_of("EPCAM")
    qtbot.mouseMove(compared.volcano, where)
    qtbot.waitUntil(lambda: compared.volcano.cursor().shape() == Qt.CursorShape.PointingHandCursor)


def test_everything_has_a_name_and_a_tooltip(nest: RegionsPart, panel: ComparePanel) -> None:
    from qtpy.QtWidgets import QAbstractButton, QComboBox

    for widget in (nest, panel):
        for control in widget.findChildren(QAbstractButton) + widget.findChildren(QComboBox):
            if control.metaObject().className() in ("QPushButton", "QCheckBox", "QComboBox"):
                assert control.toolTip()
                assert control.accessibleName() or control.text()

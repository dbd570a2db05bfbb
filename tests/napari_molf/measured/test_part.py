"""The section Measured: real files, a prediction made by hand, a viewer without a window; and once all of it in a real one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

from napari_molf._reader import read_result, read_slide
from napari_molf._widget import PredictWidget
from napari_molf.core.maps import robust_limits
from napari_molf.core.run import Run
from napari_molf.core.scores import Score, Scores
from napari_molf.core.slide_layer import SlideInfo
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.measured.panel import NAME
from napari_molf.measured.part import DIFFERENCE, KEY, NO_SCALE, MeasuredPart
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import fake_run

LONG = 120_000
GENES = ("EPCAM", "CD3E", "COL1A1", "OTHER")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A prediction whose model is not at hand, of a slide in the layout of HEST-1k."""
    slide = tmp_path / "wsis" / "S1.tif"
    slide.parent.mkdir()
    slide.touch()
    made = fake_run(slide=str(slide))
    return replace(made, bundle=None, scores=Scores(made.scores.adata))


def write_spots(path: Path, run: Run, *, shift: float = 3.0) -> Path:
    """A spot in each patch but the last, a little off its centre; EPCAM rises with the prediction, CD3E falls."""
    centres = np.asarray(run.scores.adata.obsm["spatial"])[:-1] + shift
    rising = np.arange(len(centres)) + 1
    counts = np.column_stack([rising, rising[::-1], np.full_like(rising, 5), 1000 - rising]).astype(float)
    path.parent.mkdir(exist_ok=True)
    obs = pd.DataFrame(index=[f"s{i}" for i in range(len(centres))])
    adata = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=list(GENES)), obsm={"spatial": centres})
    adata.uns["meta"] = {"spot_diameter": 15.0}
    adata.write_h5ad(path)
    return path


@pytest.fixture
def counts(run: Run) -> Path:
    return write_spots(run.slide_path.parent.parent / "st" / "S1.h5ad", run)


@pytest.fixture
def part(qtbot, model: ViewerModel, run: Run) -> MeasuredPart:
    presenter = Presenter(model)
    desk = Desk(model, presenter)
    widget = MeasuredPart(desk)
    qtbot.addWidget(widget)
    presenter.run_changed.connect(widget.set_run)
    widget.resize(280, 500)
    widget.show()
    yield widget
    widget.stop()
    presenter.stop()


def show(qtbot, part: MeasuredPart, run: Run, score: Score, *, relative: bool = False) -> None:
    presenter = part.desk.presenter
    presenter.relative = relative
    with qtbot.waitSignal(presenter.shown):
        if part.desk.run is not run:
            presenter.add_run(run, None)
        presenter.show(score)


def wait_for(qtbot, part: MeasuredPart, text: str) -> None:
    qtbot.waitUntil(lambda: text in part.controls.text, timeout=LONG)


@pytest.fixture
def compared(qtbot, part: MeasuredPart, run: Run, counts: Path) -> MeasuredPart:
    show(qtbot, part, run, Score("gene", "EPCAM"))
    qtbot.waitUntil(lambda: part.controls.path == counts)
    qtbot.mouseClick(part.controls.found, Qt.MouseButton.LeftButton)
    wait_for(qtbot, part, "EPCAM: PCC")
    return part


def test_what_lies_beside_the_slide_is_offered_and_opened_by_one_click(
    compared: MeasuredPart, model: ViewerModel
) -> None:
    assert "S1: 18 spots of 15 um · 18 lie in a predicted patch" in compared.controls.text
    layer = compared.spots.layer
    assert layer.name == "EPCAM · measured · S1"
    assert layer.size[0] == 15.0
    # 3 px off the centre of the first patch (60, 20), counted from a pixel's edge, at 0.5 um per pixel.
    np.testing.assert_allclose(layer.data[0], [(23 - 0.5) * 0.5, (63 - 0.5) * 0.5])
    assert not compared.controls.found.isVisible()


def test_the_correlation_is_that_of_the_shown_values(compared: MeasuredPart, run: Run) -> None:
    predicted = np.log1p(np.expm1(np.asarray(run.scores.adata.X[:-1, 0], np.float64)))
    measured = np.log1p(np.arange(18) + 1)
    expected = np.corrcoef(predicted, measured)[0, 1]
    assert f"EPCAM: PCC {expected:.2f} over 18 spots (log1p); ranks 1 of" in compared.controls.text


def test_another_gene_recolours_the_same_layer(qtbot, compared: MeasuredPart, model: ViewerModel, run: Run) -> None:
    layer, count = compared.spots.layer, len(model.layers)
    before = layer.face_color.copy()
    show(qtbot, compared, run, Score("gene", "CD3E"))
    wait_for(qtbot, compared, "CD3E: PCC -")
    assert compared.spots.layer is layer and len(model.layers) == count
    assert not np.allclose(layer.face_color, before)


def test_relative_values_are_compared_with_relative_ones(qtbot, compared: MeasuredPart, run: Run) -> None:
    show(qtbot, compared, run, Score("gene", "EPCAM"), relative=True)
    wait_for(qtbot, compared, "(log1p-cp10k)")
    measured = compared.comparison.measured
    np.testing.assert_allclose(measured[0], np.log1p(1 / (1 + 18 + 5 + 999) * 1e4), rtol=1e-5)


def test_a_gene_that_was_not_measured_leaves_rings_and_a_sentence(qtbot, compared: MeasuredPart, run: Run) -> None:
    show(qtbot, compared, run, Score("gene", "MKI67"))
    wait_for(qtbot, compared, "MKI67 was not measured on this section.")
    assert (compared.spots.layer.face_color[:, 3] == 0).all()


def test_a_hallmark_without_its_model_says_what_it_needs(qtbot, compared: MeasuredPart, run: Run) -> None:
    show(qtbot, compared, run, Score("hallmark", "HYPOXIA"))
    wait_for(qtbot, compared, "HYPOXIA cannot be scored here: that needs the model")


def test_limits_are_those_of_the_prediction_until_the_box_is_cleared(qtbot, compared: MeasuredPart) -> None:
    score, spots = compared.desk.presenter.layers.layer("score"), compared.spots.layer
    assert spots.face_contrast_limits == pytest.approx(score.contrast_limits)
    score.contrast_limits = (2.0, 9.0)
    assert spots.face_contrast_limits == pytest.approx((2.0, 9.0))
    box = compared.controls.same
    qtbot.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))
    assert not box.isChecked()
    assert spots.face_contrast_limits == pytest.approx(robust_limits(compared.comparison.measured))


def test_swap_blinks_between_prediction_and_measurement(qtbot, compared: MeasuredPart) -> None:
    score, spots = compared.desk.presenter.layers.layer("score"), compared.spots.layer
    seen = []
    for _ in range(3):
        seen.append((score.visible, spots.visible))
        qtbot.mouseClick(compared.controls.swap, Qt.MouseButton.LeftButton)
    assert seen == [(True, True), (True, False), (False, True)]


def test_without_the_layer_of_the_spots_the_prediction_is_to_be_seen(qtbot, compared: MeasuredPart, model) -> None:
    score = compared.desk.presenter.layers.layer("score")
    compared.controls.radios["measured"].setChecked(True)
    assert not score.visible
    model.layers.remove(compared.spots.layer)
    assert score.visible


def test_the_key_swaps_too_until_the_dock_closes(compared: MeasuredPart, model: ViewerModel) -> None:
    bound = {str(key): act for key, act in model.keymap.items()}
    assert len(bound) == 1
    next(iter(bound.values()))(model)
    assert compared.controls.shown == "predicted"
    compared.stop()
    assert not model.keymap, KEY


def test_a_spot_without_a_patch_is_counted(qtbot, part: MeasuredPart, run: Run) -> None:
    path = write_spots(run.slide_path.parent.parent / "far.h5ad", run, shift=19.0)
    # The corner (0, 0) of the grid holds no patch.
    adata = anndata.read_h5ad(path)
    adata.obsm["spatial"][:2] = [5.0, 5.0]
    adata.write_h5ad(path)
    show(qtbot, part, run, Score("gene", "EPCAM"))
    part.open(path)
    wait_for(qtbot, part, "16 lie in a predicted patch, 2 in none")


def test_spots_of_another_slide_are_refused_in_the_dock(qtbot, part: MeasuredPart, run: Run, monkeypatch) -> None:
    path = write_spots(run.slide_path.parent.parent / "other.h5ad", run, shift=5000.0)
    show(qtbot, part, run, Score("gene", "EPCAM"))
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_: ([str(path)], ""))
    with qtbot.waitSignal(part.desk.said, check_params_cb=lambda said: said is not None) as caught:
        part.controls.file.trigger()
    assert "18 of 18 spots of other lie outside S1.tif: the spots reach from" in caught.args[0]
    assert part.spots.layer is None and part.opened is None


def test_a_folder_that_holds_nothing_is_refused_in_the_dock(
    qtbot, part: MeasuredPart, run: Run, tmp_path: Path, monkeypatch
) -> None:
    show(qtbot, part, run, Score("gene", "EPCAM"))
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(empty))
    with qtbot.waitSignal(part.desk.said, check_params_cb=lambda said: said is not None) as caught:
        part.controls.folder.trigger()
    assert "holds no measurement that can be read. Choose a Space Ranger output folder" in caught.args[0]


def test_spots_can_be_opened_and_predicted_at_before_there_is_a_map(
    qtbot, part: MeasuredPart, run: Run, counts: Path
) -> None:
    info = SlideInfo(run.slide_path, (200, 160), 0.5, "file")
    part.desk.choose(None, None, info)
    qtbot.waitUntil(lambda: part.controls.path == counts)
    qtbot.mouseClick(part.controls.found, Qt.MouseButton.LeftButton)
    wait_for(qtbot, part, "S1: 18 spots of 15 um")
    assert (part.spots.layer.face_color[:, 3] == 0).all()
    with qtbot.waitSignal(part.desk.prediction_wanted) as caught:
        qtbot.mouseClick(part.controls.predict, Qt.MouseButton.LeftButton)
    assert caught.args[0]["names"][:2] == ("s0", "s1")
    np.testing.assert_array_equal(caught.args[0]["positions"], part.opened.spots.positions)


def test_a_slide_without_a_scale_asks_for_it_first(qtbot, part: MeasuredPart, run: Run, counts: Path) -> None:
    part.desk.choose(None, None, SlideInfo(run.slide_path, (200, 160), None, "unknown"))
    with qtbot.waitSignal(part.desk.said) as caught:
        part.open(counts)
    assert caught.args == [NO_SCALE]


def test_another_slide_takes_the_spots_away_and_the_first_brings_them_back(
    qtbot, compared: MeasuredPart, run: Run
) -> None:
    other = fake_run(slide="elsewhere.tif")
    show(qtbot, compared, replace(other, bundle=None, scores=Scores(other.scores.adata)), Score("gene", "EPCAM"))
    assert compared.spots.layer is None
    assert "S1" not in compared.controls.text
    compared.desk.presenter.switch_to(run.id)
    with qtbot.waitSignal(compared.desk.presenter.shown):
        compared.desk.presenter.show(Score("gene", "EPCAM"))
    wait_for(qtbot, compared, "EPCAM: PCC")
    assert compared.spots.layer is not None


def test_a_difference_on_the_map_is_not_compared(compared: MeasuredPart) -> None:
    compared.desk.presenter.shown.emit(SimpleNamespace(minus="another score"), np.zeros(19))
    assert DIFFERENCE in compared.controls.text


def test_all_of_it_in_a_real_viewer(qtbot, viewer, installed: Tiny) -> None:
    for data, arguments, _ in read_slide(str(installed.slide)):
        viewer.add_image(data, **arguments)
    dock = PredictWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Predict expression")
    part = next(each for each in dock.parts if isinstance(each, MeasuredPart))
    dock.sections["measured"].fold(False)
    qtbot.waitUntil(lambda: dock.form.bundle is not None and part.controls.path is not None, timeout=LONG)
    for data, arguments, kind in read_result(str(installed.result)):
        getattr(viewer, f"add_{kind}")(data, **arguments)
    part.open(part.controls.path)
    wait_for(qtbot, part, "PCC")
    assert "This section was in the model's training" in part.controls.text
    qtbot.mouseClick(part.controls.details, Qt.MouseButton.LeftButton)
    panel = dock.desk.panel(NAME)
    assert panel.rows.rowCount() > 10 and panel.scatter.count == len(part.comparison.on.match)
    panel.kind.setCurrentIndex(0)
    at = panel.table.visualRect(panel.rows.index(0, 0)).center()
    with qtbot.waitSignal(dock.presenter.shown):
        qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=at)
    best = panel.rows.index(0, 0).data()
    assert dock.presenter.score == Score("gene", best)
    wait_for(qtbot, part, f"{best}: PCC")
    assert "ranks 1 of" in part.controls.text

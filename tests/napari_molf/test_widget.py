"""The dock in a real viewer, used as a person would: a real slide, a real model, a real child process."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractSlider, QComboBox, QLabel, QLineEdit

from molf_engine.progress import Progress
from napari_molf._reader import read_result, read_slide
from napari_molf._widget import PredictWidget
from napari_molf.core.layers import METADATA_KEY, role_of, run_of
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.sections import PRIMARY
from napari_molf.trust.card import NOTICE, SIMULATED
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import ScriptedJob

LONG = 120_000


def open_layers(viewer, data) -> list:
    return [getattr(viewer, f"add_{kind}")(array, **arguments) for array, arguments, kind in data]


@pytest.fixture
def dock(qtbot, viewer, installed: Tiny) -> PredictWidget:
    open_layers(viewer, read_slide(str(installed.slide)))
    widget = PredictWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Predict expression")
    qtbot.waitUntil(lambda: widget.form.bundle is not None, timeout=LONG)
    return widget


@pytest.fixture
def done(qtbot, viewer, dock: PredictWidget, tiny: Tiny) -> PredictWidget:
    """A dock with a prediction on the map: a saved one, which costs no time."""
    with qtbot.waitSignal(dock.presenter.shown):
        open_layers(viewer, read_result(str(tiny.result)))
    dock.show_panel.set_relative(False)
    with qtbot.waitSignal(dock.presenter.shown):
        dock.presenter.set_relative(False)
    return dock


@pytest.fixture
def job(dock: PredictWidget, tiny: Tiny) -> ScriptedJob:
    """Stands in for the child process of the next prediction."""
    scripted = ScriptedJob()
    scripted.tell(tiny)
    dock.live.runner._start = lambda _: scripted
    return scripted


def scores(viewer) -> list:
    return [layer for layer in viewer.layers if role_of(layer) == "score"]


def test_it_opens_with_everything_filled_in(dock: PredictWidget, installed: Tiny) -> None:
    assert dock.form.info.path == installed.slide
    assert (dock.form.um.value, dock.form.um_origin.value) == ("2", "from the file")
    assert dock.form.bundle.name == "tiny" and dock.form.code.value == "Unknown"
    assert dock.row.predict.isVisible() and dock.row.predict.isEnabled() and dock.row.error == ""
    assert not dock.show_panel.isEnabled()
    assert dock.card.text.startswith(SIMULATED) and NOTICE in dock.card.text and "PCC" in dock.card.text


def test_predict_fills_the_map_and_ends_with_a_hallmark_and_the_search_box(qtbot, viewer, dock: PredictWidget) -> None:
    names: set[str] = set()
    texts: set[str] = set()

    def watch() -> bool:
        names.update(layer.name for layer in viewer.layers)
        texts.add(dock.row.text)
        return dock.presenter.values is not None

    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    assert not dock.row.predict.isVisible() and dock.row.cancel.isVisible()
    qtbot.waitUntil(watch, timeout=LONG)
    assert any(name.endswith("on its way") for name in names)
    assert any(text.startswith("Encoding patches") for text in texts)
    assert dock.row.predict.isVisible() and not dock.row.cancel.isVisible()
    (layer,) = scores(viewer)
    run = dock.presenter.run
    assert run_of(layer) == run.id and dock.presenter.score.kind == "hallmark"
    assert layer.name == f"{dock.presenter.score.name} · guidance {run.guidance:.3g} · tiny"
    assert np.isfinite(layer.data).sum() == len(run.patches) == run.scores.adata.n_obs
    assert layer.colorbar.visible and layer.colormap.name == "viridis"
    assert viewer.canvas.overlays.scale_bar.visible and layer.units == viewer.layers[0].units
    assert dock.show_panel.search.focusProxy() is not None
    assert dock.show_panel.guidance.chosen == run.guidance


def test_typing_a_gene_and_moving_on_with_the_arrows_changes_the_map_in_place(
    qtbot, viewer, done: PredictWidget
) -> None:
    search, popup = done.show_panel.search, done.show_panel.search._completer.popup()
    (layer,) = scores(viewer)
    before = layer.data.copy()
    search.select_text()
    qtbot.keyClicks(search._line, "krt")
    assert popup.isVisible()
    for _ in range(2):
        with qtbot.waitSignal(done.presenter.shown):
            qtbot.keyClick(popup, Qt.Key.Key_Down)
    qtbot.keyClick(popup, Qt.Key.Key_Return)
    gene = search.current.name
    assert "KRT" in gene and scores(viewer) == [layer] and layer.name.startswith(f"{gene} · ")
    assert not np.array_equal(layer.data, before, equal_nan=True)
    expected = done.presenter.run.scores.values(search.current, done.presenter.guidance, relative=False)
    assert np.allclose(layer.data[np.isfinite(layer.data)], expected, atol=1e-5)


def test_the_slider_changes_the_map_and_not_its_limits(qtbot, viewer, done: PredictWidget) -> None:
    (layer,) = scores(viewer)
    limits, before = list(layer.contrast_limits), layer.data.copy()
    track = done.show_panel.guidance._track
    with qtbot.waitSignal(done.presenter.shown, check_params_cb=lambda view, _: view.guidance == 10):
        qtbot.keyClick(track, Qt.Key.Key_End)
    assert layer.contrast_limits == limits and "guidance 10" in layer.name
    assert not np.array_equal(layer.data, before, equal_nan=True)
    with qtbot.waitSignal(
        done.presenter.shown, check_params_cb=lambda view, _: view.guidance == done.presenter.run.guidance
    ):
        qtbot.mouseDClick(track, Qt.MouseButton.LeftButton)
    assert np.allclose(layer.data, before, equal_nan=True)


def test_relative_to_the_total_is_another_map(qtbot, viewer, done: PredictWidget) -> None:
    (layer,) = scores(viewer)
    before = layer.data.copy()
    with qtbot.waitSignal(done.presenter.shown):
        done.show_panel.relative.click()
    assert not np.array_equal(layer.data, before, equal_nan=True)


def test_expert_maps_come_and_go(qtbot, viewer, done: PredictWidget) -> None:
    done.experts.top.click()
    expert = next(layer for layer in viewer.layers if role_of(layer) == "expert")
    run = done.presenter.run
    assert np.array_equal(
        expert.data[expert.data > 0], run.scores.top_expert[np.lexsort((run.patches.cols, run.patches.rows))] + 1
    )
    assert not scores(viewer)[0].visible
    with qtbot.waitSignal(done.presenter.shown):
        qtbot.keyClick(done.show_panel.search._line, Qt.Key.Key_Down)
    assert scores(viewer)[0].visible and not expert.visible and not done.experts.top.isChecked()


def test_the_pointer_reads_the_map(viewer, done: PredictWidget) -> None:
    y, x = done.presenter.run.patches.centres[0]
    viewer.cursor.position = (y, x)
    for callback in viewer.mouse_move_callbacks:
        callback(viewer, None)
    text = done.readout.text()
    assert text.startswith(done.presenter.score.name) and "percentile" in text and "expert E" in text
    assert text.endswith(f"{x:,.0f}, {y:,.0f} um")


def press_predict(qtbot, dock: PredictWidget) -> None:
    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)


def until_filling(qtbot, viewer, job: ScriptedJob) -> None:
    job.begin()
    job.encode(8)
    qtbot.waitUntil(lambda: bool(scores(viewer)) and scores(viewer)[-1].name.endswith("on its way"))


@pytest.mark.parametrize(
    "phase", ["Loading", "Finding tissue", "Encoding patches", "Predicting", "Saving", "Opening the result"]
)
def test_cancel_in_each_phase_leaves_the_viewer_as_it_was_and_usable(
    qtbot, viewer, dock: PredictWidget, job: ScriptedJob, phase: str
) -> None:
    before = list(viewer.layers)
    press_predict(qtbot, dock)
    if phase not in ("Loading", "Finding tissue"):
        until_filling(qtbot, viewer, job)
    if phase == "Opening the result":
        job.finish()
    else:
        job.waiting.append(Progress(phase, 3, 10))
    qtbot.waitUntil(lambda: phase in dock.row.text)
    qtbot.mouseClick(dock.row.cancel, Qt.MouseButton.LeftButton)
    assert job.closed and list(viewer.layers) == before
    assert dock.row.predict.isVisible() and dock.form.enabled and dock.row.error == ""
    # Nothing of it comes late.
    with qtbot.assertNotEmitted(dock.presenter.shown, wait=300):
        pass
    assert list(viewer.layers) == before


def test_deleting_and_renaming_layers_mid_run_is_survived(qtbot, viewer, dock: PredictWidget, job: ScriptedJob) -> None:
    press_predict(qtbot, dock)
    until_filling(qtbot, viewer, job)
    viewer.layers.remove(scores(viewer)[0])
    viewer.layers[0].name = "renamed"
    job.encode(8)
    job.finish()
    with qtbot.waitSignal(dock.presenter.shown):
        pass
    assert len(scores(viewer)) == 1 and dock.row.error == ""


def test_a_slide_that_is_closed_mid_run_does_not_give_its_result_to_another(
    qtbot, viewer, dock: PredictWidget, job: ScriptedJob, installed: Tiny
) -> None:
    press_predict(qtbot, dock)
    until_filling(qtbot, viewer, job)
    image = np.zeros((50, 60, 3), np.uint8)
    other = viewer.add_image(image, rgb=True, translate=(500, 500), name="other", units=("um", "um"))
    viewer.layers.remove(next(layer for layer in viewer.layers if slide_info(layer) is not None))
    job.finish()
    with qtbot.waitSignal(dock.presenter.shown):
        pass
    (layer,) = scores(viewer)
    run = dock.presenter.run
    assert run.slide_path == installed.slide and np.allclose(layer.translate, run.patches.translate)
    assert not np.allclose(layer.translate, other.translate)


def test_the_same_prediction_again_replaces_the_first_and_keeps_the_gene_in_view(
    qtbot, viewer, done: PredictWidget, job: ScriptedJob
) -> None:
    with qtbot.waitSignal(done.presenter.shown):
        qtbot.keyClick(done.show_panel.search._line, Qt.Key.Key_Down)
    score, first = done.presenter.score, done.presenter.run
    press_predict(qtbot, done)
    until_filling(qtbot, viewer, job)
    job.finish()
    with qtbot.waitSignal(done.presenter.shown):
        pass
    assert done.presenter.run.id != first.id and done.presenter.score == score
    assert [layer.visible for layer in scores(viewer)] == [True]


def test_closing_napari_mid_run_kills_the_child_and_leaves_nothing(qtbot, viewer, dock: PredictWidget) -> None:
    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    job = dock.live.runner.job
    qtbot.waitUntil(lambda: "Encoding" in dock.row.text, timeout=LONG)
    viewer.close()
    qtbot.waitUntil(lambda: job._child.poll() is not None)
    qtbot.waitUntil(lambda: not job._folder.exists())


def test_closing_the_panel_mid_run_kills_the_child(qtbot, viewer, dock: PredictWidget) -> None:
    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    job = dock.live.runner.job
    viewer.window.remove_dock_widget(dock)
    assert job._child.poll() is not None and not job._folder.exists()
    viewer.add_image(np.zeros((4, 4)))  # nobody listens any more
    assert not viewer.mouse_move_callbacks


def test_no_tissue_is_a_sentence_and_no_layer(qtbot, viewer, dock: PredictWidget, tmp_path: Path) -> None:
    import tifffile

    path = tmp_path / "blank.tif"
    resolution = (1e4 / 2, 1e4 / 2)
    with tifffile.TiffWriter(path) as tiff:
        for level, size in enumerate((1024, 512)):
            blank = np.full((size, size, 3), 245, np.uint8)
            tiff.write(
                blank,
                tile=(256, 256),
                photometric="rgb",
                resolution=resolution,
                resolutionunit="CENTIMETER",
                subfiletype=level,
            )
    open_layers(viewer, read_slide(str(path)))
    assert dock.form.info.path == path
    before = len(viewer.layers)
    with qtbot.waitSignal(dock.live.runner.failed, timeout=LONG):
        qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    assert "tissue" in dock.row.error and len(viewer.layers) == before and dock.row.predict.isVisible()


def test_a_missing_scale_is_asked_for_where_it_is_entered(qtbot, viewer, dock: PredictWidget, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.fromarray(np.full((300, 300, 3), 200, np.uint8)).save(path)
    (layer,) = viewer.open(path, plugin="napari")
    viewer.layers.selection.active = layer
    dock.form.refresh_slides()
    assert dock.form.info.path == path and dock.form.um_origin.value == "please enter"
    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    assert "how many um a pixel is" in dock.row.error and not dock.live.runner.running
    qtbot.keyClicks(dock.form.um.native, "0.5")
    assert dock.form.um_per_pixel == 0.5 and dock.form.um_origin.value == "given by you"


def test_a_slide_that_has_gone_is_a_sentence(qtbot, viewer, dock: PredictWidget) -> None:
    info = dock.form.info
    from dataclasses import replace

    dock.form.set_slide(replace(info, path=Path("/nowhere/slide.svs")))
    with qtbot.waitSignal(dock.live.runner.failed, timeout=LONG):
        qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    assert "There is no file /nowhere/slide.svs" in dock.row.error


def test_a_folder_that_holds_no_model_is_a_sentence_and_the_old_model_stays(
    qtbot, monkeypatch, dock: PredictWidget, tmp_path: Path
) -> None:
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getExistingDirectory", lambda *_: str(tmp_path))
    box = dock.form.model.native
    box.setCurrentIndex(box.count() - 1)
    qtbot.waitUntil(lambda: "not a complete bundle" in dock.row.error)
    assert dock.form.bundle.name == "tiny"


def test_a_model_can_be_chosen_by_its_folder(qtbot, monkeypatch, dock: PredictWidget, tiny: Tiny) -> None:
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getExistingDirectory", lambda *_: str(tiny.bundle))
    box = dock.form.model.native
    box.setCurrentIndex(box.count() - 1)
    qtbot.waitUntil(lambda: dock.form.bundle is not None and dock.form.bundle.path == tiny.bundle)


def test_a_saved_result_is_taken_over_with_its_guidance_free(qtbot, viewer, dock: PredictWidget, tiny: Tiny) -> None:
    viewer.layers.clear()
    with qtbot.waitSignal(dock.presenter.shown):
        open_layers(viewer, read_result(str(tiny.result)))
    run = dock.presenter.run
    assert run.path == tiny.result and run.scores.can_guide
    (layer,) = scores(viewer)
    before = layer.data.copy()
    with qtbot.waitSignal(dock.presenter.shown, check_params_cb=lambda view, _: view.guidance == 10):
        qtbot.keyClick(dock.show_panel.guidance._track, Qt.Key.Key_End)
    assert not np.array_equal(layer.data, before, equal_nan=True)


def test_a_saved_result_finds_its_model_among_those_of_the_form(
    qtbot, monkeypatch, viewer, dock: PredictWidget, tiny: Tiny
) -> None:
    """Such as one of a folder that was chosen by hand."""
    monkeypatch.setattr("molf_engine.bundle.find_bundle_by_hash", lambda _: None)
    with qtbot.waitSignal(dock.presenter.shown):
        open_layers(viewer, read_result(str(tiny.result)))
    assert dock.presenter.run.scores.can_guide and dock.show_panel.guidance._track.isEnabled()


def test_a_saved_result_without_its_model_opens_with_the_slider_off_until_the_model_is_chosen(
    qtbot, monkeypatch, viewer, dock: PredictWidget, tiny: Tiny
) -> None:
    monkeypatch.setattr("molf_engine.bundle.find_bundle_by_hash", lambda _: None)
    monkeypatch.setattr(type(dock.form), "model_of", lambda *_: None)
    with qtbot.waitSignal(dock.presenter.shown):
        open_layers(viewer, read_result(str(tiny.result)))
    run, slider = dock.presenter.run, dock.show_panel.guidance
    assert (
        not slider._track.isEnabled() and run.model in slider._note.text() and "not on this computer" in dock.card.text
    )
    search = dock.show_panel.search
    search.select_text()
    qtbot.keyClicks(search._line, "EPCAM")
    with qtbot.waitSignal(dock.presenter.shown):
        qtbot.keyClick(search._completer.popup(), Qt.Key.Key_Return)
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getExistingDirectory", lambda *_: str(tiny.bundle))
    box = dock.form.model.native
    with qtbot.waitSignal(dock.presenter.shown, timeout=LONG):
        box.setCurrentIndex(box.count() - 1)
    assert slider._track.isEnabled() and dock.presenter.run.id == run.id and len(scores(viewer)) == 1


def test_what_is_seen_can_be_saved_and_opened_again(
    qtbot, monkeypatch, viewer, done: PredictWidget, tmp_path: Path
) -> None:
    from molf_engine.prediction import read_prediction

    path = tmp_path / "kept.h5ad"
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getSaveFileName", lambda *_: (str(path), ""))
    done.show_panel.save.click()
    qtbot.waitUntil(path.exists)
    assert np.array_equal(read_prediction(path).X, done.presenter.run.scores.adata.X)


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_a_sentence(qtbot, monkeypatch, done: PredictWidget, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getSaveFileName", lambda *_: (str(folder / "x.h5ad"), ""))
    done.show_panel.save.click()
    qtbot.waitUntil(lambda: "permission denied" in done.row.error)
    assert list(folder.iterdir()) == []


def test_saving_where_a_file_is_part_of_the_path_is_a_sentence(
    qtbot, monkeypatch, done: PredictWidget, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("x")
    name = str(tmp_path / "file" / "x.h5ad")
    monkeypatch.setattr("napari_molf._widget.QFileDialog.getSaveFileName", lambda *_: (name, ""))
    done.show_panel.save.click()
    qtbot.waitUntil(lambda: "Cannot write" in done.row.error)


def test_at_280_px_nothing_is_cut_off(qtbot, viewer, done: PredictWidget) -> None:
    done.experts.top.click()
    done.setFixedWidth(280)
    qtbot.wait(50)
    assert done.width() == 280
    cut = []
    for part in (*done.findChildren(QLabel), *done.findChildren(QAbstractButton)):
        if not part.isVisible() or not part.text() or (isinstance(part, QLabel) and part.wordWrap()):
            continue
        text = part.text().replace("&", "")
        if "<" not in text and part.fontMetrics().horizontalAdvance(text) > part.width():
            cut.append(text)
    assert cut == []


def test_everything_that_can_be_used_has_a_name_and_a_tooltip(dock: PredictWidget) -> None:
    parts = [
        part
        for kind in (QAbstractButton, QAbstractSlider, QComboBox, QLineEdit)
        for part in dock.findChildren(kind)
        if part.focusPolicy() != Qt.FocusPolicy.NoFocus and part.parent().objectName() != "qt_spinbox_lineedit"
    ]
    nameless = [
        part
        for part in parts
        if part.objectName() not in ("qt_spinbox_lineedit",)
        and type(part).__name__ not in ("QScrollBar",)
        and not (part.accessibleName() or (isinstance(part, QAbstractButton) and part.text()))
    ]
    silent = [
        part
        for part in parts
        if part.objectName() != "qt_spinbox_lineedit" and type(part).__name__ != "QScrollBar" and not part.toolTip()
    ]
    assert nameless == [] and silent == []


def test_tab_goes_through_the_dock_as_the_eye_does(dock: PredictWidget, done: PredictWidget) -> None:
    places = []
    part = dock.sections["predict"].heading
    while True:
        if part.isVisible() and part.isEnabled() and part.focusPolicy() & Qt.FocusPolicy.TabFocus:
            places.append(part.mapTo(dock, part.rect().center()).y())
        if part is dock.sections["experts"].heading:
            break
        part = part.nextInFocusChain()
    # Parts that share a row may differ by a few pixels.
    assert len(places) > 10 and all(second > first - 8 for first, second in pairwise(places))


def test_sections_fold(qtbot, dock: PredictWidget) -> None:
    section = dock.sections["experts"]
    qtbot.mouseClick(section.heading, Qt.MouseButton.LeftButton)
    assert section.folded and not dock.experts.isVisible()
    qtbot.keyClick(section.heading, Qt.Key.Key_Space)
    assert not section.folded and dock.experts.isVisible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_one_blue_button_is_the_themes_own_blue(viewer, dock: PredictWidget, theme: str) -> None:
    from napari.utils.theme import get_theme

    viewer.theme = theme
    assert dock.row.predict.objectName() == PRIMARY
    image = dock.row.predict.grab().toImage()
    colour = image.pixelColor(6, image.height() // 2)
    assert np.allclose(colour.getRgb()[:3], get_theme(theme).current.as_rgb_tuple()[:3], atol=2)


def test_shapes_can_be_drawn_when_they_are_asked_for(viewer, dock: PredictWidget) -> None:
    from napari.layers import Shapes

    dock.form.region.value = "shapes"
    layer = viewer.layers.selection.active
    assert isinstance(layer, Shapes) and layer.mode == "add_polygon" and str(layer.units[0]) == "micrometer"
    dock.form.region.value = "whole tissue"
    dock.form.region.value = "shapes"
    assert sum(isinstance(each, Shapes) for each in viewer.layers) == 1


def test_a_result_layer_carries_its_run_and_nothing_else_does(viewer, done: PredictWidget) -> None:
    assert [METADATA_KEY in layer.metadata for layer in viewer.layers] == [False, True]

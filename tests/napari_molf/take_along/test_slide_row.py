"""A result whose slide was moved: shown on its thumbnail, until the slide turns up."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog

from napari_molf._reader import read_slide
from napari_molf.core.layers import role_of
from napari_molf.core.saved import result_in, result_layer_data
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.desk import Desk
from napari_molf.take_along.part import TakeAlongPart
from tests.napari_molf.fakes import prediction_of_slide


@pytest.fixture
def away(tmp_path: Path) -> Path:
    """A slide that lies elsewhere, under another name, than the result of :func:`opened` says."""
    (tmp_path / "archive").mkdir()
    return tmp_path / "archive" / "renamed.tif"


@pytest.fixture
def opened(desk: Desk, qtbot, tmp_path: Path, away: Path) -> TakeAlongPart:
    """The section, with a result on show whose slide is gone."""
    slide, adata = prediction_of_slide(tmp_path / "case.tif")
    shutil.move(slide, away)
    part = TakeAlongPart(desk)
    qtbot.addWidget(part)
    part.show()
    desk.presenter.run_changed.connect(part.set_run)
    for data, arguments, kind in result_layer_data(adata, tmp_path / "results" / "case.h5ad", desk.viewer):
        layer = getattr(desk.viewer, f"add_{kind}")(data, **arguments)
    desk.presenter.add_run(result_in(layer), None)
    yield part
    part.stop()


def names(desk: Desk) -> list[str]:
    return ["slide" if slide_info(layer) else role_of(layer) or layer.name for layer in desk.viewer.layers]


def test_a_slide_that_is_gone_is_said(opened: TakeAlongPart, desk: Desk, qtbot) -> None:
    qtbot.waitUntil(lambda: "is not where it was" in opened.slide_row.text)
    assert opened.slide_row.find_slide.isVisible()
    assert names(desk) == ["case (thumbnail)", "score"]


def test_it_is_found_in_a_folder_whatever_its_name_is_now(
    opened: TakeAlongPart, desk: Desk, qtbot, away: Path, monkeypatch
) -> None:
    qtbot.waitUntil(lambda: opened.slide_row.find_slide.isVisible())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(away.parent)))
    qtbot.mouseClick(opened.slide_row.find_slide, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: desk.run.slide_path == away)
    assert names(desk) == ["slide", "score"]
    assert desk.run_slide_layer is desk.viewer.layers[0]
    assert opened.slide_row.text == ""
    assert role_of(desk.viewer.layers.selection.active) == "score"


def test_a_folder_without_it_is_said(opened: TakeAlongPart, desk: Desk, qtbot, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "empty").mkdir()
    qtbot.waitUntil(lambda: opened.slide_row.find_slide.isVisible())
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", staticmethod(lambda *_: str(tmp_path / "empty")))
    qtbot.mouseClick(opened.slide_row.find_slide, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "The slide case is not in" in opened.slide_row.text)
    assert opened.slide_row.find_slide.isEnabled() and names(desk) == ["case (thumbnail)", "score"]


def test_it_is_taken_when_it_is_opened_by_hand(opened: TakeAlongPart, desk: Desk, qtbot, away: Path) -> None:
    qtbot.waitUntil(lambda: opened.slide_row.find_slide.isVisible())
    for data, arguments, _ in read_slide(str(away)):
        desk.viewer.add_image(data, **arguments)
    qtbot.waitUntil(lambda: desk.run.slide_path == away)
    assert names(desk) == ["slide", "score"]
    qtbot.waitUntil(lambda: opened.slide_row.text == "")


def test_another_slide_is_left_alone(opened: TakeAlongPart, desk: Desk, qtbot, tmp_path: Path) -> None:
    other, _ = prediction_of_slide(tmp_path / "other.tif", seed=1)
    qtbot.waitUntil(lambda: opened.slide_row.find_slide.isVisible())
    for data, arguments, _ in read_slide(str(other)):
        desk.viewer.add_image(data, **arguments)
    qtbot.waitUntil(lambda: not opened.slide_row.checking)
    assert desk.run.slide_path == tmp_path / "case.tif" and opened.slide_row.find_slide.isVisible()
    assert names(desk) == ["case (thumbnail)", "score", "slide"]

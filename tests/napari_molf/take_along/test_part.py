"""The section Take along, clicked as a person would."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices, QGuiApplication
from qtpy.QtWidgets import QFileDialog

from molf_engine.export import FORMATS
from molf_engine.prediction import read_prediction
from napari_molf.core.scores import Score
from napari_molf.core.views import Minus
from napari_molf.desk.desk import Desk
from napari_molf.take_along.part import TakeAlongPart


@pytest.fixture
def asked(monkeypatch, tmp_path: Path) -> list[str]:
    """The names that file dialogs suggest; each is taken, in a folder of the test."""
    names: list[str] = []

    def take(parent: object, title: str, start: str, kinds: str) -> tuple[str, str]:
        names.append(Path(start).name)
        return str(tmp_path / Path(start).name), kinds

    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(take))
    return names


def choose(part: TakeAlongPart, key: str) -> None:
    part.formats.setCurrentIndex([one.key for one in FORMATS].index(key))


def press_export(part: TakeAlongPart, qtbot) -> None:
    qtbot.mouseClick(part.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not part.exporter.running, timeout=30_000)


def test_each_format_says_in_a_line_what_it_is_for(part: TakeAlongPart) -> None:
    said = set()
    for place in range(part.formats.count()):
        part.formats.setCurrentIndex(place)
        said.add(part.purpose.text())
    assert len(said) == len(FORMATS)


def test_only_what_a_format_asks_for_is_to_be_seen(part: TakeAlongPart) -> None:
    choose(part, "h5ad")
    assert not part.which.isVisible() and not part.in_view.isVisible()
    choose(part, "csv")
    assert part.which.isVisible() and not part.typed.isVisible() and not part.in_view.isVisible()
    part.which.setCurrentText("These:")
    assert part.typed.isVisible()
    choose(part, "png")
    assert part.in_view.isVisible() and not part.typed.isVisible()


def test_the_section_fits_the_narrowest_dock(part: TakeAlongPart) -> None:
    part.which.setCurrentText("These:")
    for one in FORMATS:
        choose(part, one.key)
        assert part.minimumSizeHint().width() <= 264


def test_the_score_on_show_goes_into_a_table(part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path) -> None:
    choose(part, "csv")
    press_export(part, qtbot)
    assert asked == ["slide.csv"]
    assert np.allclose(pd.read_csv(tmp_path / "slide.csv")["HYPOXIA"], np.arange(19))
    assert part.outcome.text == f"Saved {tmp_path / 'slide.csv'}"


def test_typed_names_are_taken_and_a_wrong_one_is_told(
    part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path
) -> None:
    choose(part, "csv")
    part.which.setCurrentText("These:")
    qtbot.keyClicks(part.typed, "epcam, CD3")
    press_export(part, qtbot)
    assert part.outcome.error == ("CD3 is neither a gene nor a Hallmark set of this prediction. Did you mean CD3E?")
    assert not (tmp_path / "slide.csv").exists()
    qtbot.keyClicks(part.typed, "E")
    press_export(part, qtbot)
    assert part.outcome.error == ""
    assert {"EPCAM", "CD3E"} <= set(pd.read_csv(tmp_path / "slide.csv").columns)


def test_all_hallmarks_and_lists_of_other_sections_can_be_taken(
    part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path
) -> None:
    choose(part, "csv")
    part.which.setCurrentText("All Hallmarks")
    press_export(part, qtbot)
    assert "ADIPOGENESIS" in pd.read_csv(tmp_path / "slide.csv").columns
    part.offer_scores("Favourites", lambda: [Score("gene", "MKI67")])
    part.which.setCurrentText("Favourites")
    press_export(part, qtbot)
    columns = pd.read_csv(tmp_path / "slide.csv").columns
    assert "MKI67" in columns and "HYPOXIA" not in columns


def test_a_report_holds_the_regions_that_another_section_keeps(
    part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path
) -> None:
    part.offer_regions(lambda: lambda: pd.DataFrame({"region": ["the drawn nest"], "patches": [9]}).set_index("region"))
    choose(part, "html")
    press_export(part, qtbot)
    assert "the drawn nest" in next(tmp_path.glob("*.html")).read_text(encoding="utf-8")


def test_the_whole_prediction_can_be_opened_again(part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path) -> None:
    choose(part, "h5ad")
    press_export(part, qtbot)
    assert np.array_equal(read_prediction(tmp_path / "slide.h5ad").X, part.desk.run.scores.adata.X)


def test_a_figure_is_drawn_without_the_slide(part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path) -> None:
    choose(part, "png")
    press_export(part, qtbot)
    assert asked == ["slide HYPOXIA.png"]
    with Image.open(tmp_path / "slide HYPOXIA.png") as image:
        assert "predicted, not measured" in image.text["Description"]


def test_the_map_of_the_experts_is_a_figure_too(
    part: TakeAlongPart, desk: Desk, qtbot, asked: list[str], tmp_path: Path
) -> None:
    desk.presenter.show_routing("expert")
    choose(part, "svg")
    press_export(part, qtbot)
    assert asked == ["slide experts.svg"]
    assert "expert, share" in (tmp_path / "slide experts.svg").read_text(encoding="utf-8")
    desk.presenter.show_routing(None)
    assert part.on_show.visible.name == "HYPOXIA"


def test_a_difference_on_the_map_is_what_is_taken_along(
    part: TakeAlongPart, desk: Desk, qtbot, asked: list[str], tmp_path: Path
) -> None:
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.set_minus(Minus(Score("hallmark", "APOPTOSIS"), None))
    name = "HYPOXIA minus APOPTOSIS, guidance 2"
    choose(part, "csv")
    press_export(part, qtbot)
    assert np.allclose(pd.read_csv(tmp_path / "slide.csv")[name], np.arange(19) * 0.9, atol=1e-5)
    choose(part, "svg")
    press_export(part, qtbot)
    assert f"{name}, difference" in (tmp_path / asked[-1]).read_text(encoding="utf-8")


def test_the_load_of_an_expert_is_taken_as_it_is_shown(
    part: TakeAlongPart, desk: Desk, qtbot, asked: list[str], tmp_path: Path
) -> None:
    desk.presenter.show_routing("load", 1)
    choose(part, "csv")
    press_export(part, qtbot)
    layer = desk.presenter.layers.layer("load")
    assert np.allclose(pd.read_csv(tmp_path / "slide.csv")["Load of E2"], layer.data.ravel()[1:])


def test_one_click_puts_the_picture_into_the_clipboard(part: TakeAlongPart, qtbot) -> None:
    QGuiApplication.clipboard().clear()
    qtbot.mouseClick(part.copy, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not part.exporter.running, timeout=30_000)
    assert part.outcome.text == "The picture is in the clipboard."
    assert QGuiApplication.clipboard().image().width() > 1000


def test_nothing_happens_when_the_dialog_is_closed(part: TakeAlongPart, qtbot, monkeypatch) -> None:
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: ("", "")))
    qtbot.mouseClick(part.export, Qt.MouseButton.LeftButton)
    assert not part.exporter.running and not part.outcome.text


def test_a_name_that_the_dialog_did_not_ask_about_is_not_replaced(
    part: TakeAlongPart, qtbot, monkeypatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("before")
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(tmp_path / "mine"), "")))
    choose(part, "csv")
    press_export(part, qtbot)
    assert "exists already" in part.outcome.error
    assert (tmp_path / "mine.csv").read_text() == "before"


def test_cancel_ends_it_and_everything_can_be_pressed_again(
    part: TakeAlongPart, qtbot, monkeypatch, tmp_path: Path
) -> None:
    from molf_engine.progress import Progress

    reached, go_on = threading.Event(), threading.Event()

    def slow(order, progress):
        progress(Progress("Writing patches", 500, 20_000))
        reached.set()
        assert go_on.wait(20)
        progress(Progress("Writing patches", 1000, 20_000))
        order.path.write_text("too late")
        return order.path

    monkeypatch.setattr("napari_molf.take_along.part.write", slow)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_: (str(tmp_path / "a.h5ad"), "")))
    qtbot.mouseClick(part.export, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: reached.is_set() and part.outcome.cancel.isVisible())
    assert not part.export.isEnabled() and not part.copy.isEnabled()
    qtbot.mouseClick(part.outcome.cancel, Qt.MouseButton.LeftButton)
    go_on.set()
    qtbot.waitUntil(lambda: part.export.isEnabled())
    assert part.outcome.text == "Cancelled. No file was left."
    assert not list(tmp_path.glob("a*"))


def test_the_folder_of_the_file_is_opened(
    part: TakeAlongPart, qtbot, asked: list[str], tmp_path: Path, monkeypatch
) -> None:
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", staticmethod(lambda url: opened.append(url.toLocalFile())))
    choose(part, "csv")
    press_export(part, qtbot)
    qtbot.mouseClick(part.outcome.open_folder, Qt.MouseButton.LeftButton)
    assert opened == [str(tmp_path)]


def test_without_a_prediction_there_is_nothing_to_press(part: TakeAlongPart) -> None:
    part.set_run(None)
    assert not part.export.isEnabled() and not part.copy.isEnabled()


def test_what_can_be_chosen_has_a_name_and_an_explanation(part: TakeAlongPart) -> None:
    for widget in (part.formats, part.which, part.typed):
        assert widget.accessibleName() and widget.toolTip()
    for button in (part.export, part.copy, part.in_view, part.outcome.cancel, part.outcome.open_folder):
        assert button.text() and button.toolTip()

"""What is predicted higher where an expert decides, where the answer is known."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_molf.core.run import Run
from napari_molf.core.scores import Score, Scores
from napari_molf.desk.desk import Desk
from napari_molf.experts.raised import CAVEAT, COLUMNS, as_table, what_is_raised
from napari_molf.experts.raised_view import RaisedView
from tests.napari_molf.fakes import fake_run, prediction

DECIDES = np.repeat([0, 1], [12, 12])


def known_run(units: str = "log1p-cp10k") -> Run:
    """Two experts with twelve patches each; EPCAM is 2 sd higher where E1 decides, CD3E lower, MKI67 the same."""
    adata = prediction(5, 5, experts=2, units=units)
    adata.obsm["routing"] = np.eye(2, dtype=np.float32)[DECIDES]
    within = np.tile([-1.0, 1.0], 12)
    values = np.zeros(adata.shape, np.float32)
    values[:, 0] = 5 + within + 4 * (DECIDES == 0)
    values[:, 1] = 5 + within - (DECIDES == 0)
    values[:, 3] = 5 + within
    values[:, 4] = 5 + within + 9 * (DECIDES == 0)
    adata.X = values
    return replace(fake_run(rows=5, cols=5, experts=2), scores=Scores(adata))


@pytest.fixture
def view(qtbot, desk: Desk):
    widget = RaisedView(desk)
    qtbot.addWidget(widget)
    widget.resize(420, 260)
    widget.show()
    yield widget
    widget.stop()


def test_the_difference_is_known_and_the_unmeasured_gene_is_left_out() -> None:
    raised = what_is_raised(known_run(), 2.0, relative=True)
    # Every value is 1 from the mean of its group: the pooled variance is 24 / 22.
    sd = (24 / 22) ** 0.5
    higher, lower = raised.strongest(0, "gene", 10)
    assert [d.score.name for d in higher] == ["EPCAM"] and higher[0].size == pytest.approx(4 / sd)
    assert [d.score.name for d in lower] == ["CD3E"] and lower[0].size == pytest.approx(-1 / sd)
    higher, lower = raised.strongest(1, "gene", 10)
    assert [d.score.name for d in higher] == ["CD3E"] and [d.score.name for d in lower] == ["EPCAM"]


def test_hallmarks_are_compared_too() -> None:
    raised = what_is_raised(known_run(), 2.0, relative=True)
    higher, _ = raised.strongest(1, "hallmark", 5)
    assert {d.score for d in higher} == {Score("hallmark", "HYPOXIA"), Score("hallmark", "APOPTOSIS")}


def test_what_deserves_distrust_says_so() -> None:
    run = known_run()
    raised = what_is_raised(run, 2.0, relative=True)
    assert raised.doubt(run, Score("hallmark", "HYPOXIA")) == f"rests on {raised.small['HYPOXIA']} genes only"
    assert raised.doubt(run, Score("gene", "EPCAM")) is None
    assert "low held-out skill" in str(raised.doubt(run, Score("gene", "WEAK")))


def test_the_model_decodes_at_the_guidance_that_is_asked_for() -> None:
    run = fake_run(rows=6, cols=6)
    what_is_raised(run, 3.5, relative=False)
    assert {asked[1:] for asked in run.scores._guided.asked} == {(3.5, False)}


def test_an_expert_with_hardly_a_patch_says_so_and_nothing_else() -> None:
    run = known_run()
    run.scores.adata.obsm["routing"] = np.eye(2, dtype=np.float32)[np.repeat([0, 1], [21, 3])]
    raised = what_is_raised(run, 2.0, relative=True)
    assert raised.strongest(1, "gene", 5) == ([], [])
    assert raised.why_none(1, "stroma") == "stroma decides in 3 patches: fewer than 10 say nothing."
    assert "there is no rest" in str(raised.why_none(0, "E1"))


def test_the_table_says_where_every_row_comes_from_and_holds_no_formula() -> None:
    run = known_run()
    run.given_names[0] = "=HYPERLINK(1)"
    rows = list(csv.DictReader(io.StringIO(as_table(run, what_is_raised(run, 2.0, relative=True)))))
    assert tuple(rows[0]) == COLUMNS
    first = next(row for row in rows if row["kind"] == "gene")
    assert (first["expert"], first["name of expert"], first["name"]) == ("E1", "'=HYPERLINK(1)", "EPCAM")
    assert (first["patches"], first["other patches"], first["units"]) == ("12", "12", "log1p-cp10k")
    assert first["weights"] == "1" * 64 and first["note"] == CAVEAT
    assert {row["expert"] for row in rows} == {"E1", "E2"}


def shown(tree) -> list[str]:
    return [tree.topLevelItem(row).text(0) for row in range(tree.topLevelItemCount())]


def test_the_lists_follow_the_expert_and_a_click_shows_the_map(qtbot, desk: Desk, view: RaisedView) -> None:
    run = known_run()
    desk.presenter.add_run(run, None)
    view.set_run(run)
    qtbot.waitUntil(lambda: view.raised is not None)
    view.kind.setCurrentIndex(view.kind.findData("gene"))
    assert shown(view.above) == ["EPCAM"] and shown(view.below) == ["CD3E"]
    assert CAVEAT in view.note.text() and "12 patches" in view.note.text()
    view.show_expert(1)
    assert shown(view.above) == ["CD3E"]
    row = view.above.visualItemRect(view.above.topLevelItem(0)).center()
    qtbot.mouseClick(view.above.viewport(), Qt.MouseButton.LeftButton, pos=row)
    assert desk.presenter.score == Score("gene", "CD3E")


def test_another_scale_is_computed_anew(qtbot, desk: Desk, view: RaisedView) -> None:
    run = fake_run(rows=8, cols=8)
    view.set_run(run)
    qtbot.waitUntil(lambda: view.raised is not None)
    assert view.raised.relative
    view.scale.setCurrentIndex(view.scale.findData(False))
    assert not view.copy.isEnabled()
    qtbot.waitUntil(lambda: view.raised is not None)
    assert not view.raised.relative and view.copy.isEnabled()


def test_the_table_is_copied_and_saved(qtbot, monkeypatch, tmp_path: Path, desk: Desk, view: RaisedView) -> None:
    run = known_run()
    view.set_run(run)
    qtbot.waitUntil(lambda: view.raised is not None)
    view.show_expert(1)
    qtbot.mouseClick(view.copy, Qt.MouseButton.LeftButton)
    rows = list(csv.DictReader(io.StringIO(QApplication.clipboard().text()), delimiter="\t"))
    assert {row["expert"] for row in rows} == {"E2"}
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_, **__: (str(tmp_path / "d.csv"), "")))
    qtbot.mouseClick(view.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil((tmp_path / "d.csv").exists)
    assert (tmp_path / "d.csv").read_text() == as_table(run, view.raised)


def test_a_folder_that_cannot_be_written_to_is_said(qtbot, monkeypatch, tmp_path: Path, desk, view) -> None:
    said: list = []
    desk.said.connect(said.append)
    view.set_run(known_run())
    qtbot.waitUntil(lambda: view.raised is not None)
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "d.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", staticmethod(lambda *_, **__: (str(place), "")))
    with qtbot.waitSignal(desk.said):
        qtbot.mouseClick(view.save, Qt.MouseButton.LeftButton)
    assert "Cannot write" in said[-1]

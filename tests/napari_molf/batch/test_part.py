"""The Queue section in a real viewer; the child processes are scripted."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from qtpy.QtCore import Qt

from molf_engine.prediction import read_prediction, write_prediction
from napari_molf._reader import read_slide
from napari_molf._widget import PredictWidget
from napari_molf.batch.part import QueuePart
from napari_molf.batch.queue import State
from napari_molf.core.layers import run_of
from napari_molf.core.request import Request
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import ScriptedJob


class Jobs:
    """Every prediction that was started, in order; each is of the slide that was asked for."""

    def __init__(self, tiny: Tiny, folder: Path) -> None:
        self._tiny = tiny
        self._folder = folder
        self.started: list[ScriptedJob] = []
        self.requests: list[object] = []

    def start(self, request: Request) -> ScriptedJob:
        adata = read_prediction(self._tiny.result)
        adata.uns["molf"]["slide"]["path"] = str(request.slide)
        result = self._folder / f"{request.slide.stem}.h5ad"
        write_prediction(adata, result, overwrite=True)
        job = ScriptedJob()
        job.tell(replace(self._tiny, result=result))
        self.started.append(job)
        self.requests.append(request)
        return job


@pytest.fixture
def dock(qtbot, viewer, installed: Tiny, tmp_path: Path) -> PredictWidget:
    other = tmp_path / "other.tif"
    shutil.copy(installed.slide, other)
    for path in (installed.slide, other):
        for data, arguments, _ in read_slide(str(path)):
            viewer.add_image(data, **arguments)
    widget = PredictWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Predict expression")
    qtbot.waitUntil(lambda: widget.form.bundle is not None, timeout=120_000)
    widget.sections["queue"].fold(False)
    return widget


@pytest.fixture
def queue(dock: PredictWidget) -> QueuePart:
    return next(part for part in dock.parts if isinstance(part, QueuePart))


@pytest.fixture
def jobs(dock: PredictWidget, tiny: Tiny, tmp_path: Path) -> Jobs:
    jobs = Jobs(tiny, tmp_path)
    dock.live.runner._start = jobs.start
    return jobs


def states(queue: QueuePart) -> list[State]:
    return [item.state for item in queue.queue]


def finish(qtbot, jobs: Jobs, queue: QueuePart, number: int) -> None:
    jobs.started[number].begin()
    jobs.started[number].finish()
    qtbot.waitUntil(lambda: states(queue)[number] is State.DONE)


def test_all_open_slides_are_predicted_one_after_the_other(qtbot, viewer, dock, queue, jobs, installed: Tiny) -> None:
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    assert states(queue) == [State.RUNNING, State.WAITING] and len(jobs.started) == 1
    assert [queue.table.item(row, 0).text() for row in range(2)] == [installed.slide.stem, "other"]
    finish(qtbot, jobs, queue, 0)
    qtbot.waitUntil(lambda: len(jobs.started) == 2)
    assert "1 of 2 slides done" in queue.text and not dock.row.predict.isVisible()
    finish(qtbot, jobs, queue, 1)
    assert [request.slide.name for request in jobs.requests] == [installed.slide.name, "other.tif"]
    assert "patches" in queue.table.item(1, 1).text()
    qtbot.waitUntil(lambda: dock.row.predict.isVisible())


def test_a_failed_slide_says_why_and_does_not_hold_up_the_next(qtbot, dock, queue, jobs) -> None:
    from molf_engine.prediction.jobs import Failed

    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    jobs.started[0].waiting.append(Failed("No tissue was found.", True))
    qtbot.waitUntil(lambda: len(jobs.started) == 2)
    assert states(queue) == [State.FAILED, State.RUNNING]
    assert "No tissue was found." in queue.table.item(0, 1).text()
    finish(qtbot, jobs, queue, 1)
    qtbot.mouseClick(queue.retry, Qt.MouseButton.LeftButton)
    assert states(queue) == [State.RUNNING, State.DONE] and len(jobs.started) == 3


def test_cancel_stops_the_queue_and_the_slides_can_be_asked_for_again(qtbot, dock, queue, jobs) -> None:
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(dock.row.cancel, Qt.MouseButton.LeftButton)
    assert jobs.started[0].closed and states(queue) == [State.CANCELLED, State.CANCELLED]
    qtbot.waitUntil(lambda: queue.retry.isVisible())
    assert len(jobs.started) == 1


def test_a_slide_that_is_closed_while_it_waits_is_said_and_left_out(qtbot, viewer, dock, queue, jobs) -> None:
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    viewer.layers.remove(next(layer for layer in viewer.layers if layer.name == "other"))
    finish(qtbot, jobs, queue, 0)
    qtbot.waitUntil(lambda: states(queue)[1] is State.FAILED)
    assert "closed" in queue.table.item(1, 1).text() and len(jobs.started) == 1


def test_a_prediction_by_hand_goes_first(qtbot, dock, queue, jobs) -> None:
    qtbot.mouseClick(dock.row.predict, Qt.MouseButton.LeftButton)
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    assert states(queue) == [State.WAITING, State.WAITING] and len(jobs.started) == 1
    jobs.started[0].begin()
    jobs.started[0].finish()
    qtbot.waitUntil(lambda: len(jobs.started) == 2)
    assert states(queue)[0] is State.RUNNING


def test_results_are_kept_in_a_folder_and_never_written_over(
    qtbot, monkeypatch, dock, queue, jobs, tmp_path: Path, installed: Tiny
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "other.h5ad").write_text("somebody's own")
    monkeypatch.setattr("napari_molf.batch.part.QFileDialog.getExistingDirectory", lambda *_: str(folder))
    qtbot.mouseClick(queue.keep, Qt.MouseButton.LeftButton, pos=queue.keep.rect().center())
    qtbot.waitUntil(lambda: str(folder) in queue.text)
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    finish(qtbot, jobs, queue, 0)
    qtbot.waitUntil(lambda: len(jobs.started) == 2)
    finish(qtbot, jobs, queue, 1)
    qtbot.waitUntil(lambda: "saved as other-2.h5ad" in queue.table.item(1, 1).text())
    assert (folder / "other.h5ad").read_text() == "somebody's own"
    assert len(read_prediction(folder / f"{installed.slide.stem}.h5ad")) > 0


def test_enter_on_a_row_shows_that_slide_and_its_map_alone(qtbot, viewer, dock, queue, jobs) -> None:
    qtbot.mouseClick(queue.start, Qt.MouseButton.LeftButton)
    finish(qtbot, jobs, queue, 0)
    qtbot.waitUntil(lambda: len(jobs.started) == 2)
    finish(qtbot, jobs, queue, 1)
    queue.table.setCurrentCell(0, 0)
    qtbot.keyClick(queue.table, Qt.Key.Key_Return)
    first, second = queue.queue
    assert {layer.name for layer in viewer.layers if layer.visible and run_of(layer) is None} == {first.name}
    assert {run_of(layer) for layer in viewer.layers if layer.visible} == {None, first.run_id}
    assert dock.presenter.run.id == first.run_id != second.run_id

"""A prediction on its way: watched, filled, cancelled, failed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.prediction.jobs import Done, Failed
from molf_engine.progress import Progress
from napari_molf.core.request import Request
from napari_molf.core.scores import Score
from napari_molf.predict.jobs import PredictionRunner, start_job
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import ScriptedJob


@pytest.fixture
def request_(tiny: Tiny) -> Request:
    return Request(tiny.slide, tiny.bundle)


@pytest.fixture
def bundle(tiny: Tiny) -> Bundle:
    return Bundle.load(tiny.bundle)


@pytest.fixture
def scripted(qtbot, request_: Request, bundle: Bundle):
    job = ScriptedJob()
    runner = PredictionRunner(start=lambda _: job)
    runner.start(request_, bundle, Score("gene", "EPCAM"))
    yield runner, job
    runner.stop()


def test_progress_is_passed_on_with_its_rate(qtbot, scripted) -> None:
    runner, job = scripted
    seen: list[tuple[Progress, float | None]] = []
    runner.progressed.connect(lambda progress, rate: seen.append((progress, rate)))
    report = Progress("Encoding patches", 1, 100)
    job.waiting.append(report)
    qtbot.waitUntil(lambda: seen == [(report, None)])


def test_the_map_fills_at_most_five_times_a_second(qtbot, scripted, tiny: Tiny) -> None:
    runner, job = scripted
    job.tell(tiny)
    started, filled, times = [], [], []
    runner.started.connect(started.append)
    runner.filled.connect(lambda score, values: (filled.append((score, values)), times.append(time.monotonic())))
    job.begin()
    for fill in range(1, 5):
        job.encode(8)
        qtbot.waitUntil(lambda fill=fill: len(filled) == fill)
    assert len(started) == 1 and len(started[0]) == len(filled[0][1])
    assert all(score == Score("gene", "EPCAM") for score, _ in filled)
    counts = [int(np.isfinite(values).sum()) for _, values in filled]
    assert counts == sorted(set(counts)) and counts[0] > 0
    assert (np.diff(times) > 0.1).all()


def test_a_failure_that_the_user_can_mend_is_said_as_it_is(qtbot, scripted) -> None:
    runner, job = scripted
    with qtbot.waitSignal(runner.failed) as caught:
        job.waiting.append(Failed("No tissue was found.", True))
    assert caught.args == ["No tissue was found."]
    assert job.closed and not runner.running


def test_a_result_that_cannot_be_read_is_a_sentence(qtbot, scripted, tmp_path: Path) -> None:
    runner, job = scripted
    broken = tmp_path / "broken.h5ad"
    broken.write_bytes(b"not an AnnData")
    with qtbot.waitSignal(runner.failed) as caught:
        job.waiting.append(Done(broken))
    assert "broken.h5ad" in caught.args[0] and job.closed


def test_cancel_while_the_result_is_being_opened_drops_it(qtbot, scripted, tiny: Tiny) -> None:
    runner, job = scripted
    finished = []
    runner.finished.connect(finished.append)
    phases = []
    runner.progressed.connect(lambda progress, _: phases.append(progress.phase))
    job.waiting.append(Done(tiny.result))
    qtbot.waitUntil(lambda: "Opening the result" in phases)
    runner.cancel()
    qtbot.wait(500)
    assert finished == [] and job.closed and not runner.running


def test_two_at_once_are_refused(scripted, request_: Request, bundle: Bundle) -> None:
    with pytest.raises(RuntimeError):
        scripted[0].start(request_, bundle)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_real_child_predicts_what_the_engine_predicts(qtbot, request_: Request, bundle: Bundle, tiny: Tiny) -> None:
    from molf_engine.prediction import read_prediction

    runner = PredictionRunner()
    phases, filled = [], []
    runner.progressed.connect(lambda progress, _: phases.append(progress.phase))
    runner.filled.connect(lambda score, values: filled.append(values))
    runner.start(request_, bundle)
    folder, child = runner.job._folder, runner.job._child
    with qtbot.waitSignal(runner.finished, timeout=120_000) as caught:
        pass
    run = caught.args[0]
    expected = read_prediction(tiny.result)
    assert np.allclose(run.scores.adata.X, expected.X, atol=1e-5)
    assert run.scores.can_guide and run.path is None and run.slide_path == tiny.slide
    assert "Encoding patches" in phases and filled
    assert child.poll() is not None and not folder.exists()
    runner.stop()


@pytest.mark.parametrize("phase", ["Loading", "Finding tissue", "Encoding patches"])
def test_cancel_in_each_phase_kills_the_child_within_a_second_and_leaves_no_file(
    qtbot, request_: Request, bundle: Bundle, phase: str
) -> None:
    runner = PredictionRunner()
    seen: list[str] = []
    runner.progressed.connect(lambda progress, _: seen.append(progress.phase))
    cancelled = []
    runner.cancelled.connect(lambda: cancelled.append(True))
    runner.start(request_, bundle)
    folder, pid = runner.job._folder, runner.job._child.pid
    qtbot.waitUntil(lambda: phase in seen, timeout=60_000)
    before = time.monotonic()
    runner.cancel()
    assert time.monotonic() - before < 1
    assert cancelled == [True] and not runner.running
    assert not alive(pid) and not folder.exists()
    runner.stop()


def test_what_the_child_cannot_do_comes_back_as_its_sentence(qtbot, tiny: Tiny, bundle: Bundle, tmp_path: Path) -> None:
    text = tmp_path / "notes.svs"
    text.write_text("this is no slide")
    runner = PredictionRunner()
    runner.start(Request(text, tiny.bundle), bundle)
    with qtbot.waitSignal(runner.failed, timeout=60_000) as caught:
        pass
    assert "notes.svs is not a slide" in caught.args[0]
    runner.stop()


def test_an_unknown_code_comes_back_as_a_sentence_that_names_the_known_ones(qtbot, tiny: Tiny, bundle: Bundle) -> None:
    runner = PredictionRunner()
    runner.start(Request(tiny.slide, tiny.bundle, code="NOPE"), bundle)
    with qtbot.waitSignal(runner.failed, timeout=60_000) as caught:
        pass
    assert "NOPE" in caught.args[0] and "SIM_A" in caught.args[0]
    runner.stop()


def test_a_child_that_dies_is_noticed(qtbot, request_: Request, bundle: Bundle) -> None:
    runner = PredictionRunner(start=start_job)
    runner.start(request_, bundle)
    with qtbot.waitSignal(runner.failed, timeout=20_000) as caught:
        runner.job._child.kill()
    assert "stopped before it was done" in caught.args[0]
    runner.stop()

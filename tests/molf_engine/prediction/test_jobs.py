"""The child process that a viewer starts."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from molf_engine.bundle import Bundle
from molf_engine.prediction import read_prediction
from molf_engine.prediction.jobs import Done, Failed, Message, Partial, PredictJob, PredictRequest, Started
from molf_engine.progress import Progress

PATIENCE = 120.0


def collect(job: PredictJob, until: type = object) -> list[Message]:
    """Messages up to the first one of a kind, or to the end."""
    messages: list[Message] = []
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        new = job.poll()
        messages += new
        if any(
            isinstance(message, (Done, Failed, until) if until is not object else (Done, Failed)) for message in new
        ):
            return messages
        time.sleep(0.02)
    raise AssertionError(f"no answer; so far {messages}")


@pytest.fixture
def request_of(tiny_bundle: Bundle, slide_path: Path) -> PredictRequest:
    return PredictRequest(str(slide_path), str(tiny_bundle.path), code="SIM_A")


def test_it_reports_shows_patches_and_ends_with_a_file(request_of: PredictRequest) -> None:
    job = PredictJob(request_of)
    try:
        messages = collect(job)
        done = messages[-1]
        assert isinstance(done, Done), done
        adata = read_prediction(done.path)
        started = [message for message in messages if isinstance(message, Started)]
        assert len(started) == 1
        shown = {int(i) for message in messages if isinstance(message, Partial) for i in message.index}
        assert shown == set(range(len(started[0].patches)))
        assert adata.n_obs == len(started[0].patches)
        phases = list(dict.fromkeys(message.phase for message in messages if isinstance(message, Progress)))
        assert phases[0] == "Loading"
        assert "Encoding patches" in phases
    finally:
        job.close()
    assert not done.path.exists()


@pytest.mark.parametrize("phase", ["Loading", "Finding tissue", "Encoding patches"])
def test_cancel_stops_it_within_a_second_and_leaves_nothing(request_of: PredictRequest, phase: str) -> None:
    job = PredictJob(request_of)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(isinstance(m, Progress) and m.phase == phase for m in job.poll()):
            break
        time.sleep(0.01)
    began = time.monotonic()
    job.cancel()
    while job.alive and time.monotonic() - began < PATIENCE:
        time.sleep(0.01)
    assert time.monotonic() - began < 1
    assert job.poll() == []
    job.close()
    assert not job._folder.exists()


def test_a_user_error_arrives_as_a_sentence(request_of: PredictRequest, tmp_path: Path) -> None:
    text = tmp_path / "notes.svs"
    text.write_text("not a slide")
    job = PredictJob(PredictRequest(str(text), request_of.bundle))
    try:
        failed = collect(job)[-1]
        assert isinstance(failed, Failed)
        assert failed.expected
        assert "notes.svs" in failed.message
        assert "Traceback" not in failed.message
    finally:
        job.close()


def test_a_child_that_dies_is_reported(request_of: PredictRequest) -> None:
    job = PredictJob(request_of)
    try:
        collect(job, until=Progress)
        job._child.kill()
        failed = collect(job)[-1]
        assert isinstance(failed, Failed)
        assert not failed.expected
    finally:
        job.close()


@pytest.mark.skipif(os.name == "nt", reason="on Windows os.kill(pid, 0) ends the process")
def test_the_child_ends_with_its_parent(request_of: PredictRequest) -> None:
    code = (
        "import sys, time; from molf_engine.prediction.jobs import *;"
        f"job = PredictJob(PredictRequest({request_of.slide!r}, {request_of.bundle!r}));"
        "print(job._child.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    raise AssertionError("the child outlived its parent")

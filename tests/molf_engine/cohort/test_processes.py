"""Real child processes that are killed: of the pool, the pool's parent, and by Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import pytest

from molf_engine.cohort.claims import read_owner
from molf_engine.cohort.processes import Working, predict_in_processes, share_of_threads
from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.errors import MolfError

from .conftest import SIZES
from .helpers import assert_results_are, cohort, outcomes, state, written

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")

ROOT = Path(__file__).parents[3]
NAMES = list(SIZES)
ENCODING = "Encoding patches"


def kill_owner(folder: Path, name: str) -> int:
    """Kill the worker that has a slide, and return its process number."""
    owner = read_owner(CohortFolder(folder).claim(name))
    assert owner is not None
    os.kill(owner.pid, signal.SIGKILL)
    return owner.pid


def test_a_killed_child_loses_nothing_and_nothing_is_written_twice(
    slides: Path, plain: dict[str, np.ndarray], tmp_path: Path, one_thread: None
) -> None:
    killed: list[int] = []
    first_written: dict[str, int] = {}

    def report(event: object) -> None:
        if isinstance(event, Working) and event.name == "big" and event.progress.phase == ENCODING and not killed:
            killed.append(kill_owner(tmp_path, "big"))
        if isinstance(event, SlideState):
            first_written[event.name] = written(tmp_path)[event.name]

    made = cohort([slides / f"{name}.tif" for name in NAMES], tmp_path)
    end = made.run(report, partial(predict_in_processes, workers=2))
    assert {row["slide"]: row["status"] for row in end.rows} == dict.fromkeys(NAMES, "done")
    expected = {**{name: ["done"] for name in NAMES}, "big": ["died", "done"]}
    assert {name: outcomes(tmp_path, name) for name in NAMES} == expected
    death, success = state(tmp_path, "big").attempts
    assert death.pid == killed[0] != success.pid
    assert "SIGKILL" in (death.error or "")
    assert written(tmp_path) == first_written
    assert_results_are(plain, tmp_path, NAMES)


def test_a_slide_over_which_two_children_die_fails_and_the_rest_is_done(slides: Path, tmp_path: Path) -> None:
    def report(event: object) -> None:
        if isinstance(event, Working) and event.name == "big" and event.progress.phase == ENCODING:
            kill_owner(tmp_path, "big")

    made = cohort([slides / "big.tif", slides / "a.tif"], tmp_path)
    # A child may have reported more than once before the signal reaches it, and be gone by the second.
    end = made.run(_unless_gone(report), partial(predict_in_processes, workers=1))
    assert {row["slide"]: row["status"] for row in end.rows} == {"a": "done", "big": "failed"}
    assert outcomes(tmp_path, "big") == ["died", "died"]
    assert "2 workers died over it" in (state(tmp_path, "big").error or "")


def test_interrupting_the_parent_ends_its_children_and_queues_their_slides(slides: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def report(event: object) -> None:
        if isinstance(event, Working) and event.name == "big" and event.progress.phase == ENCODING:
            owner = read_owner(CohortFolder(tmp_path).claim("big"))
            assert owner is not None
            seen.append(owner.pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cohort([slides / "big.tif"], tmp_path).run(report, partial(predict_in_processes, workers=2))
    assert not psutil.pid_exists(seen[0])
    assert state(tmp_path, "big").status == "queued"
    assert outcomes(tmp_path, "big") == ["stopped"]
    assert not list((tmp_path / ".molf").glob("*.claim"))


def test_children_that_cannot_start_end_the_run_with_the_reason(
    slides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('libtorch is not for this machine')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"))
    made = cohort([slides / "a.tif"], tmp_path / "out")
    with pytest.raises(MolfError, match=r"cannot start.*libtorch is not for this machine"):
        made.run(lambda event: None, partial(predict_in_processes, workers=2))


@pytest.mark.parametrize(
    ("signalled", "workers", "ended"),
    [(signal.SIGKILL, 1, "died"), (signal.SIGKILL, 2, "died"), (signal.SIGINT, 1, "stopped")],
)
def test_a_command_that_is_ended_goes_on_where_it_was(
    slides: Path,
    plain: dict[str, np.ndarray],
    tmp_path: Path,
    one_thread: None,
    signalled: signal.Signals,
    workers: int,
    ended: str,
) -> None:
    out, files = tmp_path / "out", [slides / "a.tif", slides / "c.tif"]
    child = subprocess.run(
        [sys.executable, "-m", "tests.molf_engine.cohort.child_ended", out, str(int(signalled)), str(workers), *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert child.returncode == -signalled, child.stderr
    before = written(out)
    assert "c" not in before
    owner = read_owner(CohortFolder(out).claim("c"))
    if ended == "died":
        assert owner is not None
        assert state(out, "c").status == "running"
        # A child of the pool hears at once that its parent is gone; this waits for no longer than it takes.
        with suppress(psutil.NoSuchProcess):
            psutil.Process(owner.pid).wait(60)
    else:
        assert owner is None
        assert state(out, "c").status == "queued"
    again = subprocess.run(
        [sys.executable, "-m", "molf_engine", "predict", *files, "-o", out, "-m", "demo"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert ("a" in before) == ("1 slides are done already" in again.stderr)
    assert outcomes(out, "c") == [ended, "done"]
    assert {name: written(out)[name] for name in before} == before
    assert_results_are(plain, out, ["a", "c"])


@pytest.mark.parametrize(
    ("given", "workers", "threads"), [("", 2, 4), ("", 16, 1), ("3", 2, 3), ("6", 2, 4), ("x", 3, 2)]
)
def test_workers_share_the_cores(monkeypatch: pytest.MonkeyPatch, given: str, workers: int, threads: int) -> None:
    monkeypatch.setattr("molf_engine.encoders.protocol.usable_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    assert share_of_threads(workers) == threads


def _unless_gone(report):  # type: ignore[no-untyped-def]
    def careful(event: object) -> None:
        try:
            report(event)
        except ProcessLookupError:
            return

    return careful

"""A real dask scheduler with two real worker processes, on this machine alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from molf_engine.cli import main
from molf_engine.cohort.claims import read_owner
from molf_engine.cohort.cluster import connect, predict_on_cluster
from molf_engine.cohort.slurm import make_cluster, parse_slurm_options
from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.data.simulator import SimulatedTissue, write_slide
from molf_engine.errors import ConfigError

from .conftest import SIZES
from .helpers import assert_results_are, cohort, outcomes, state, written

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")

NAMES = list(SIZES)
LONGEST = "120"  # s, after which each process ends by itself, whatever becomes of the test


@pytest.fixture
def scheduler(tmp_path: Path, one_thread: None) -> Iterator[Path]:
    """File of a scheduler with two workers of one thread."""
    file = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(file)]
    start = [sys.executable, "-m"]
    limits = f"--death-timeout 30 --lifetime {LONGEST} --memory-limit 0 --local-directory {tmp_path}"
    worker = f"distributed.cli.dask_worker --nthreads 1 --no-nanny {limits}"
    call = f"distributed.cli.dask_scheduler --port 0 --no-show --idle-timeout {LONGEST}"
    calls = [
        [*start, *text.split(), *common, "--host", "127.0.0.1", "--no-dashboard"] for text in (call, worker, worker)
    ]
    with ExitStack() as stack, (tmp_path / "dask.txt").open("wb") as log:
        for call in calls:
            child = stack.enter_context(subprocess.Popen(call, stdout=log, stderr=log, cwd=tmp_path))
            stack.callback(child.kill)
        # Workers wait for the file themselves; the client does not.
        for _ in range(600):
            if file.exists() and file.stat().st_size:
                break
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
        yield file


def test_a_killed_worker_loses_nothing_and_nothing_is_written_twice(
    scheduler: Path, slides: Path, plain: dict[str, np.ndarray], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    killed: list[int] = []
    first_written: dict[str, int] = {}

    def report(event: object) -> None:
        assert isinstance(event, SlideState), event
        first_written[event.name] = written(out)[event.name]
        if not killed:
            # The first slide to end is a small one; the worker with the large one is in the middle of it.
            owner = read_owner(CohortFolder(out).claim("big"))
            assert owner is not None
            os.kill(owner.pid, signal.SIGKILL)
            killed.append(owner.pid)

    with connect(str(scheduler)) as client:
        client.wait_for_workers(2, timeout=60)
        made = cohort([slides / f"{name}.tif" for name in ("big", "a", "c", "d")], out)
        end = made.run(report, partial(predict_on_cluster, client=client))
        assert len(client.scheduler_info()["workers"]) == 1
    assert {row["slide"]: row["status"] for row in end.rows} == dict.fromkeys(NAMES, "done")
    assert {name: outcomes(out, name) for name in NAMES} == {
        **{name: ["done"] for name in NAMES},
        "big": ["died", "done"],
    }
    death, success = state(out, "big").attempts
    assert death.pid == killed[0] != success.pid
    assert written(out) == first_written
    assert_results_are(plain, out, NAMES)


def test_interrupting_the_command_gives_slides_on_workers_back(scheduler: Path, slides: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    # So large that it is still on its way when the small one is done, however busy the machine is.
    write_slide(SimulatedTissue(9, (3200.0, 3200.0)), tmp_path / "huge.tif")

    def report(event: object) -> None:
        raise KeyboardInterrupt

    with connect(str(scheduler)) as client:
        client.wait_for_workers(2, timeout=60)
        made = cohort([tmp_path / "huge.tif", slides / "a.tif"], out)
        with pytest.raises(KeyboardInterrupt):
            made.run(report, partial(predict_on_cluster, client=client))
    assert state(out, "huge").status == "queued"
    assert outcomes(out, "huge") == ["stopped"]
    assert not list((out / ".molf").glob("*.claim"))
    assert not made.job.stop_file.exists()


def test_a_scheduler_that_is_not_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("molf_engine.cohort.cluster.CONNECT_SECONDS", 0.5)
    with (
        pytest.raises(ConfigError, match=r"No scheduler answers at tcp://127\.0\.0\.1:9"),
        connect("tcp://127.0.0.1:9"),
    ):
        pass
    with pytest.raises(ConfigError, match="There is no scheduler file"), connect(str(tmp_path / "none.json")):
        pass


def test_options_become_a_job_that_predicts_one_slide_at_a_time() -> None:
    pairs = ["jobs=3", "cores=4", "memory=8GB", "queue=short", "account=lab", "walltime=01:30:00", "interface=lo"]
    pairs += ["directive=--exclusive", "directive=--nice=5", "prologue=module load python"]
    options = parse_slurm_options(pairs)
    assert options.jobs == 3
    with make_cluster(options) as cluster:
        lines = cluster.job_script().splitlines()
    asked = {line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")}
    assert asked >= {"-p short", "-A lab", "--cpus-per-task=4", "--mem=8G", "-t 01:30:00", "--exclusive", "--nice=5"}
    worker = next(number for number, line in enumerate(lines) if "distributed.cli.dask_worker" in line)
    assert "--nthreads 1" in lines[worker]
    assert 0 < lines.index("export OMP_NUM_THREADS=4") < lines.index("module load python") < worker


@pytest.mark.parametrize("pair", ["jobs", "jobs=", "jobs=0", "jobs=many", "partition=short"])
def test_an_option_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(ConfigError, match="--slurm-options"):
        parse_slurm_options([pair])


def test_slurm_jobs_predict_and_end_with_the_command(
    slides: Path, plain: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an `sbatch` and a `scancel` that start and end the job script here."""
    # Like the real one, it keeps a copy: the script is removed when `sbatch` returns.
    start = f"setsid timeout {LONGEST} bash {tmp_path}/job.sh > {tmp_path}/job.txt 2>&1 &"
    programs = {
        "sbatch": f"cp $1 {tmp_path}/job.sh; {start} echo Submitted batch job $!",
        "scancel": f'echo "$@" >> {tmp_path}/cancelled.txt; kill -- -$1',
    }
    for name, program in programs.items():
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/bash\n{program}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    options = ["memory=3GB", "interface=lo", f"scratch={tmp_path}"]
    call = ["predict", slides / "a.tif", "-o", tmp_path / "out", "-m", "demo", "--slurm", "--slurm-options", *options]
    with pytest.raises(SystemExit) as stop:
        main([str(word) for word in call])
    assert not stop.value.code
    assert_results_are(plain, tmp_path / "out", ["a"])
    (attempt,) = state(tmp_path / "out", "a").attempts
    assert attempt.pid != os.getpid()
    assert (tmp_path / "cancelled.txt").read_text().strip()

"""Two workers of one thread against one of one thread, and what a killed worker costs.

Draws slides, predicts them with the demo model, features not kept, and prints slides per hour of each way and their ratio. Then once
more with two workers of which one is killed in the middle of a slide: slides lost, results written twice, and results that differ from
those of one worker::

    OMP_NUM_THREADS=1 python benchmarks/cohort.py
    OMP_NUM_THREADS=1 python benchmarks/cohort.py --slides 16 --size 3000 --repeats 3

The clock runs from the start of the first slide to the end of the last, so that imports, which a cohort of hours does not notice, do
not count; with ``--whole`` they do.  Run it on a machine with two free cores: both ways are timed in turns, and the load is printed.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np


def draw(folder: Path, slides: int, size_um: float) -> list[Path]:
    """Write simulated slides at 1 um per pixel."""
    from molf_engine.data.simulator import SimulatedTissue, write_slide

    return [write_slide(SimulatedTissue(seed, (size_um, size_um)), folder / f"{seed:03}.tif") for seed in range(slides)]


def run(files: list[Path], folder: Path, workers: int, *, kill: bool = False) -> tuple[float, float, dict[str, int]]:
    """Seconds from the first slide on, seconds in all, and how often each result was written."""
    from molf_engine.bundle import Bundle
    from molf_engine.cohort.claims import read_owner
    from molf_engine.cohort.processes import Working, predict_in_processes
    from molf_engine.cohort.run import prepare
    from molf_engine.cohort.settings import Settings
    from molf_engine.cohort.slides import SlideTask
    from molf_engine.cohort.state import CohortFolder

    cohort = prepare([SlideTask(file) for file in files], folder, Settings("demo"), Bundle.load("demo"), cache=False)
    first: list[float] = []
    killed: list[int] = []

    def report(event: object) -> None:
        if isinstance(event, Working):
            # Until every worker is up, one of two would be timed alone.
            first.append(time.perf_counter())
            if kill and not killed and event.name == files[-2].stem and event.progress.phase == "Encoding patches":
                owner = read_owner(CohortFolder(folder).claim(event.name))
                assert owner is not None
                os.kill(owner.pid, signal.SIGKILL)
                killed.append(owner.pid)

    start = time.perf_counter()
    cohort.run(report, partial(predict_in_processes, workers=workers))
    end = time.perf_counter()
    if kill and not killed:
        raise SystemExit("No worker was killed: the slides are too small.")
    writes = {
        state.name: sum(attempt.outcome == "done" for attempt in state.attempts)
        for state in CohortFolder(folder).states()
    }
    return end - first[0], end - start, writes


def differing(first: Path, second: Path) -> int:
    """Results of the first folder that are missing in the second, or not the same to the last bit."""
    from molf_engine.prediction import read_prediction

    return sum(
        not (second / file.name).exists()
        or not np.array_equal(read_prediction(file).X, read_prediction(second / file.name).X)
        for file in sorted(first.glob("*.h5ad"))
    )


def main() -> None:
    """Draw, time in turns, kill, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slides", type=int, default=8, help="at least 8 (default: %(default)s)")
    parser.add_argument("--size", type=float, default=3000.0, help="side of a slide in um (default: %(default)s)")
    parser.add_argument(
        "--repeats", type=int, default=1, help="turns, of which the median counts (default: %(default)s)"
    )
    parser.add_argument("--whole", action="store_true", help="time the start of the processes too")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    out = sys.stdout.write
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = draw(folder, options.slides, options.size)
        out(f"{len(files)} slides of {options.size:,.0f} um; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n\n")
        out("| turn | 1 worker, s | 2 workers, s | ratio |\n| --- | --- | --- | --- |\n")
        ratios = []
        for turn in range(options.repeats):
            times = [run(files, folder / f"{turn}-{workers}", workers)[options.whole] for workers in (1, 2)]
            ratios.append(times[0] / times[1])
            out(f"| {turn + 1} | {times[0]:.1f} | {times[1]:.1f} | {ratios[-1]:.2f} |\n")
            sys.stdout.flush()
        seconds, _, writes = run(files, folder / "killed", 2, kill=True)
        lost = sum(not (folder / "killed" / f"{file.stem}.h5ad").exists() for file in files)
        twice = sum(count > 1 for count in writes.values())
        differ = differing(folder / "0-1", folder / "killed")
        out(f"\nRatio (median): {statistics.median(ratios):.2f}; load at the end {os.getloadavg()[0]:.1f}\n")
        out(
            f"A killed worker of two: {seconds:.1f} s; {lost} lost, {twice} written twice, {differ} differ from 1 worker\n"
        )


if __name__ == "__main__":
    main()

"""How far the preparation of many sections is, and how long the rest will take."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from molf_engine.data.sections import Section
from molf_engine.progress import Progress, ProgressCallback


class Pace:
    """Tells the progress of one section and, as its unit, that of all.

    Parameters
    ----------
    sections
        What is to be done.
    progress
        Who is told.
    """

    def __init__(self, sections: Sequence[Section], progress: ProgressCallback) -> None:
        self._progress = progress
        self._spots = {section.id: count_spots(section.st_path) for section in sections}
        self._all = sum(self._spots.values())
        self._finished = self._number = 0
        self._began = time.monotonic()

    @contextmanager
    def section(self, name: str) -> Iterator[ProgressCallback]:
        """Report the work on one section; a failed one counts as done."""
        self._number += 1
        title = f"{name} ({self._number} of {len(self._spots)})"
        self._progress(Progress(f"{title}: reading counts", 0, 0))

        def report(step: Progress) -> None:
            done = self._finished + min(step.done, self._spots[name])
            self._progress(Progress(f"{title}: {step.phase.lower()}", step.done, step.total, self._unit(done)))

        try:
            yield report
        finally:
            self._finished += self._spots[name]

    def _unit(self, done: int) -> str:
        seconds = time.monotonic() - self._began
        if not done or seconds < 1:
            return "patches"
        return in_all(done, self._all, seconds)


def in_all(done: int, total: int, seconds: float) -> str:
    """``patches; in all 34 %, 412/s, 0:03:20 left``."""
    left = int(seconds / done * (total - done))
    minutes, rest = divmod(left, 60)
    return (
        f"patches; in all {done / total:.0%}, {done / seconds:,.0f}/s, {minutes // 60}:{minutes % 60:02}:{rest:02} left"
    )


def count_spots(path: Path) -> int:
    """Number of spots in an AnnData file, without reading it; 0 if it does not say."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            obs = file["obs"]
            return len(obs[obs.attrs.get("_index", "_index")])
    # A damaged file says so when its counts are read.
    except (OSError, KeyError, TypeError, AttributeError):
        return 0

"""A cohort on the terminal: slides done, patches a second, time left, and a line for each slide."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.cli.console import say, show_error, show_table
from molf_engine.cohort.processes import Report, Working
from molf_engine.cohort.state import SlideState
from molf_engine.cohort.summary import counts

if TYPE_CHECKING:
    from molf_engine.cohort.plan import Plan
    from molf_engine.cohort.run import CohortEnd
    from molf_engine.cohort.work import Finished

_LONG = 60  # rows; of a longer summary only what is not done is printed
_UNKNOWN = float("nan")


class Tally:
    """How far a cohort is.

    Parameters
    ----------
    total : int
        Slides to do.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.patches = 0
        self._running: dict[str, tuple[int, int]] = {}
        self._start = time.monotonic()

    def add(self, event: Working | Finished) -> None:
        """Take in a report."""
        if isinstance(event, Working):
            update = event.progress
            if update.unit == "patches" and update.total:
                # Later phases count again from zero; what is encoded stays encoded.
                before = self._running.get(event.name, (0, 0))
                self._running[event.name] = max(before, (update.done, update.total))
            return
        self._running.pop(event.name, None)
        self.done += 1
        if isinstance(event, SlideState):
            self.patches += event.patches or 0

    def line(self) -> str:
        """``12 / 40 slides, 310 patches/s, 4 min left``."""
        seconds = time.monotonic() - self._start
        patches = self.patches + sum(done for done, _ in self._running.values())
        slides = self.done + sum(done / total for done, total in self._running.values())
        text = f"{self.done} / {self.total} slides"
        if patches and seconds > 1:
            text += f", {patches / seconds:,.0f} patches/s"
        if slides and self.done < self.total:
            text += f", {duration(seconds * (self.total - slides) / slides)} left"
        return text


def duration(seconds: float) -> str:
    """``50 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def cohort_view(total: int, folder: Path, *, quiet: bool) -> Iterator[Report]:
    """Yield what draws reports: a bar on stderr where that is a terminal, and a line for each slide that ends.

    With ``quiet`` nothing goes to stdout.
    """
    tally = Tally(total)
    if not sys.stderr.isatty():

        def plain(event: Working | Finished) -> None:
            tally.add(event)
            if not isinstance(event, Working):
                _end(event, folder, quiet)
                show_error(tally.line())

        yield plain
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.TextColumn("{task.description}"), rich.BarColumn())
    with rich.Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(tally.line(), total=total)

        def draw(event: Working | Finished) -> None:
            tally.add(event)
            if not isinstance(event, Working):
                _end(event, folder, quiet)
            bar.update(task, completed=tally.done, description=tally.line())

        yield draw


def _end(event: Finished, folder: Path, quiet: bool) -> None:
    if not isinstance(event, SlideState):
        owner = event.owner
        who = f"{owner.host}, process {owner.pid}" if owner is not None else "another worker"
        show_error(f"{event.name}: {who} is at it; not done here.")
    elif event.status == "failed":
        error = event.error or ""
        show_error(error if event.slide in error else f"{event.slide}: {error}")
    elif event.status == "done" and not quiet:
        say(f"{folder / (event.output or event.name)}: {_facts(event)}")


def _facts(state: SlideState) -> str:
    look = (
        "whether they look like the training slides is not known"
        if state.unfamiliar is None
        else f"{state.unfamiliar:.0%} look unlike the training slides"
    )
    speed = f" in {state.seconds:.1f} s" if state.seconds else ""
    return f"{state.patches or 0:,} patches{speed}; {look}"


def show_plan(plan: Plan, folder: Path) -> None:
    """Say what will not be done, and why."""
    if plan.done:
        show_error(f"{len(plan.done)} slides are done already, with the same settings; left as they are.")
    if plan.failed:
        show_error(
            f"{len(plan.failed)} slides failed before ({folder / 'summary.md'} says why); try them again with --retry-failed."
        )


def show_summary(end: CohortEnd, plan: Plan, folder: Path, *, as_json: bool) -> int:
    """Print the summary, and return the exit code: 1 if a slide of this command failed."""
    states = [*plan.done, *plan.failed, *(event for event in end.finished.values() if isinstance(event, SlideState))]
    failed = sum(state.status == "failed" for state in states)
    # What is not known is NaN to tables, and an error that there is not is no text.
    rows = [{**row, "error": row["error"] or (None if as_json else "")} for row in end.rows]
    rows = [{name: _UNKNOWN if value is None else value for name, value in row.items()} for row in rows]
    shown = rows if as_json or len(rows) <= _LONG else [row for row in rows if row["status"] != "done"]
    note = f"{len(rows)} slides in {folder}: {counts(end.rows)}; {folder / 'summary.md'} has all of them."
    if as_json or shown:
        show_table(f"Slides of {folder}", shown, as_json=as_json, notes=[note])
    else:
        say(note)
    if failed:
        show_error(f"{failed} of {len(states)} slides failed; {folder / 'summary.md'} says why.")
    return 1 if failed else 0

"""Tables, progress bars and errors on the terminal."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def set_up_logging(debug: bool) -> None:
    """Show warnings of the engine, everything of it with ``debug``."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    if debug:
        logging.getLogger("molf_engine").setLevel(logging.DEBUG)


def show_error(message: str) -> None:
    """Write an error to stderr."""
    sys.stderr.write(f"{message}\n")


def command_line() -> str:
    """What was typed, for a report: folders by their names alone, since a report is passed on."""
    return shlex.join(["molf-engine", *(Path(part).name if "/" in part else part for part in sys.argv[1:])])


def say(message: str) -> None:
    """Write a line to stdout."""
    sys.stdout.write(f"{message}\n")


def show_table(title: str, rows: Sequence[Mapping[str, Any]], *, as_json: bool, notes: Sequence[str] = ()) -> None:
    """Print rows that share their keys as a table, or as JSON with nothing else on stdout."""
    if as_json:
        # JSON has no NaN: what is unknown is null.
        plain = [{key: None if value != value else value for key, value in row.items()} for row in rows]
        say(json.dumps(plain, indent=2, ensure_ascii=False, allow_nan=False))
        return
    from rich.table import Table
    from rich.text import Text

    # Text, not markup: a name in square brackets is part of what is said.
    table = Table(title=Text(title), title_justify="left")
    if rows:
        for name, value in rows[0].items():
            table.add_column(name, justify="right" if isinstance(value, int | float) else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    console = _console(stderr=False)
    console.print(table)
    for note in notes:
        console.print(note, highlight=False, markup=False)


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """A bar on stderr with phase, done and total, rate and time left; a line per phase where stderr is no terminal."""
    console = _console(stderr=True)
    if not console.is_terminal:
        yield _phase_lines()
        return
    from rich import progress as rich

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[count]}"),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console, transient=True) as bar:
        tasks: dict[str, rich.TaskID] = {}

        def report(progress: Progress) -> None:
            if progress.phase not in tasks:
                tasks[progress.phase] = bar.add_task(progress.phase, total=None, count="", rate="")
            task = tasks[progress.phase]
            for other in tasks.values():
                bar.update(other, visible=other == task)
            speed = bar.tasks[bar.task_ids.index(task)].speed
            rate = f"{speed:,.0f}/s" if speed and speed >= 1 else ""
            bar.update(task, completed=progress.done, total=progress.total or None, count=_count(progress), rate=rate)

        yield report


def _count(progress: Progress) -> str:
    """How far a phase is; nothing where that is unknown."""
    return f"{progress.done:,} / {progress.total:,} {progress.unit}" if progress.total else ""


def _phase_lines() -> Callable[[Progress], None]:
    seen: set[str] = set()

    def report(progress: Progress) -> None:
        if progress.phase not in seen:
            seen.add(progress.phase)
            amount = f" ({progress.total:,} {progress.unit})" if progress.total else ""
            sys.stderr.write(f"{progress.phase}{amount}\n")
            sys.stderr.flush()

    return report


def _console(stderr: bool) -> Console:
    from rich.console import Console

    # A table that is piped into a file must not be squeezed into 80 columns.
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else 160)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3f}"
    return str(value)

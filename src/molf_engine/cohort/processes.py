"""Slides in this process, or in several child processes of which any may crash.

Each child is a fresh interpreter with its share of the threads.  It is given one slide after another; a slide whose child died goes to
the end of the queue and to a fresh one.  Messages are pickled: both ends are this program, and nothing else writes to the pipes.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO

from molf_engine.cohort.settings import Assignment
from molf_engine.cohort.state import CohortFolder
from molf_engine.cohort.work import Finished, Job, give_back, predict_assigned
from molf_engine.errors import MolfError
from molf_engine.progress import Progress

_WAIT_SECONDS = 0.5  # on Windows a longer wait would not hear Ctrl-C
_LOG_TAIL = 600


@dataclass(frozen=True)
class Working:
    """A slide is being predicted."""

    name: str
    progress: Progress


@dataclass(frozen=True)
class Ready:
    """A child has imported what it needs."""


Report = Callable[[Working | Finished], None]
"""Told about progress, and once about the end of each slide."""


def predict_here(job: Job, assignments: Sequence[Assignment], report: Report) -> None:
    """Predict slides one by one in this process."""
    for assignment in assignments:
        name = assignment.name
        report(predict_assigned(job, assignment, lambda progress, name=name: report(Working(name, progress))))  # type: ignore[misc]


def share_of_threads(workers: int) -> int:
    """Threads of one of so many workers on this machine."""
    from molf_engine.encoders.protocol import usable_cores

    share = max(1, usable_cores() // workers)
    given = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(given)) if given.isdecimal() and int(given) else share


def predict_in_processes(job: Job, assignments: Sequence[Assignment], report: Report, *, workers: int) -> None:
    """Predict slides in child processes.

    Raises
    ------
    MolfError
        If children cannot even start.
    """
    job = replace(job, threads=share_of_threads(workers))
    waiting = deque(assignments)
    events: queue.SimpleQueue[tuple[_Child, object]] = queue.SimpleQueue()
    children: set[_Child] = set()
    try:
        for number in range(min(workers, len(waiting))):
            children.add(_Child(job, number, waiting.popleft(), events))
        while children:
            try:
                child, message = events.get(timeout=_WAIT_SECONDS)
            except queue.Empty:
                continue
            if isinstance(message, Working):
                report(message)
            elif isinstance(message, Finished):
                child.assignment = None
                report(message)
                if waiting:
                    child.give(waiting.popleft())
                else:
                    child.close()
            elif isinstance(message, Ready):
                child.started = True
            else:
                children.discard(child)
                child.close()
                if child.assignment is not None:
                    if not child.started:
                        raise MolfError(f"A worker process cannot start: {child.reason()}")
                    # At the end of the queue: where memory was short, the others should be through by then.
                    waiting.append(replace(child.assignment, death=child.reason()))
                if waiting:
                    children.add(_Child(job, child.number, waiting.popleft(), events))
    finally:
        _stop(job, children)


class _Child:
    """A child process with the slide it has."""

    def __init__(
        self, job: Job, number: int, assignment: Assignment, events: queue.SimpleQueue[tuple[_Child, object]]
    ) -> None:
        self.number = number
        self.assignment: Assignment | None = None
        self.started = False
        self._log = CohortFolder(job.folder).inner / "logs" / f"{job.run}-{number}.txt"
        threads = str(job.threads or 1)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-m", "molf_engine.cohort.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **dict.fromkeys(names, threads)},
                # Ctrl-C is for the parent: it decides what becomes of the slides.
                start_new_session=sys.platform != "win32",
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        assert self._process.stdout is not None
        self._send(job)
        self.give(assignment)
        reader = threading.Thread(target=self._read, args=(self._process.stdout, events), daemon=True)
        reader.start()

    def give(self, assignment: Assignment) -> None:
        """Hand it its next slide."""
        self.assignment = assignment
        self._send(assignment)

    def close(self) -> None:
        """Let it end: it does when its pipe is closed."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def kill(self) -> None:
        """End it at once."""
        self.close()
        self._process.kill()
        self._process.wait()

    def reason(self) -> str:
        """How it died."""
        code = self._process.wait()
        with suppress(OSError):
            tail = " ".join(self._log.read_text(errors="replace").split())[-_LOG_TAIL:]
            if tail:
                return f"{_how(code)} ({self._log}: ...{tail})"
        return _how(code)

    def tidy(self) -> None:
        """Remove a log that says nothing."""
        with suppress(OSError):
            if not self._log.stat().st_size:
                self._log.unlink()

    def _send(self, message: object) -> None:
        assert self._process.stdin is not None
        # If it is dead already, the reader says so.
        with suppress(OSError):
            pickle.dump(message, self._process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()

    def _read(self, stream: IO[bytes], events: queue.SimpleQueue[tuple[_Child, object]]) -> None:
        with stream, suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                events.put((self, pickle.load(stream)))
        self._process.wait()
        self.tidy()
        events.put((self, None))


def _stop(job: Job, children: set[_Child]) -> None:
    """End children that still run, and give their slides back."""
    for child in children:
        child.kill()
    for child in children:
        child.tidy()
        if child.assignment is not None:
            with suppress(MolfError):
                give_back(job, child.assignment)


def _how(code: int) -> str:
    if code >= 0:
        return f"the worker process ended with exit code {code}"
    name = signal.Signals(-code).name if -code in {item.value for item in signal.Signals} else str(-code)
    memory = "; the machine may have run out of memory" if name == "SIGKILL" else ""
    return f"the worker process was ended by {name}{memory}"

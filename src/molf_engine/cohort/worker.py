"""The child process behind :mod:`molf_engine.cohort.processes`: a job and slides on stdin, messages on stdout."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import time
from typing import IO

from molf_engine.cohort.processes import Ready, Working
from molf_engine.cohort.settings import Assignment
from molf_engine.cohort.work import Job, predict_assigned
from molf_engine.progress import Progress

REPORT_SECONDS = 0.25
"""Reports of one slide closer together than this are dropped, unless they end a phase."""


def main() -> None:
    """Serve slides until the pipe is closed."""
    # Messages keep stdout's pipe to themselves; whatever a library prints goes to stderr.
    channel = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    job: Job = pickle.load(sys.stdin.buffer)
    assignments: queue.SimpleQueue[Assignment] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(assignments,), daemon=True).start()
    _set_up(job)
    _send(channel, Ready())
    while True:
        assignment = assignments.get()
        _send(channel, predict_assigned(job, assignment, _Reporter(channel, assignment.name)))


def _set_up(job: Job) -> None:
    import torch

    if job.threads is not None:
        torch.set_num_threads(job.threads)


class _Reporter:
    def __init__(self, channel: IO[bytes], name: str) -> None:
        self._channel = channel
        self._name = name
        self._phase = ""
        self._sent = 0.0

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.phase != self._phase or progress.done == progress.total or now - self._sent >= REPORT_SECONDS:
            self._phase, self._sent = progress.phase, now
            _send(self._channel, Working(self._name, progress))


def _send(channel: IO[bytes], message: object) -> None:
    pickle.dump(message, channel, protocol=pickle.HIGHEST_PROTOCOL)
    channel.flush()


def _receive(assignments: queue.SimpleQueue[Assignment]) -> None:
    """Take slides in; end with the parent, whether it closed the pipe or died."""
    try:
        while True:
            assignments.put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)


if __name__ == "__main__":
    main()

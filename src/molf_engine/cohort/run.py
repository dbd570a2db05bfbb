"""A cohort from the list of its slides to the summary."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from molf_engine import __version__
from molf_engine.bundle import Bundle
from molf_engine.cohort.claims import HEARTBEAT_SECONDS
from molf_engine.cohort.plan import Plan, make_plan
from molf_engine.cohort.processes import Report, Working, predict_here
from molf_engine.cohort.settings import Assignment, Settings, assign
from molf_engine.cohort.slides import SlideTask, refuse_equal_names
from molf_engine.cohort.state import CohortFolder, SlideState, now
from molf_engine.cohort.summary import write_summary
from molf_engine.cohort.work import Busy, Finished, Job
from molf_engine.files import atomic_path

Backend = Callable[[Job, Sequence[Assignment], Report], None]
"""Predicts slides somewhere and reports the end of each: :func:`predict_here` and its likes."""


@dataclass(frozen=True)
class CohortEnd:
    """What came of a command.

    Attributes
    ----------
    finished : dict
        By name, each slide that this command had to do; :class:`Busy` where another command has it.
    rows : list of dict
        The summary, of every slide that the folder knows.
    """

    finished: dict[str, Finished] = field(hash=False)
    rows: list[dict[str, Any]] = field(hash=False)


@dataclass(frozen=True)
class Cohort:
    """A command over many slides, planned.

    Attributes
    ----------
    job : Job
        What its workers are told.
    plan : Plan
        What is to do, and what was done before.
    model : str
        Id of the bundle.
    """

    job: Job
    plan: Plan
    model: str

    def run(self, report: Report, backend: Backend = predict_here) -> CohortEnd:
        """Predict what is to do.

        Parameters
        ----------
        report : callable
            Told about progress, and once about the end of each slide.
        backend : callable
            Where: in this process if not given.

        Raises
        ------
        MolfError
            If nothing can be predicted at all, or the summary cannot be written.
        KeyboardInterrupt
            Slides that were being predicted are queued again, and the summary is written.
        """
        folder = CohortFolder(self.job.folder)
        finished: dict[str, Finished] = {}

        def note(event: Working | Finished) -> None:
            if isinstance(event, SlideState):
                finished[event.name] = event
                report(event)
            elif isinstance(event, Busy):
                finished[event.name] = event
            else:
                report(event)

        started = now()
        self._write_manifest(started, None, finished)
        try:
            self._hand_out(note, finished, backend)
        finally:
            rows = write_summary(folder)
            self._write_manifest(started, now(), finished)
        for event in finished.values():
            if isinstance(event, Busy):
                report(event)
        return CohortEnd(finished, rows)

    def _hand_out(self, note: Report, finished: dict[str, Finished], backend: Backend) -> None:
        backend(self.job, self.plan.todo, note)
        last = False
        while busy := [item for item in self.plan.todo if isinstance(finished.get(item.name), Busy)]:
            # A claim of this very command is that of a worker that the cluster has lost: its heartbeat will end.
            ours = [item for item in busy if _is_of(finished[item.name], self.job.run)]
            if last and not ours:
                return
            last = True
            if ours:
                time.sleep(HEARTBEAT_SECONDS)
            backend(self.job, busy, note)

    def _write_manifest(self, started: str, ended: str | None, finished: dict[str, Finished]) -> None:
        values = {
            "run": self.job.run,
            "host": platform.node(),
            "pid": os.getpid(),
            "started": started,
            "ended": ended,
            "software": f"napari-molf {__version__}",
            "model": self.model,
            "slides": [item.name for item in self.plan.todo],
            "done_before": len(self.plan.done),
            "failed_before": len(self.plan.failed),
            "finished": {
                name: event.status if isinstance(event, SlideState) else "elsewhere" for name, event in finished.items()
            },
        }
        with atomic_path(CohortFolder(self.job.folder).inner / "runs" / f"{self.job.run}.json") as beside:
            beside.write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def prepare(
    tasks: Sequence[SlideTask],
    folder: Path,
    settings: Settings,
    bundle: Bundle,
    *,
    overwrite: bool = False,
    retry_failed: bool = False,
    cache: bool = True,
    cache_dir: Path | None = None,
) -> Cohort:
    """Look at what is there, and queue what is to do.

    Parameters
    ----------
    tasks : sequence of SlideTask
        The slides; see :mod:`molf_engine.cohort.slides`.
    folder : Path
        Of the results; any number of commands may share it.
    settings : Settings
        Shared by all slides.
    bundle : Bundle
        The model that ``settings`` names.
    overwrite : bool
        Replace results of other settings; those of the same settings are left as they are.
    retry_failed : bool
        Try slides again that failed with the same settings.
    cache, cache_dir : bool, Path or None
        Whether and where to keep features.

    Raises
    ------
    MolfError
        If two slides have one name, a code is unknown, the folder cannot be written, or results are in the way.
    """
    refuse_equal_names(tasks)
    assignments = [assign(task, settings, bundle) for task in tasks]
    where = CohortFolder(folder)
    where.make()
    plan = make_plan(where, assignments, overwrite=overwrite, retry_failed=retry_failed)
    for item in plan.todo:
        where.queue(SlideState(item.name, str(item.task.slide), item.digest, dict(item.options)))
    run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"
    return Cohort(Job(folder, settings, run, cache, cache_dir, None, overwrite), plan, bundle.id)


def _is_of(event: Finished, run: str) -> bool:
    return isinstance(event, Busy) and event.owner is not None and event.owner.run == run

"""Slides on the workers of a dask.distributed scheduler.

The scheduler hands out slides and notices dead workers; that none is done twice or lost is up to the claims and states, as everywhere.
Workers need this package and must see slides and results under the same paths.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.cohort.claims import read_owner
from molf_engine.cohort.processes import Report
from molf_engine.cohort.settings import Assignment
from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.cohort.work import Finished, Job, predict_assigned
from molf_engine.errors import ConfigError, MolfError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 30.0
STOP_SECONDS = 30.0
"""How long workers have to give their slides back after Ctrl-C."""


@contextmanager
def connect(scheduler: str) -> Iterator[Client]:
    """Connect to a scheduler by its address, or by the file that it wrote.

    Raises
    ------
    ConfigError
        If dask.distributed is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError(
            f'--scheduler needs dask.distributed: pip install "napari-molf[cluster]" ({error}).'
        ) from error
    silence_dask()
    place = {"address": scheduler} if "://" in scheduler else {"scheduler_file": scheduler}
    if "scheduler_file" in place and not Path(scheduler).is_file():
        raise ConfigError(f"There is no scheduler file {scheduler}. An address looks like tcp://10.0.0.1:8786.")
    try:
        client = Client(**place, timeout=CONNECT_SECONDS, name="molf-engine")
    except (OSError, ValueError) as error:
        raise ConfigError(f"No scheduler answers at {scheduler}: {error}. Start one with `dask scheduler`.") from error
    with client:
        yield client


def predict_on_cluster(job: Job, assignments: Sequence[Assignment], report: Report, *, client: Client) -> None:
    """Predict slides on the workers of a scheduler; a slide whose worker dies goes to another.

    Raises
    ------
    MolfError
        If the scheduler is lost.
    """
    from distributed import as_completed

    # A key of its own for each time, or the scheduler would answer with what it remembers.
    stamp = time.monotonic_ns()
    futures = {
        client.submit(predict_on_worker, job, item, key=f"molf-{job.run}-{stamp}-{item.name}", pure=False): item
        for item in assignments
    }
    waiting = dict(futures)
    try:
        for future in as_completed(futures):
            item = waiting.pop(future)
            report(_outcome(future, item))
            future.release()
    finally:
        if waiting:
            _stop(job, list(waiting.values()), client, list(waiting))


def silence_dask() -> None:
    """Leave only warnings of what dask logs; it sets its own level when it is imported."""
    logging.getLogger("distributed").setLevel(logging.WARNING)


def predict_on_worker(job: Job, assignment: Assignment) -> Finished:
    """Predict a slide with as many threads as the worker was given (``OMP_NUM_THREADS``; one if nobody says)."""
    import torch

    return predict_assigned(replace(job, threads=torch.get_num_threads()), assignment)


def _outcome(future: object, assignment: Assignment) -> Finished:
    from distributed.client import FutureCancelledError

    try:
        outcome: Finished = future.result()  # type: ignore[attr-defined]
    except FutureCancelledError as error:
        raise MolfError(
            "The scheduler is gone. Slides that are being predicted are finished by their workers if these live on; "
            "give the same command again for the rest."
        ) from error
    except Exception as error:  # whatever went wrong on the way to or from the worker costs this slide alone
        message = f"The worker could not be used: {type(error).__name__}: {error}"
        return SlideState(
            assignment.name,
            str(assignment.task.slide),
            assignment.digest,
            dict(assignment.options),
            "failed",
            error=message,
        )
    return outcome


def _stop(job: Job, assignments: list[Assignment], client: Client, futures: list[object]) -> None:
    """Have workers give their slides back, and wait for it a while."""
    folder = CohortFolder(job.folder)

    def held() -> bool:
        owners = (read_owner(folder.claim(item.name)) for item in assignments)
        return any(owner is not None and owner.run == job.run for owner in owners)

    with suppress(OSError):
        job.stop_file.touch()
    try:
        with suppress(Exception):  # the scheduler may be what is gone
            client.cancel(futures)
        end = time.monotonic() + STOP_SECONDS
        while held() and time.monotonic() < end:
            time.sleep(0.2)
    finally:
        with suppress(OSError):
            job.stop_file.unlink()

"""Predict one slide of a cohort, under its claim: what every worker does, wherever it runs."""

from __future__ import annotations

import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.cohort.claims import Claim, ClaimLostError, Owner, take
from molf_engine.cohort.one import feature_cache, load_bundle, peak_memory_mb, predict_file
from molf_engine.cohort.results import SETTINGS_KEY, describe, read_result
from molf_engine.cohort.settings import Assignment, Settings
from molf_engine.cohort.state import Attempt, CohortFolder, SlideState, now
from molf_engine.errors import Cancelled, MolfError
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import anndata as ad


ATTEMPTS = 2
"""Workers that may die over a slide in one run, before it counts as failed."""

_LOOK_SECONDS = 1.0  # between two looks at whether to stop


@dataclass(frozen=True)
class Job:
    """What a worker must know besides the slide.

    Attributes
    ----------
    folder : Path
        Of the results, as every worker sees it.
    settings : Settings
        Shared by all slides.
    run : str
        Id of the command.
    cache : bool
        Whether to keep features.
    cache_dir : Path or None
        Where; none: ``MOLF_CACHE_DIR`` of the worker, or its user's cache folder.
    threads : int or None
        Threads that read patches; none: a few.
    overwrite : bool
        Replace results of other settings.
    """

    folder: Path
    settings: Settings
    run: str
    cache: bool = True
    cache_dir: Path | None = None
    threads: int | None = None
    overwrite: bool = False

    @property
    def stop_file(self) -> Path:
        """While this exists, workers give their slides back."""
        return self.folder / ".molf" / "runs" / f"{self.run}.stop"


@dataclass(frozen=True)
class Busy:
    """Another worker has the slide; ``owner`` is none where its claim cannot be read."""

    name: str
    owner: Owner | None


Finished = SlideState | Busy


def predict_assigned(job: Job, assignment: Assignment, progress: ProgressCallback = silent) -> Finished:
    """Predict a slide that nobody else has, and write its result and its state.

    Never raises for a slide that is bad: that is in the state.  What ends it early (Ctrl-C, a stop file) gives the slide back.

    Returns
    -------
    SlideState or Busy
        Status `done`, `failed`, or `queued` if it was told to stop.
    """
    folder = CohortFolder(job.folder)
    state = _fresh(assignment)
    try:
        if not folder.inner.is_dir():
            raise MolfError(f"The folder {job.folder} is not on this machine. Every worker must see it under one path.")
        claim = take(folder.claim(assignment.name), job.run)
        if not isinstance(claim, Claim):
            return Busy(assignment.name, claim)
        with claim:
            try:
                return _under_claim(job, assignment, folder, claim, progress)
            except ClaimLostError:
                # The state belongs to whoever has it now.
                return Busy(assignment.name, None)
    except MolfError as error:
        # Where not even a state can be written (a full disk), the caller still hears of it.
        return replace(state, status="failed", error=str(error))


def give_back(job: Job, assignment: Assignment) -> None:
    """Queue a slide again whose worker was stopped on purpose and is gone."""
    folder = CohortFolder(job.folder)
    claim = take(folder.claim(assignment.name), job.run)
    if isinstance(claim, Claim):
        with claim:
            state = folder.read(assignment.name)
            if state is not None and state.status == "running":
                folder.write(state.end("queued", "stopped"))
            folder.clear_partial(assignment.name)


def _under_claim(
    job: Job, assignment: Assignment, folder: CohortFolder, claim: Claim, progress: ProgressCallback
) -> SlideState:
    before = folder.read(assignment.name)
    state = _fresh(assignment)
    if before is not None:
        # Nobody holds the claim, so whoever was at it is dead.
        closed = before.end("queued", "died", assignment.death or "The worker ended without a word.")
        state = replace(state, attempts=closed.attempts)
    folder.clear_partial(assignment.name)
    target = folder.target(assignment.name)
    if target.exists():
        result = read_result(target)
        if result.settings == assignment.digest:
            # Done meanwhile, or by a worker that died between its result and its state.
            if before is not None and before.status == "done" and before.settings == assignment.digest:
                return before
            done = result.complete(state)
            folder.write(done)
            return done
        if not job.overwrite:
            return _failed(folder, state, f"{target} exists already, of other settings. Replace it with --overwrite.")
    if state.deaths(job.run) >= ATTEMPTS:
        return _failed(folder, state, f"{ATTEMPTS} workers died over it. The last: {state.attempts[-1].error}")
    owner = claim.owner
    state = state.start(Attempt(job.run, owner.host, owner.pid, now()))
    folder.write(state)
    return _attempt(job, assignment, folder, claim, state, progress)


def _attempt(
    job: Job,
    assignment: Assignment,
    folder: CohortFolder,
    claim: Claim,
    state: SlideState,
    progress: ProgressCallback,
) -> SlideState:
    start = time.monotonic()
    try:
        bundle = load_bundle(job.settings.model, str(assignment.options["weights"]))
        adata = predict_file(
            assignment.task,
            job.settings,
            bundle,
            cache=feature_cache(job.cache, job.cache_dir),
            threads=job.threads,
            progress=_watch(job, claim, progress),
        )
        adata.uns["molf"][SETTINGS_KEY] = assignment.digest
        _publish(adata, folder, assignment.name, claim)
    except ClaimLostError:
        raise
    except MolfError as error:
        return _failed(folder, state, str(error))
    except (Cancelled, KeyboardInterrupt) as stop:
        given = state.end("queued", "stopped")
        folder.write(given)
        if isinstance(stop, KeyboardInterrupt) or not job.stop_file.exists():
            raise
        return given
    except Exception as error:  # a slide that we are not up to must not cost the others their results
        return _failed(folder, state, f"{type(error).__name__}: {error}", traceback.format_exc())
    seconds = round(time.monotonic() - start, 3)
    done = describe(adata).complete(state, seconds=seconds, memory_mb=peak_memory_mb())
    folder.write(done)
    return done


def _publish(adata: ad.AnnData, folder: CohortFolder, name: str, claim: Claim) -> None:
    """Write the result apart and move it to its place, if the slide is still this worker's."""
    from molf_engine.prediction import write_prediction

    partial = folder.partial(name, claim.owner.token)
    try:
        write_prediction(adata, partial)
        claim.confirm()
        partial.replace(folder.target(name))
    finally:
        partial.unlink(missing_ok=True)


def _watch(job: Job, claim: Claim, progress: ProgressCallback) -> ProgressCallback:
    """Report, and stop where the command was stopped or the claim is lost."""
    looked = time.monotonic()

    def report(update: Progress) -> None:
        nonlocal looked
        if time.monotonic() - looked > _LOOK_SECONDS:
            looked = time.monotonic()
            if job.stop_file.exists():
                raise Cancelled
            if claim.lost:
                claim.confirm()
        progress(update)

    return report


def _fresh(assignment: Assignment) -> SlideState:
    return SlideState(assignment.name, str(assignment.task.slide), assignment.digest, options=dict(assignment.options))


def _failed(folder: CohortFolder, state: SlideState, error: str, details: str | None = None) -> SlideState:
    failed = state.end("failed", "failed", error, details=details, memory_mb=peak_memory_mb())
    folder.write(failed)
    return failed

"""What is left to do of a cohort, and what must not be done."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from molf_engine.cohort.results import settings_of
from molf_engine.cohort.settings import Assignment, difference
from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.errors import MolfError

_SHOWN = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """The slides of a command.

    Attributes
    ----------
    todo : list of Assignment
        To be predicted; those over which a worker died before come last.
    done : list of SlideState
        Predicted before, with the same settings.
    failed : list of SlideState
        Failed before with the same settings, and not to be tried again.
    """

    todo: list[Assignment]
    done: list[SlideState]
    failed: list[SlideState]


def make_plan(
    folder: CohortFolder, assignments: Sequence[Assignment], *, overwrite: bool = False, retry_failed: bool = False
) -> Plan:
    """Compare what is asked for with what is there.

    Raises
    ------
    MolfError
        If results of other settings, or of another slide, are in the way and may not be replaced.
    """
    plan = Plan([], [], [])
    conflicts: list[str] = []
    for assignment in assignments:
        state = folder.read(assignment.name)
        same = state is not None and state.settings == assignment.digest
        if folder.target(assignment.name).exists():
            conflict = _conflict(folder, assignment, state)
            if conflict is None and state is not None and same and state.status == "done":
                plan.done.append(state)
                continue
            if conflict is not None and not overwrite:
                conflicts.append(f"{assignment.name}.h5ad: {conflict}")
        elif state is not None and same and state.status == "failed" and not retry_failed:
            plan.failed.append(state)
            continue
        plan.todo.append(assignment)
    if conflicts:
        more = f", and {len(conflicts) - _SHOWN} more" if len(conflicts) > _SHOWN else ""
        raise MolfError(
            f"{folder.path} has results that are not of this command: {'; '.join(conflicts[:_SHOWN])}{more}. "
            "Choose another folder, or replace them with --overwrite."
        )
    plan.todo.sort(key=lambda assignment: _deaths(folder, assignment.name))
    return plan


def _conflict(folder: CohortFolder, assignment: Assignment, state: SlideState | None) -> str | None:
    """Why the result that is there is not the one asked for; none if it is."""
    made_with = settings_of(folder.target(assignment.name))
    if made_with is None:
        return "it does not say what it was made with"
    if made_with != assignment.digest:
        known = state is not None and state.settings == made_with
        return difference(state.options, assignment.options) if known and state else "it is of other settings"
    if state is not None and state.fingerprint is not None:
        now = _fingerprint(assignment)
        if now is not None and now != state.fingerprint:
            return f"it is of another slide than {assignment.task.slide} is now"
    return None


def _fingerprint(assignment: Assignment) -> str | None:
    """Of the slide as it is now; none if it cannot be opened, which is no reason to doubt its result."""
    from molf_engine.slides import fingerprint, open_slide

    try:
        with open_slide(assignment.task.slide, assignment.task.um_per_pixel) as slide:
            return fingerprint(slide)
    except (MolfError, OSError) as error:
        _log.info("%s", error)
        return None


def _deaths(folder: CohortFolder, name: str) -> int:
    # A running slide is either someone else's or was left by a worker that died: neither should hold up the others.
    state = folder.read(name)
    return 0 if state is None else sum(attempt.outcome in ("died", "running") for attempt in state.attempts)

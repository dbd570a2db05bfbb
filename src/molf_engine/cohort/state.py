"""What is known of each slide of a cohort: one JSON file a slide, in `.molf` beside the results.

A state is changed by the holder of the slide's claim alone, and written beside its place and renamed; so a reader sees one whole
state or another.  A file that was damaged all the same counts as missing: the result itself says what it was made with.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from molf_engine.files import atomic_path

Status = Literal["queued", "running", "done", "failed"]
Outcome = Literal["running", "done", "failed", "stopped", "died"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One time that a worker had a slide.

    Attributes
    ----------
    run : str
        Id of the command, see `.molf/runs`.
    host, pid : str, int
        Of the worker.
    started, ended : str, str or None
        UTC; nobody knows when a worker died.
    outcome : str
        `done`, `failed`, `stopped` (given back), `died`; `running` until one of them.
    error, details : str or None
        What went wrong, and the traceback where that is a mistake of ours.
    memory_mb : float or None
        Largest resident memory of the worker's process until then.
    """

    run: str
    host: str
    pid: int
    started: str
    ended: str | None = None
    outcome: Outcome = "running"
    error: str | None = None
    details: str | None = None
    memory_mb: float | None = None

    def end(self, outcome: Outcome, error: str | None = None, **more: Any) -> Attempt:
        """Close the attempt now."""
        return replace(self, ended=None if outcome == "died" else now(), outcome=outcome, error=error, **more)


@dataclass(frozen=True)
class SlideState:
    """A slide of a cohort.

    Attributes
    ----------
    name, slide : str
        Name of the result, and path of the slide.
    settings : str
        Hash of ``options``.
    options : dict
        What the result depends on besides the slide.
    status : str
        `queued`, `running`, `done`, `failed`.
    output, fingerprint : str or None
        Name of the result in the folder, and the slide's fingerprint.
    patches, seconds, unfamiliar, um_per_pixel : number or None
        Patches predicted, time of the attempt that did it, share of patches unlike the training slides (none: not known), scale at
        level 0.
    error : str or None
        Why it failed.
    attempts : tuple of Attempt
        The oldest first.
    """

    name: str
    slide: str
    settings: str
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    status: Status = "queued"
    output: str | None = None
    fingerprint: str | None = None
    patches: int | None = None
    seconds: float | None = None
    unfamiliar: float | None = None
    um_per_pixel: float | None = None
    error: str | None = None
    attempts: tuple[Attempt, ...] = ()

    def start(self, attempt: Attempt) -> SlideState:
        """Begin an attempt."""
        return replace(self, status="running", error=None, attempts=(*self.attempts, attempt))

    def end(self, status: Status, outcome: Outcome, error: str | None = None, **more: Any) -> SlideState:
        """Close the last attempt, if one is open."""
        attempts, known = self.attempts, {name: more.pop(name, None) for name in ("details", "memory_mb")}
        if attempts and attempts[-1].outcome == "running":
            attempts = (*attempts[:-1], attempts[-1].end(outcome, error, **known))
        return replace(self, status=status, error=error if status == "failed" else None, attempts=attempts, **more)

    def deaths(self, run: str) -> int:
        """How many workers of a command died over this slide."""
        return sum(attempt.run == run and attempt.outcome == "died" for attempt in self.attempts)


class CohortFolder:
    """Folder of results, and what lies in its `.molf`.

    Parameters
    ----------
    path : Path
        The folder; nothing is made before :meth:`make`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inner = path / ".molf"

    def make(self) -> None:
        """Make the folders.  Raises :class:`MolfError` where that cannot be."""
        from molf_engine.files import make_parent

        for folder in (self.inner, self.inner / "partial", self.inner / "runs", self.inner / "logs"):
            make_parent(folder / "probe")

    def target(self, name: str) -> Path:
        """Result of a slide."""
        return self.path / f"{name}.h5ad"

    def claim(self, name: str) -> Path:
        """Claim on a slide."""
        return self.inner / f"{name}.claim"

    def partial(self, name: str, token: str) -> Path:
        """Where a result is written before it is moved to its place."""
        return self.inner / "partial" / f"{name}.{token}.h5ad"

    def clear_partial(self, name: str) -> None:
        """Remove what workers that died have left of a result; for the holder of the claim."""
        for path in (self.inner / "partial").iterdir():
            # Beside it lies what `write_prediction` itself writes first: .<name>.<token>-<8 digits>.h5ad
            stem = path.name.removeprefix(".").rpartition(".h5ad")[0]
            if stem.rpartition(".")[0] == name:
                path.unlink(missing_ok=True)

    def read(self, name: str) -> SlideState | None:
        """State of a slide; none if there is none that can be read."""
        return _read(self._state(name))

    def write(self, state: SlideState) -> None:
        """Replace a state; for the holder of the claim.  Raises :class:`MolfError` if the disk refuses."""
        with atomic_path(self._state(state.name)) as beside:
            beside.write_text(_text(state), encoding="utf-8")

    def queue(self, state: SlideState) -> None:
        """Write the first state of a slide, unless it has one."""
        try:
            with self._state(state.name).open("x", encoding="utf-8") as file:
                file.write(_text(state))
        except FileExistsError:
            return

    def states(self) -> Iterator[SlideState]:
        """Every slide that was ever queued here, sorted by name."""
        for path in sorted(self.inner.glob("*.json")):
            if not path.name.startswith(".") and (state := _read(path)) is not None:
                yield state

    def _state(self, name: str) -> Path:
        return self.inner / f"{name}.json"


def now() -> str:
    """UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _text(state: SlideState) -> str:
    return json.dumps(asdict(state), indent=1, ensure_ascii=False) + "\n"


def _read(path: Path) -> SlideState | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        attempts = tuple(Attempt(**_known(Attempt, attempt)) for attempt in values.get("attempts", ()))
        return SlideState(**{**_known(SlideState, values), "attempts": attempts})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _log.warning("%s cannot be read and counts as missing: %s", path, error)
        return None


def _known(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Fields of a dataclass; what a later version added is left out."""
    names = {item.name for item in fields(kind)}
    return {name: value for name, value in values.items() if name in names}

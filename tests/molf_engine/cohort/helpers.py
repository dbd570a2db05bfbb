"""A cohort over given slides with the demo model, and what is asked of every finished one."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.bundle import Bundle
from molf_engine.cohort.run import Cohort, prepare
from molf_engine.cohort.settings import Settings
from molf_engine.cohort.slides import SlideTask
from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.prediction import read_prediction

GENES = 1386


def cohort(slides: Iterable[Path], folder: Path, *, code: str | None = None, **settings: Any) -> Cohort:
    """Plan a command over ``slides`` into ``folder``."""
    tasks = [SlideTask(path, code=code) for path in slides]
    return prepare(tasks, folder, Settings("demo"), Bundle.load("demo"), **settings)


def state(folder: Path, name: str) -> SlideState:
    found = CohortFolder(folder).read(name)
    assert found is not None
    return found


def outcomes(folder: Path, name: str) -> list[str]:
    """How each attempt at a slide ended: the log of who did what."""
    return [attempt.outcome for attempt in state(folder, name).attempts]


def written(folder: Path) -> dict[str, int]:
    """When each result was written, in ns."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.h5ad")}


def assert_results_are(plain: dict[str, np.ndarray], folder: Path, names: Iterable[str]) -> None:
    """Bit for bit, and with nothing left over."""
    for name in names:
        np.testing.assert_array_equal(read_prediction(folder / f"{name}.h5ad").X, plain[name], err_msg=name)
    assert not list((folder / ".molf").glob("*.claim*"))
    assert not list((folder / ".molf" / "partial").iterdir())


def ignore(event: object) -> None:
    """Listen to nothing."""

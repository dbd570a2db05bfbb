"""How long work tells who waits for it.

Every slow function takes a :data:`ProgressCallback`.  A terminal draws it as a bar, the viewer as its progress row; to stop,
the callback raises :class:`~molf_engine.errors.Cancelled`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """One report: ``done`` of ``total`` units of ``phase`` are finished (``total`` 0: unknown)."""

    phase: str
    done: int
    total: int
    unit: str = "patches"


ProgressCallback = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""

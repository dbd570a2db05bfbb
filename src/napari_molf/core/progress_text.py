"""Honest words for waiting: phase, how far, how fast, how long still.  No Qt."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molf_engine.progress import Progress

WINDOW_SECONDS = 5.0


class RateMeter:
    """Speed of the current phase over the last few seconds."""

    def __init__(self) -> None:
        self._phase = ""
        self._points: deque[tuple[float, int]] = deque()

    def add(self, now: float, progress: Progress) -> None:
        """Note a report that came at ``now``, seconds."""
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._points.clear()
        self._points.append((now, progress.done))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW_SECONDS:
            self._points.popleft()

    @property
    def rate(self) -> float | None:
        """Units per second; none until two reports half a second apart have come."""
        if len(self._points) < 2:
            return None
        (t0, d0), (t1, d1) = self._points[0], self._points[-1]
        return (d1 - d0) / (t1 - t0) if t1 - t0 >= 0.5 and d1 > d0 else None


def headline(progress: Progress) -> str:
    """``Encoding patches  1,240 / 3,870``."""
    if progress.total <= 0:
        return f"{progress.phase} …"
    return f"{progress.phase}  {progress.done:,} / {progress.total:,}"


def pace(progress: Progress, rate: float | None) -> str:
    """``212/s · 12 s left``, or nothing while it is unknown."""
    if not rate:
        return ""
    speed = f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
    if progress.total <= 0:
        return speed
    return f"{speed}  ·  {duration((progress.total - progress.done) / rate)} left"


def duration(seconds: float) -> str:
    """``12 s``, ``3 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

"""Slides that wait to be predicted, one after the other.  No Qt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_molf.core.request import Request


class State(StrEnum):
    """Where a slide is on its way."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


SIGNS = {
    State.WAITING: "○",
    State.RUNNING: "▶",
    State.DONE: "✓",
    State.FAILED: "✗",
    State.CANCELLED: "■",
}
"""One sign a state, so that it is not told by colour."""


@dataclass
class Item:
    """One slide in the queue.

    Attributes
    ----------
    name
        What it is called in the list.
    slide
        Its file.
    request
        What to predict; none if something is missing, which ``note`` says.
    state
        Where it is.
    note
        Progress, result or reason.
    run_id
        The prediction that came of it.
    """

    name: str
    slide: Path
    request: Request | None
    state: State = State.WAITING
    note: str = ""
    run_id: str | None = None

    @property
    def text(self) -> str:
        """State in words, after its sign."""
        return f"{SIGNS[self.state]} {self.note or self.state.value}"


class Queue:
    """Slides in the order in which they are predicted; one of them runs at a time.

    A slide stands in it once: asked for again, it waits again at its place, with the settings of today.
    """

    def __init__(self) -> None:
        self._items: dict[Path, Item] = {}

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    @property
    def running(self) -> Item | None:
        """The slide that is being predicted."""
        return next((item for item in self if item.state is State.RUNNING), None)

    @property
    def waiting(self) -> list[Item]:
        """Slides that are still to come."""
        return [item for item in self if item.state is State.WAITING]

    def item(self, slide: Path) -> Item | None:
        """The entry of a slide."""
        return self._items.get(slide)

    def put(self, name: str, slide: Path, request: Request | None, problem: str = "") -> Item:
        """Let a slide wait; without a request it has failed already, for the reason ``problem``.

        A slide that is being predicted goes on as it is.
        """
        known = self._items.get(slide)
        if known is not None and known.state is State.RUNNING:
            return known
        state = State.WAITING if request is not None else State.FAILED
        item = self._items[slide] = Item(name, slide, request, state, problem)
        return item

    def take(self) -> Item | None:
        """The next slide, which is running from now on; none if none waits or one is running."""
        if self.running is not None or not self.waiting:
            return None
        item = self.waiting[0]
        item.state, item.note = State.RUNNING, "starting"
        return item

    def end(self, state: State, note: str = "", run_id: str | None = None) -> Item | None:
        """Note how the running slide ended."""
        item = self.running
        if item is not None:
            item.state, item.note, item.run_id = state, note, run_id
        return item

    def give_up_waiting(self) -> int:
        """Cancel what waits; how many that were."""
        waiting = self.waiting
        for item in waiting:
            item.state, item.note = State.CANCELLED, ""
        return len(waiting)

    def retry(self) -> int:
        """Let everything that failed or was cancelled, and can be asked for, wait again; how many that are."""
        again = [item for item in self if item.state in (State.FAILED, State.CANCELLED) and item.request is not None]
        for item in again:
            item.state, item.note = State.WAITING, ""
        return len(again)

    def forget(self, slide: Path) -> None:
        """Take a slide that is not running out of the list."""
        item = self._items.get(slide)
        if item is not None and item.state is not State.RUNNING:
            del self._items[slide]

    @property
    def summary(self) -> str:
        """``2 of 5 slides done, 1 failed, 2 waiting``."""
        counts = {state: sum(item.state is state for item in self) for state in State}
        parts = [f"{counts[State.DONE]} of {len(self)} slides done"]
        for state in (State.RUNNING, State.WAITING, State.FAILED, State.CANCELLED):
            if counts[state]:
                parts.append(f"{counts[state]} {state.value}")
        return ", ".join(parts)

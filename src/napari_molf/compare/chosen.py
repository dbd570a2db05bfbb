"""The scores that are compared, and the colour limits of their panels.  No Qt."""

from __future__ import annotations

from collections.abc import Sequence

from napari_molf.compare.panels import MOST
from napari_molf.core.views import Limits, Wanted


class Chosen:
    """A list of scores without doubles, at most :data:`~napari_molf.compare.panels.MOST`."""

    def __init__(self) -> None:
        self._items: list[Wanted] = []

    def __len__(self) -> int:
        return len(self._items)

    @property
    def items(self) -> tuple[Wanted, ...]:
        """The scores, in their order."""
        return tuple(self._items)

    def add(self, *wanted: Wanted) -> str | None:
        """Put scores at the end; what there is no room for is left out and said."""
        for each in wanted:
            if each in self._items:
                continue
            if len(self._items) == MOST:
                return f"At most {MOST} scores can stand side by side. Remove one first."
            self._items.append(each)
        return None

    def remove(self, wanted: Wanted) -> None:
        """Take a score out, if it is there."""
        if wanted in self._items:
            self._items.remove(wanted)

    def move(self, wanted: Wanted, by: int) -> None:
        """Move a score towards the end, or with a negative number towards the beginning."""
        place = self._items.index(wanted)
        self._items.insert(min(max(place + by, 0), len(self._items) - 1), self._items.pop(place))

    def keep(self, wanted: Sequence[Wanted]) -> None:
        """Keep only these."""
        self._items = [each for each in self._items if each in wanted]


def label(wanted: Wanted) -> str:
    """How a score stands in the list: ``EPCAM``, ``EPCAM at guidance 4``."""
    return wanted.score.name if wanted.guidance is None else f"{wanted.score.name} at guidance {wanted.guidance:.3g}"


def shared(wanted: Sequence[Wanted], own: Sequence[Limits]) -> list[Limits]:
    """Limits that hold for every score of like units: genes are counts, Hallmarks standard deviations."""
    spans: dict[str, Limits] = {}
    for each, (low, high) in zip(wanted, own, strict=True):
        bottom, top = spans.get(each.score.kind, (low, high))
        spans[each.score.kind] = (min(bottom, low), max(top, high))
    return [spans[each.score.kind] for each in wanted]

"""Scores a person comes back to: with a star, looked at lately, and the one before.  No Qt but the settings they are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_molf.core.scores import Score
from napari_molf.desk.settings import FAVOURITES, RECENT, Key
from napari_molf.show.finding import key_of

if TYPE_CHECKING:
    from napari_molf.desk.settings import Settings

RECENT_SIZE = 8
HISTORY_SIZE = 100


class Shelf:
    """Favourites and recent scores of a user, and the way back through this session.

    Parameters
    ----------
    settings
        Where they are kept.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._history: list[Score] = []

    @property
    def favourites(self) -> list[str]:
        """Keys of the scores with a star, the latest first."""
        return self._keys(FAVOURITES)

    @property
    def recent(self) -> list[str]:
        """Keys of the scores that were looked at, the latest first."""
        return self._keys(RECENT)

    def is_favourite(self, score: Score) -> bool:
        """Whether a score has a star."""
        return key_of(score) in self.favourites

    def toggle(self, score: Score) -> bool:
        """Give a score a star, or take it; whether it has one now."""
        key, keys = key_of(score), self.favourites
        starred = key not in keys
        self._settings.set(FAVOURITES, [key, *keys] if starred else [k for k in keys if k != key])
        return starred

    def looked_at(self, score: Score) -> None:
        """Remember a score that somebody stayed with."""
        key = key_of(score)
        self._settings.set(RECENT, [key, *(k for k in self.recent if k != key)][:RECENT_SIZE])

    def leave(self, score: Score) -> None:
        """Remember where the way back leads."""
        self._history = [*self._history, score][-HISTORY_SIZE:]

    def back(self) -> Score | None:
        """The score before, taken from the way back; none at its end."""
        return self._history.pop() if self._history else None

    def _keys(self, key: Key[list[str]]) -> list[str]:
        # The file may have been edited by hand.
        return [value for value in self._settings.get(key) if isinstance(value, str)]

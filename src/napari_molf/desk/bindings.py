"""Keys of the canvas that are lent to the dock: none is taken from anybody, and all are given back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from app_model.types import KeyBinding

if TYPE_CHECKING:
    from napari.components import ViewerModel

_log = logging.getLogger(__name__)


class KeyBindings:
    """Keys of one viewer that are ours.

    Parameters
    ----------
    viewer
        Whose canvas.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._bound: dict[str, Callable[[ViewerModel], None]] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that are ours."""
        return tuple(self._bound)

    def bind(self, key: str, action: Callable[[ViewerModel], None], what: str) -> bool:
        """Bind a key, as napari writes it, unless somebody has it already; whether it is ours now.

        Parameters
        ----------
        key
            Such as ``Shift-N``.
        action
            What it does.
        what
            The same in words, for the log.
        """
        place = KeyBinding.from_str(key.replace("-", "+"))
        if place in self._viewer.keymap or place in self._viewer.class_keymap:
            _log.info("the key %s is taken; it will not mean: %s", key, what)
            return False
        self._viewer.bind_key(key, action)
        self._bound[key] = action
        return True

    def release(self) -> None:
        """Give the keys back; one that somebody has taken since stays theirs."""
        for key, action in self._bound.items():
            taken_away: Any = self._viewer.bind_key(key, None)
            if taken_away is not None and taken_away != action:
                self._viewer.bind_key(key, taken_away)
        self._bound.clear()

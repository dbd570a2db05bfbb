"""What the dock remembers between sessions: a small JSON file in the user's configuration folder.

Any section may use it through ``desk.settings``::

    SMOOTH = Key("show.smooth", False)

    desk.settings.get(SMOOTH)
    desk.settings.set(SMOOTH, True)

A value is what JSON can hold.  One that is damaged, or that another version wrote in another shape, counts as never set.
"""

from __future__ import annotations

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal

_log = logging.getLogger(__name__)

T = TypeVar("T")
WRITE_AFTER_MS = 400
"""A slider sets its value many times a second; the file is written once it rests."""
SCHEMA = "napari-molf settings 1"


@dataclass(frozen=True)
class Key(Generic[T]):
    """Name of something remembered, and its value until it is set; only values of that type are taken.

    A list or a table holds what its user puts there: who reads it checks what is in it.
    """

    name: str
    default: T

    def reads(self, value: object) -> bool:
        """Whether a value from the file has the type of this key."""
        if isinstance(self.default, float):
            return isinstance(value, float | int) and not isinstance(value, bool)
        return type(value) is type(self.default)


MODEL = Key("predict.model", "")
"""Folder of the model that was chosen by hand; empty: none was."""
CODES: Key[dict[str, str]] = Key("predict.codes", {})
"""Cancer code that was chosen last, by the name of the model."""
REGION = Key("predict.region", "whole tissue")
"""Which part of the slide is predicted."""
OPACITY = Key("show.opacity", 0.7)
"""Opacity of the maps, 0 to 1."""
RELATIVE = Key("show.relative", False)
"""Maps relative to the local total."""
SMOOTH = Key("show.smooth", False)
"""Maps drawn smooth, not in squares."""
FAVOURITES: Key[list[str]] = Key("show.favourites", [])
"""Scores with a star, as ``kind:name``, the latest first."""
RECENT: Key[list[str]] = Key("show.recent", [])
"""Scores that were looked at, as ``kind:name``, the latest first."""
FOLDED: Key[dict[str, bool]] = Key("dock.folded", {})
"""Whether a section is folded, by its heading."""
HINT_SEEN = Key("dock.hint-seen", False)
"""Whether the first steps have been read or taken."""


def settings_path() -> Path:
    """File of the user's settings; the environment variable MOLF_CONFIG_DIR moves its folder."""
    folder = os.environ.get("MOLF_CONFIG_DIR")
    if not folder:
        import platformdirs

        folder = platformdirs.user_config_dir("napari-molf", appauthor=False)
    return Path(folder) / "settings.json"


class Settings(QObject):
    """Values by key, written to a file soon after they change.

    Several windows may share the file: each writes only what was changed in it.

    Parameters
    ----------
    path
        The file; none: nothing outlives this object.

    Signals
    -------
    failed(str)
        A sentence for the user: the file cannot be written.
    """

    failed = Signal(str)

    def __init__(self, path: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self._values = {} if path is None else _read(path)
        self._changed: set[str] = set()
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(WRITE_AFTER_MS)
        self._timer.timeout.connect(self.flush)

    def get(self, key: Key[T]) -> T:
        """The value that is remembered, or the key's own."""
        value = self._values.get(key.name, key.default)
        return value if key.reads(value) else key.default

    def knows(self, key: Key[Any]) -> bool:
        """Whether a value was ever set."""
        return key.reads(self._values.get(key.name))

    def set(self, key: Key[T], value: T) -> None:
        """Remember a value."""
        if not key.reads(value):
            raise TypeError(f"{key.name} is {type(key.default).__name__}, not {type(value).__name__}")
        if self._values.get(key.name) != value:
            self._values[key.name] = value
            self._changed.add(key.name)
            if self._path is not None:
                self._timer.start()

    def flush(self) -> None:
        """Write now what has changed; also when Qt has deleted this object already."""
        from molf_engine.errors import MolfError
        from molf_engine.files import atomic_path

        if self._path is None or not self._changed:
            return
        values = {**_read(self._path), **{name: self._values[name] for name in self._changed}}
        self._changed.clear()
        text = json.dumps({"schema": SCHEMA, "values": values}, indent=2, ensure_ascii=False, sort_keys=True)
        try:
            with atomic_path(self._path) as beside:
                beside.write_text(text + "\n", encoding="utf-8")
        except (MolfError, OSError) as error:
            _log.warning("settings not written: %s", error)
            with suppress(RuntimeError):  # Qt has deleted us: there is nobody left to tell
                self.failed.emit(f"Your settings could not be kept for the next session. {error}")


def _read(path: Path) -> dict[str, Any]:
    """Values of a file; none if it is not there, or is damaged, which is logged: it will be replaced."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not isinstance(content.get("values"), dict):
            raise ValueError("it holds no settings")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        _log.warning("the settings in %s cannot be read and begin anew: %s", path, error)
        return {}
    values: dict[str, Any] = content["values"]
    return values

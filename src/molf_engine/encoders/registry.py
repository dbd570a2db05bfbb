"""Encoders on disk: which kinds there are, and how a folder is turned back into one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from molf_engine.encoders.builtin import KIND, BuiltinEncoder
from molf_engine.encoders.foundation.encoder import KIND as FOUNDATION
from molf_engine.encoders.foundation.opening import find_again
from molf_engine.encoders.protocol import Encoder
from molf_engine.errors import BundleError
from molf_engine.files import atomic_path

_SETTINGS = "encoder.json"
_READERS: dict[str, Callable[[Path, dict[str, Any]], Encoder]] = {
    KIND: BuiltinEncoder.from_folder,
    FOUNDATION: find_again,
}


def save_encoder(encoder: Encoder, folder: Path | str) -> None:
    """Write an encoder to a folder, which appears whole or not at all."""
    with atomic_path(Path(folder)) as beside:
        beside.mkdir()
        encoder.save(beside)


def load_encoder(folder: Path | str) -> Encoder:
    """Read an encoder from the folder that :func:`save_encoder` wrote.

    Raises
    ------
    BundleError
        If there is no encoder, its kind is unknown, or its weights are missing or damaged.  A foundation encoder is stored
        without its weights: they have to be on this machine.
    """
    path = Path(folder) / _SETTINGS
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(
            f"{folder} holds no encoder: {_SETTINGS} cannot be read ({error.strerror or error})."
        ) from error
    except ValueError as error:
        raise BundleError(f"{path} is damaged: it is not valid JSON ({error}). Get the model again.") from error
    kind = settings.get("kind") if isinstance(settings, dict) else None
    if kind not in _READERS:
        raise BundleError(f"{path}: unknown kind of encoder {kind!r}; this software knows {', '.join(_READERS)}.")
    try:
        return _READERS[kind](Path(folder), settings)
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{path} is damaged: {error!r}. Get the model again.") from error

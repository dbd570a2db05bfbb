"""Choosing and naming sections on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from molf_engine.errors import ConfigError

_MOST_NAMED = 10


def split_ids(text: str) -> tuple[str, ...]:
    """Section ids of ``FILE:ROLE``, or of ``published-0:test``, a published split.  Raises :class:`ConfigError` on another form."""
    from molf_engine.data import read_split

    # From the right: a Windows path has a colon of its own.
    path, separator, role = text.rpartition(":")
    if not separator or not role or "\\" in role or "/" in role:
        raise ConfigError(f"--split wants FILE:ROLE, for example splits.json:train or published-0:test, not {text!r}.")
    return tuple(read_split(Path(path), role))


def listed(names: Sequence[str]) -> str:
    """Names of sections; only how many they are, where they are many."""
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} sections"

"""Choosing and naming sections on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from molf_engine.data.splits import Split

_MOST_NAMED = 10


def split_ids(text: str, option: str = "--split") -> tuple[str, ...]:
    """Section ids of ``SPLIT:ROLE``, a split as a file, a folder or ``published-0``.  Raises :class:`ConfigError` on another form."""
    from molf_engine.data import read_split

    path, role = _parted(text)
    if not role:
        raise ConfigError(
            f"{option} wants SPLIT:ROLE, for example splits.json:train or published-0:test, not {text!r}."
        )
    return tuple(read_split(Path(path), role))


def whole_split(text: str, data: Path | None) -> tuple[Split | None, list[str]]:
    """All roles of a split, as far as the data have its sections; none if the text is ``SPLIT:ROLE``, one role of it.

    Returns
    -------
    split, notes
        And what is left out of it, in sentences.

    Raises
    ------
    ConfigError
        If no data are named, it is several splits, or a role of it has no section here.
    """
    from molf_engine.data.corpus import list_sections
    from molf_engine.data.splits import named_splits

    if _parted(text)[1]:
        return None, []
    if data is None:
        raise ConfigError("A whole split is cut to the sections of the data: name them with --data.")
    splits, notes = named_splits([text], list_sections(data))
    if len(splits) > 1:
        raise ConfigError(f"{text} is {len(splits)} splits, and one model is trained on one: name a file or folder.")
    return splits[0], notes


def listed(names: Sequence[str]) -> str:
    """Names of sections; only how many they are, where they are many."""
    return ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} sections"


def _parted(text: str) -> tuple[str, str]:
    """Split and role; no role where none is named."""
    # From the right: a Windows path has a colon of its own.
    path, separator, role = text.rpartition(":")
    return (path, role) if separator and role and not {"/", "\\"} & set(role) else (text, "")

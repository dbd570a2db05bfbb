"""The splits that MoLF and HistoPrism were published with."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import MappingProxyType

from molf_engine.data.splits.split import ROLES, Split
from molf_engine.errors import DataError

PUBLISHED = ("published-0", "published-1")


def published_split(name: str) -> Split:
    """Give a published split by name: ``published-0`` or ``published-1``.

    Test sections of both share patients with their training sections; :func:`~molf_engine.data.splits.audit.audit` says which.

    Raises
    ------
    DataError
        For another name.
    """
    rows = [row for row in _rows() if row[0] == _known(name)]
    return Split(name, *(tuple(section for _, role, section, _ in rows if role == wanted) for wanted in ROLES))


def published_codes(name: str) -> MappingProxyType[str, str]:
    """Section id to the cancer code that the authors counted it under, for one published split.

    Raises
    ------
    DataError
        For another name.
    """
    known = _known(name)
    return MappingProxyType({section: code for split, _, section, code in _rows() if split == known})


def _known(name: str) -> str:
    if name not in PUBLISHED:
        raise DataError(f"No published split {name!r}: there are {' and '.join(PUBLISHED)}.")
    return name


@cache
def _rows() -> tuple[tuple[str, str, str, str], ...]:
    text = files("molf_engine.data").joinpath("tables", "published-splits.tsv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return tuple((split, role, section, code) for split, role, section, code in (line.split("\t") for line in lines))

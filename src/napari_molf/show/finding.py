"""Finding scores by what a person may call them: symbol, earlier or other name, Hallmark with or without its prefix.  No Qt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from napari_molf.core.scores import Score

PREFIX = "HALLMARK_"
_SEPARATORS = re.compile(r"[,;\t\r\n\u2028\u2029]+")
_SHORTEST_ALIAS = 2
"""Letters from which on other names are looked through: one letter begins too many."""


@dataclass(frozen=True)
class Entry:
    """A score that can be found, and what there is to doubt about it.

    Attributes
    ----------
    score
        The score.
    doubt
        One short sentence if its map deserves distrust.
    note
        What else is known of it.
    skill
        A word on how well it is predicted, for the list.
    """

    score: Score
    doubt: str | None = None
    note: str = ""
    skill: str = ""


@dataclass(frozen=True)
class Found:
    """An entry that was found.

    Attributes
    ----------
    entry
        What was found.
    alias
        The other name by which it was found, if it was not its own.
    near
        Whether its name only begins like what was asked for.
    """

    entry: Entry
    alias: str = ""
    near: bool = False

    @property
    def text(self) -> str:
        """``ERBB2 (HER2)``."""
        name = self.entry.score.name
        return f"{name} ({self.alias})" if self.alias else name

    @property
    def detail(self) -> str:
        """What there is to doubt about it, or how well it is predicted."""
        return f"⚠ {self.entry.doubt}" if self.entry.doubt else self.entry.skill


@dataclass(frozen=True)
class Named:
    """Scores that a list of names means, in its order, and the names that mean none."""

    found: tuple[Found, ...]
    unknown: tuple[str, ...]


def plain(name: str) -> str:
    """A name as it is compared: capital letters, no prefix, ``_`` for spaces and hyphens."""
    return name.strip().upper().replace(" ", "_").replace("-", "_").removeprefix(PREFIX)


def key_of(score: Score) -> str:
    """A score as the settings keep it, ``kind:name``."""
    return f"{score.kind}:{score.name}"


class Catalogue:
    """What can be found in one prediction, prepared so that a keystroke is answered at once.

    Parameters
    ----------
    entries
        Everything that can be shown.
    aliases
        Other names of genes, by symbol.
    """

    def __init__(self, entries: Sequence[Entry] = (), aliases: Mapping[str, Sequence[str]] | None = None) -> None:
        # In the order in which the arrow keys go through it: programmes before genes, each by the alphabet.
        self.entries = tuple(sorted(entries, key=lambda e: (e.score.kind == "gene", e.score.name.upper())))
        self._names = [(plain(e.score.name), e.score.kind == "gene", e) for e in self.entries]
        self._by_key = {key_of(e.score): e for e in self.entries}
        self._by_name: dict[str, Found] = {}
        self._aliases: list[tuple[str, str, Entry]] = []
        for entry in self.entries:
            if entry.score.kind == "gene":
                for alias in (aliases or {}).get(entry.score.name, ()):
                    self._aliases.append((plain(alias), alias, entry))
                    self._by_name[plain(alias)] = Found(entry, alias)
        # Written last: what a thing is called comes before what another was called once.
        for name, _, entry in self._names:
            self._by_name[name] = Found(entry)

    def entry(self, score: Score) -> Entry | None:
        """What is known of a score; none if this prediction does not have it."""
        return self._by_key.get(key_of(score))

    def of_keys(self, keys: Iterable[str]) -> list[Found]:
        """Those of ``kind:name`` keys that this prediction has, in their order."""
        return [Found(self._by_key[key]) for key in keys if key in self._by_key]

    def find(self, query: str) -> list[Found]:
        """Scores whose name contains the query, or whose other name begins with it; case, spaces and hyphens aside.

        An exact name comes first, then an exact other name, names that begin with the query, programmes before genes, names that
        contain it, and other names that begin with it.  Last come names that begin with all of the query but its last letter: the
        name may go on otherwise than one remembers.
        """
        wanted = plain(query)
        if not wanted:
            return [Found(entry) for entry in self.entries]
        near = wanted[:-1] if len(wanted) > 2 else wanted
        ranked: dict[Entry, tuple[tuple[int, bool, str], Found]] = {}
        for name, is_gene, entry in self._names:
            if wanted in name:
                rank = 0 if name == wanted else 2 if name.startswith(wanted) else 3
            elif name.startswith(near):
                rank = 5
            else:
                continue
            ranked[entry] = ((rank, is_gene, name), Found(entry, near=rank == 5))
        if len(wanted) >= _SHORTEST_ALIAS:
            for other, alias, entry in self._aliases:
                if other.startswith(wanted):
                    rank = 1 if other == wanted else 4
                    place = (rank, True, plain(entry.score.name))
                    if entry not in ranked or place < ranked[entry][0]:
                        ranked[entry] = (place, Found(entry, alias))
        return [found for _, found in sorted(ranked.values(), key=lambda pair: pair[0])]

    def named(self, text: str) -> Named | None:
        """Scores that a pasted list means, by commas, semicolons or lines, or by spaces if each word is a name; none: no list."""
        names = [part.strip() for part in _SEPARATORS.split(text) if part.strip()]
        if len(names) == 1:
            words = names[0].split()
            names = words if len(words) > 1 and all(plain(word) in self._by_name for word in words) else names
        if len(names) < 2:
            return None
        found: dict[Entry, Found] = {}
        for name in names:
            hit = self._by_name.get(plain(name))
            if hit is not None:
                found.setdefault(hit.entry, hit)
        unknown = tuple(name for name in names if plain(name) not in self._by_name)
        return Named(tuple(found.values()), unknown)

"""One split: which sections a model learns from, is chosen on, and is scored on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from molf_engine.errors import DataError
from molf_engine.files import atomic_path

ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Ids of the sections of each role; no section has two."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no one can train or score honestly.

        Raises
        ------
        DataError
            If a section is in it twice, or an id is empty.
        """
        count = Counter(self.sections)
        if twice := [name for name, times in count.items() if times > 1]:
            raise DataError(
                f"The split {self.name} names {', '.join(twice[:5])} more than once: a section has one role, once."
            )
        if "" in count:
            raise DataError(f"The split {self.name} names a section without an id.")

    @property
    def sections(self) -> tuple[str, ...]:
        """All its sections, training first."""
        return self.train + self.validation + self.test

    def role_of(self, section_id: str) -> str:
        """Role of a section; empty if it has none."""
        return next((role for role in ROLES if section_id in getattr(self, role)), "")

    def write(self, path: Path | str) -> None:
        """Write as JSON, ``{"train": [...], "validation": [...], "test": [...]}``.

        Raises
        ------
        MolfError
            If it cannot be written there.
        """
        text = json.dumps({role: list(getattr(self, role)) for role in ROLES}, indent=1)
        with atomic_path(Path(path)) as beside:
            beside.write_text(text + "\n", encoding="utf-8")

"""Splits by name, cut to the sections that the data have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from molf_engine.data.sections import Section
from molf_engine.data.splits.files import read_whole_split
from molf_engine.data.splits.folds import leave_one_patient_out
from molf_engine.data.splits.hest_bench import read_hest_bench
from molf_engine.data.splits.split import Split
from molf_engine.errors import ConfigError

LEAVE_ONE_OUT = "leave-one-patient-out"
HEST_BENCH = "hest-bench:"


def named_splits(names: Sequence[str], sections: Sequence[Section]) -> tuple[list[Split], list[str]]:
    """Splits by name or file, without the sections that are not at hand.

    Returns
    -------
    splits, notes
        The splits, each with something to train on, to choose by and to score; and what was left out of them, in sentences.

    Raises
    ------
    ConfigError
        If a split has no section of a role here.
    """
    known = {section.id for section in sections}
    notes: list[str] = []
    splits = []
    for split in (part for name in names for part in _read(name, sections)):
        absent = [name for name in split.sections if name not in known]
        if absent:
            notes.append(
                f"{split.name}: {len(absent)} of its {len(split.sections)} sections are not in the data ({', '.join(absent[:5])}"
                f"{', ...' if len(absent) > 5 else ''})."
            )
        splits.append(_complete(_cut(split, known)))
    if len({split.name for split in splits}) < len(splits):
        raise ConfigError("Two splits have the same name: rename one of the files.")
    return splits, notes


def _read(name: str, sections: Sequence[Section]) -> Iterable[Split]:
    if name == LEAVE_ONE_OUT:
        return leave_one_patient_out(sections)
    if name.startswith(HEST_BENCH):
        return read_hest_bench(Path(name.removeprefix(HEST_BENCH)))
    return [read_whole_split(name)]


def _cut(split: Split, known: set[str]) -> Split:
    train, validation, test = (
        tuple(name for name in part if name in known) for part in (split.train, split.validation, split.test)
    )
    return Split(split.name, train, validation, test)


def _complete(split: Split) -> Split:
    """A split with validation sections: every tenth training section, if it names none."""
    validation, train = split.validation, split.train
    if not validation and len(train) > 1:
        validation = train[:: max(2, min(10, len(train)))]
        train = tuple(name for name in train if name not in validation)
    for role, part in (("train on", train), ("choose by", validation), ("score", split.test)):
        if not part:
            raise ConfigError(f"The split {split.name} has no section to {role} among the data.")
    return Split(split.name, train, validation, split.test)

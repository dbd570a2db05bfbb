"""Splits by name, cut to the sections at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molf_engine.data import Section
from molf_engine.data.splits import named_splits
from molf_engine.errors import ConfigError


def sections(*patients: str) -> list[Section]:
    return [
        Section(f"S{number}", Path("slide.tif"), Path("counts.h5ad"), patient=patient)
        for number, patient in enumerate(patients)
    ]


def split_file(folder: Path, **roles: list[str]) -> str:
    path = folder / "own.json"
    path.write_text(json.dumps(roles))
    return str(path)


def test_sections_that_are_not_at_hand_leave_a_split_and_are_told(tmp_path: Path) -> None:
    name = split_file(tmp_path, train=["S0", "X1"], validation=["S1"], test=["S2", "X2"])
    (split,), notes = named_splits([name], sections("a", "b", "c"))
    assert (split.train, split.validation, split.test) == (("S0",), ("S1",), ("S2",))
    assert "2 of its 5 sections" in notes[0]
    assert "X1, X2" in notes[0]


def test_a_split_without_validation_gets_some_of_its_training_sections(tmp_path: Path) -> None:
    name = split_file(tmp_path, train=[f"S{i}" for i in range(25)], test=["S25"])
    (split,), _ = named_splits([name], sections(*map(str, range(26))))
    assert split.validation == ("S0", "S10", "S20")
    assert len(split.train) == 22
    assert not set(split.validation) & set(split.train)


def test_a_role_without_a_section_is_refused(tmp_path: Path) -> None:
    name = split_file(tmp_path, train=["S0"], validation=["S1"], test=["X"])
    with pytest.raises(ConfigError, match="no section to score"):
        named_splits([name], sections("a", "b"))


def test_each_patient_is_left_out_once() -> None:
    splits, _ = named_splits(["leave-one-patient-out"], sections("a", "a", "b", "b", "c", "c"))
    assert [split.test for split in splits] == [("S0", "S1"), ("S2", "S3"), ("S4", "S5")]
    assert all(not set(split.test) & {*split.train, *split.validation} for split in splits)

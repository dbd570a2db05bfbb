"""Splits on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.cli.sections import split_ids, whole_split
from molf_engine.errors import ConfigError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "own"
    folder.mkdir()
    for role, ids in (("train", ["SIM_A_1", "SIM_A_2"]), ("val", ["SIM_A_3"]), ("test", ["SIM_A_4"])):
        (folder / f"{role}_split.csv").write_text("\n".join(["sample_id", *ids]))
    return folder


@pytest.mark.parametrize("role", ["validation", "val"])
def test_a_role_is_named_after_a_folder_too(folder: Path, role: str) -> None:
    assert split_ids(f"{folder}:{role}") == ("SIM_A_3",)


def test_a_split_without_a_role_is_whole(folder: Path, corpus: Path) -> None:
    split, notes = whole_split(str(folder), corpus)
    assert split is not None
    assert (split.train, split.validation, split.test) == (("SIM_A_1", "SIM_A_2"), ("SIM_A_3",), ("SIM_A_4",))
    assert not notes
    assert whole_split(f"{folder}:train", corpus) == (None, [])


def test_the_drive_of_a_path_is_not_a_role() -> None:
    with pytest.raises(ConfigError, match=r"--fit-on wants SPLIT:ROLE"):
        split_ids("C:\\splits\\own", "--fit-on")


def test_a_whole_split_is_one_and_needs_data(folder: Path, corpus: Path) -> None:
    with pytest.raises(ConfigError, match="--data"):
        whole_split(str(folder), None)
    with pytest.raises(ConfigError, match="no section to train on"):
        whole_split("published-0", corpus)

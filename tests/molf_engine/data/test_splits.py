from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.data import read_split
from molf_engine.errors import DataError


@pytest.fixture
def json_split(tmp_path: Path) -> Path:
    path = tmp_path / "splits.json"
    path.write_text('{"train": ["A", "B", "A"], "test": ["C"], "none": []}')
    return path


def test_a_json_split_gives_the_ids_of_a_role_once_each(json_split: Path) -> None:
    assert read_split(json_split, "train") == ("A", "B")


def test_an_unknown_role_is_refused_with_the_known_ones_named(json_split: Path) -> None:
    for role in ("validation", ""):
        with pytest.raises(DataError, match="It has: train, test, none"):
            read_split(json_split, role)


def test_a_role_without_sections_is_refused(json_split: Path) -> None:
    with pytest.raises(DataError, match="names no section"):
        read_split(json_split, "none")


def test_a_csv_split_with_a_role_column_is_filtered_by_it(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("sample_id,role\nA,train\nB,test\nC,train\n")
    assert read_split(path, "train") == ("A", "C")
    with pytest.raises(DataError, match="It has: train, test"):
        read_split(path, "validation")


def test_a_csv_without_a_role_column_answers_only_to_its_name(tmp_path: Path) -> None:
    path = tmp_path / "test_split.csv"
    path.write_text("sample_id,organ\nA,Bowel\nB,Breast\n")
    assert read_split(path) == read_split(path, "test") == ("A", "B")
    with pytest.raises(DataError, match="no role 'train'"):
        read_split(path, "train")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", "{", "not valid JSON"),
        ("s.json", '["A"]', "should look like"),
        ("s.json", '{"train": "A"}', "should look like"),
        ("s.csv", "id,role\nA,train\n", "no column sample_id"),
        ("s.csv", "sample_id\n", "names no section"),
        ("s.txt", "A", "should be .json or .csv"),
    ],
)
def test_a_file_that_is_no_split_is_refused(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_split(path)


def test_a_missing_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Cannot read the split"):
        read_split(tmp_path / "nowhere.json", "train")


def test_the_published_and_the_local_splits_are_read(shared_root: Path) -> None:
    published = shared_root / "facts" / "splits"
    counts = [len(read_split(published / "split_0" / f"{role}_split.csv", role)) for role in ("train", "val", "test")]
    assert counts == [501, 124, 23]
    assert read_split(shared_root / "data" / "splits.json", "train")[-1] == "HER2ST_A1"

from __future__ import annotations

from pathlib import Path

import pytest

from molf_engine.data import read_split
from molf_engine.data.splits import (
    PUBLISHED,
    Split,
    published_codes,
    published_split,
    read_hest_bench,
    read_whole_split,
    split_codes,
)
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


def test_a_section_has_one_role_once() -> None:
    for roles in (("A",), ("A", "A")), (("A",), ("B", "B")), (("A",), ("B",), ("A",)):
        with pytest.raises(DataError, match="more than once"):
            Split("mine", *roles)
    with pytest.raises(DataError, match="without an id"):
        Split("mine", ("",))


def test_a_split_is_written_and_read_whole(tmp_path: Path) -> None:
    split = Split("mine", ("A", "B"), ("C",), ("D",))
    split.write(tmp_path / "mine.json")
    assert read_whole_split(tmp_path / "mine.json") == split
    assert read_split(tmp_path / "mine.json", "val") == ("C",)
    assert [split.role_of(name) for name in "ACDX"] == ["train", "validation", "test", ""]


def test_a_split_folder_is_read_whole_with_its_codes(tmp_path: Path) -> None:
    (tmp_path / "train_split.csv").write_text("sample_id,oncotree_code,oncotree_code_filled\nA,,Healthy\nB,IDC,IDC\n")
    (tmp_path / "val_split.csv").write_text("sample_id\nC\n")
    (tmp_path / "test_split.csv").write_text("sample_id,oncotree_code\nD,COAD\n")
    assert read_whole_split(tmp_path) == Split(tmp_path.name, ("A", "B"), ("C",), ("D",))
    assert split_codes(tmp_path) == {"A": "Healthy", "B": "IDC", "D": "COAD"}
    (tmp_path / "test_split.csv").unlink()
    with pytest.raises(DataError, match="no test_split"):
        read_whole_split(tmp_path)


def test_a_whole_split_has_a_test(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text('{"train": ["A"], "val": ["B"]}')
    with pytest.raises(DataError, match=r"names no test section\. It has the roles: train, validation"):
        read_whole_split(path)


def test_the_published_splits_answer_to_their_names() -> None:
    sizes = [[len(part) for part in (s.train, s.validation, s.test)] for s in map(published_split, PUBLISHED)]
    assert sizes == [[501, 124, 23], [497, 123, 28]]
    assert read_split("published-0", "val") == published_split("published-0").validation
    assert read_whole_split("published-1") == published_split("published-1")
    assert published_codes("published-1")["TENX95"] == "IDC"
    with pytest.raises(DataError, match="published-0 and published-1"):
        published_split("published-2")
    with pytest.raises(DataError, match="It has: train, validation, test"):
        read_split("published-0", "mouse")


@pytest.mark.parametrize("number", [0, 1])
def test_the_shipped_splits_are_the_published_files(shared_root: Path, number: int) -> None:
    folder = shared_root / "facts" / "splits" / f"split_{number}"
    read, shipped = read_whole_split(folder), published_split(f"published-{number}")
    assert (read.train, read.validation, read.test) == (shipped.train, shipped.validation, shipped.test)
    assert split_codes(folder) == dict(published_codes(f"published-{number}"))


def write_bench(folder: Path, task: str, folds: int) -> Path:
    splits = folder / task / "splits"
    splits.mkdir(parents=True)
    for k in range(folds):
        for role, name in (("train", f"A{k}"), ("test", f"B{k}")):
            (splits / f"{role}_{k}.csv").write_text(
                f"sample_id,patches_path,expr_path\n{name},patches/{name}.h5,adata/{name}.h5ad\n"
            )
    return folder / task


def test_the_folds_of_hest_bench_are_read_by_number(tmp_path: Path) -> None:
    task = write_bench(tmp_path, "IDC", 11)
    write_bench(tmp_path, "COAD", 1)
    folds = read_hest_bench(task)
    assert [fold.name for fold in folds] == [f"IDC-{k}" for k in range(11)]
    assert folds[10] == Split("IDC-10", ("A10",), (), ("B10",))
    assert [fold.name for fold in read_hest_bench(tmp_path)][:2] == ["COAD-0", "IDC-0"]


def test_what_is_no_hest_bench_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such folder"):
        read_hest_bench(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is no HEST-bench"):
        read_hest_bench(tmp_path)
    task = write_bench(tmp_path, "IDC", 1)
    (task / "splits" / "test_0.csv").unlink()
    with pytest.raises(DataError, match=r"Cannot read the split .*test_0\.csv"):
        read_hest_bench(task)
    (task / "splits" / "train_0.csv").unlink()
    with pytest.raises(DataError, match="holds no train_"):
        read_hest_bench(task)


def test_a_fold_with_a_section_on_both_sides_is_refused(tmp_path: Path) -> None:
    task = write_bench(tmp_path, "IDC", 1)
    (task / "splits" / "test_0.csv").write_text("sample_id\nA0\n")
    with pytest.raises(DataError, match="IDC-0 names A0 more than once"):
        read_hest_bench(task)

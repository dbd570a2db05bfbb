"""Names that a user gives to experts: kept by model, exchanged as a file, and safe from what others write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from molf_engine.bundle.expert_names import (
    MAX_LENGTH,
    checked_names,
    clean_name,
    expert_names,
    load_names,
    names_file,
    names_in_result,
    read_names,
    save_names,
    write_names,
)
from molf_engine.errors import BundleError, ConfigError, MolfError

HASH, OTHER = "a" * 64, "b" * 64


def damage(content: bytes) -> Path:
    path = names_file(HASH)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def exchanged(path: Path, **changes: object) -> Path:
    content = {"format": "molf-expert-names", "schema_version": 1, "weights_hash": HASH, "names": {"E1": "stroma"}}
    path.write_text(json.dumps({**content, **changes}), encoding="utf-8")
    return path


def test_without_names_experts_have_their_numbers() -> None:
    assert expert_names(HASH, 3) == ("E1", "E2", "E3")


def test_a_name_is_kept_for_its_model_alone() -> None:
    save_names(HASH, {1: "  lymphoid\taggregate "}, 3)
    assert expert_names(HASH, 3) == ("E1", "lymphoid aggregate", "E3")
    assert expert_names(OTHER, 3) == ("E1", "E2", "E3")


def test_an_empty_name_gives_the_number_back() -> None:
    save_names(HASH, {0: "stroma", 1: "tumour"}, 2)
    save_names(HASH, {0: " ", 1: "E2"}, 2)
    assert expert_names(HASH, 2) == ("E1", "E2")


@pytest.mark.parametrize("text", ["x" * (MAX_LENGTH + 1), "bell\x07", "right\u202eleft", "no\x00thing"])
def test_what_no_legend_can_show_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        clean_name(text)


def test_scripts_that_need_joiners_can_be_written() -> None:
    assert clean_name("می\u200cروم") == "می\u200cروم"
    assert clean_name("e\u0301pithelium") == "épithelium"


@pytest.mark.parametrize("names", [{0: "Stroma", 2: "stroma"}, {0: "E2"}, {0: "e3"}])
def test_two_experts_never_have_one_name(names: dict[int, str]) -> None:
    with pytest.raises(ConfigError, match="its own name"):
        checked_names(names, 3)


def test_names_of_others_may_be_swapped() -> None:
    assert checked_names({0: "E2", 1: "E1"}, 2) == {0: "E2", 1: "E1"}


def test_an_expert_that_the_model_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match="this model has 3"):
        checked_names({3: "stroma"}, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b"[" * 100_000,
        b'{"format": "molf-expert-names", "schema_version": 1, "weights_hash": "' + b"a" * 64 + b'", "names": [1]}',
        b'{"format": "molf-expert-names", "schema_version": 1, "weights_hash": "'
        + b"a" * 64
        + b'", "names": {"E1": 7}}',
        b'{"format": "molf-expert-names", "schema_version": 1, "weights_hash": "'
        + b"a" * 64
        + b'", "names": {"E1": "x", "E1": "y"}}',
        b'{"format": "molf-expert-names", "schema_version": 1, "weights_hash": "'
        + b"a" * 64
        + b'", "names": {"E99": "x"}}',
        b'{"x": "' + b"x" * 2**20 + b'"}',
    ],
)
def test_a_damaged_file_is_set_aside_and_said_and_names_can_be_given_again(content: bytes) -> None:
    path = damage(content)
    stored = load_names(HASH, 3)
    assert stored.given == {} and stored.notice is not None and "set aside" in stored.notice
    (aside,) = path.parent.glob("*damaged*")
    assert aside.read_bytes() == content and not path.exists()
    save_names(HASH, {0: "stroma"}, 3)
    assert expert_names(HASH, 3)[0] == "stroma"


def test_a_second_damaged_file_does_not_replace_the_first() -> None:
    for content in (b"one", b"two"):
        damage(content)
        load_names(HASH, 3)
    assert {path.read_bytes() for path in names_file(HASH).parent.glob("*damaged*")} == {b"one", b"two"}


def test_what_a_later_version_wrote_is_neither_used_nor_touched() -> None:
    path = damage(json.dumps({"format": "molf-expert-names", "schema_version": 2, "names": {"x": 1}}).encode())
    before = path.read_bytes()
    stored = load_names(HASH, 3)
    assert stored.given == {} and "version 2" in str(stored.notice)
    with pytest.raises(BundleError, match="version 2"):
        save_names(HASH, {0: "stroma"}, 3)
    assert path.read_bytes() == before


@pytest.mark.parametrize("weights_hash", ["../../evil", "", "A" * 64, "a" * 64 + "\n"])
def test_a_hash_from_a_foreign_file_is_never_taken_for_a_path(weights_hash: str) -> None:
    with pytest.raises(BundleError, match="names no weights"):
        names_file(weights_hash)
    assert expert_names(weights_hash, 2) == ("E1", "E2")


def test_names_go_to_a_colleague_and_come_back(tmp_path: Path) -> None:
    write_names(tmp_path / "names.json", HASH, {2: "lymphoid aggregate"}, "starter")
    assert read_names(tmp_path / "names.json", HASH, 3) == {2: "lymphoid aggregate"}


def test_names_for_another_model_are_refused(tmp_path: Path) -> None:
    path = exchanged(tmp_path / "names.json", weights_hash=OTHER, model="pancreas\x1b[31m")
    with pytest.raises(BundleError, match=r"are for pancreas\?\[31m"):
        read_names(path, HASH, 3)


@pytest.mark.parametrize("version", [2, None, "1", True, [1]])
def test_an_unknown_version_is_refused(tmp_path: Path, version: object) -> None:
    with pytest.raises(BundleError, match="version"):
        read_names(exchanged(tmp_path / "names.json", schema_version=version), HASH, 3)


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path):
        with pytest.raises(BundleError, match="cannot be read"):
            read_names(path, HASH, 3)


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MOLF_DATA_DIR", str(tmp_path / "file"))
    with pytest.raises(MolfError, match="Cannot write"):
        save_names(HASH, {0: "stroma"}, 2)


@pytest.mark.parametrize("labels", [None, "stroma", ["a"], ["a", "a"], ["a", "b" * 500], 7])
def test_labels_of_a_result_that_are_not_usable_are_left(labels: object) -> None:
    assert names_in_result(labels, 2) == {}


def test_labels_of_a_result_are_names() -> None:
    assert names_in_result(["E1", "stroma"], 2) == {1: "stroma"}

"""`molf-engine audit-splits`, from the outside."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from molf_engine.cli import main

METADATA = (
    "id,dataset_title,patient,subseries,organ,species,oncotree_code\n"
    "T1,Study,Patient 1,Replicate 1,Bowel,Homo sapiens,COAD\n"
    "T2,Study,Patient 2,,Bowel,Homo sapiens,COAD\n"
    "T3,Study,,,Lung,Homo sapiens,LUAD\n"
    "A,Study,Patient 1,Replicate 2,Bowel,Homo sapiens,COAD\n"
    "B,Study,Patient 3,,Bowel,Homo sapiens,COAD\n"
)


@pytest.fixture
def metadata(tmp_path: Path) -> Path:
    path = tmp_path / "metadata.csv"
    path.write_text(METADATA)
    return path


def split(tmp_path: Path, train: list[str], test: list[str]) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"train": train, "test": test}))
    return path


def exit_code(*arguments: object) -> int:
    try:
        main(["audit-splits", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_what_is_found_and_what_cannot_be_is_printed(
    metadata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(metadata, split(tmp_path, ["A", "B", "GONE"], ["T1", "T2", "T3"])) == 0
    text = capsys.readouterr().out
    assert "3 test sections: 1 not held out, in 1 of 2 cancer types." in text
    assert "Cannot be judged: T3 (LUAD), its patient is unknown; could be shared with A, B." in text
    assert "Not in the metadata, nothing said about them: 1 sections, GONE." in text
    assert "The metadata have no column st_technology, data_publication_date" in text


def test_json_holds_everything_and_nothing_else_is_printed(
    metadata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.csv"
    results.write_text("code,pcc\nCOAD,0.3\nLUAD,0.2\n")
    assert exit_code(metadata, split(tmp_path, ["A"], ["T1", "T3"]), "--results", results, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["test"], row["shares with"], row["grade"]) for row in found["findings"]] == [
        ("T1", "A", "same tissue block")
    ]
    assert found["results"] == [{"line": 2, "row": "COAD", "not held out": "T1"}]
    assert found["sections"] == {"train": 1, "validation": 0, "test": 2}


def test_strict_exits_with_1_only_where_something_is_found(metadata: Path, tmp_path: Path) -> None:
    assert exit_code(metadata, split(tmp_path, ["A"], ["T1"]), "--strict") == 1
    assert exit_code(metadata, split(tmp_path, ["A"], ["T2"]), "--strict") == 0


def test_a_mistake_of_the_user_exits_with_2(metadata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(tmp_path / "nowhere.csv", "published-0") == 2
    assert "Cannot read the metadata" in capsys.readouterr().err
    assert exit_code(metadata, tmp_path / "nowhere.json") == 2
    assert exit_code(metadata, split(tmp_path, ["A"], ["A"])) == 2
    assert "names A more than once" in capsys.readouterr().err


def test_help_explains_itself_without_torch_and_pandas() -> None:
    code = (
        "import sys; from molf_engine.cli import main\n"
        "try: main(['audit-splits', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(','.join(m for m in ('torch', 'anndata', 'pandas') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "published-0" in done.stdout


def test_the_documented_output_is_what_the_command_prints(shared_root: Path) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "splits.md").read_text(encoding="utf-8")
    table = shared_root / "facts" / "HEST_v1_1_0.csv"
    for name in ("published-0", "published-1"):
        done = subprocess.run(
            [sys.executable, "-m", "molf_engine", "audit-splits", str(table), name],
            capture_output=True, text=True, check=True, encoding="utf-8", env=_utf8(),
        )  # fmt: skip
        printed = "\n".join(line.rstrip() for line in done.stdout.splitlines())
        assert printed in page


def test_a_published_role_answers_to_its_name_on_the_command_line() -> None:
    from molf_engine.cli.sections import split_ids

    assert "TENX95" in split_ids("published-1:test")


def _utf8() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONIOENCODING": "utf-8"}


def test_metadata_without_any_test_section_are_no_all_clear(
    metadata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(metadata, split(tmp_path, ["A"], ["GONE"]), "--strict") == 2
    assert "none of the 1 test sections of mine (GONE)" in capsys.readouterr().err


def test_sections_that_the_metadata_lack_are_counted_as_unknown(
    metadata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(metadata, split(tmp_path, ["A", "GONE"], ["T2", "LOST"])) == 0
    text = capsys.readouterr().out
    assert "Patient unknown for 1 of 2 sections" in text
    assert "1 of them are test sections" in text

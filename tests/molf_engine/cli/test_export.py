"""`molf-engine export`, as it is typed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from molf_engine.cli import main
from molf_engine.prediction import write_prediction
from tests.napari_molf.fakes import prediction


def run(*words: object) -> int:
    """Exit code of the command."""
    try:
        main(["export", *map(str, words)])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def result(tmp_path: Path) -> Path:
    write_prediction(prediction(), tmp_path / "result.h5ad")
    return tmp_path / "result.h5ad"


def test_the_ending_is_the_format(result: Path, tmp_path: Path, capsys) -> None:
    assert not run(result, "-o", tmp_path / "scores.csv", "--scores", "CD3E", "hypoxia")
    assert list(pd.read_csv(tmp_path / "scores.csv").columns[5:7]) == ["CD3E", "HYPOXIA"]
    assert str(tmp_path / "scores.csv") in capsys.readouterr().out


def test_without_scores_all_hallmarks_are_written(result: Path, tmp_path: Path) -> None:
    assert not run(result, "-o", tmp_path / "scores.csv")
    assert "ADIPOGENESIS" in pd.read_csv(tmp_path / "scores.csv").columns


def test_a_figure_needs_no_slide(result: Path, tmp_path: Path) -> None:
    assert not run(result, "-o", tmp_path / "map.png", "--scores", "CD3E")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scores", "CD3"], "Did you mean CD3E?"),
        (["--guidance", "4"], "needs the model fake-12345678"),
        (["--slide", "other.tif"], "is not the slide"),
    ],
)
def test_mistakes_are_told_and_nothing_is_written(
    result: Path, tmp_path: Path, capsys, words: list[str], said: str
) -> None:
    assert run(result, "-o", tmp_path / "scores.csv", *words) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert [path.name for path in tmp_path.iterdir() if path.suffix in {".csv", ".json"}] == []


def test_an_existing_file_needs_the_flag(result: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "scores.csv").write_text("before")
    command = [result, "-o", tmp_path / "scores.csv", "--scores", "CD3E"]
    assert run(*command) == 2 and (tmp_path / "scores.csv").read_text() == "before"
    assert not run(*command, "--overwrite")
    assert "CD3E" in pd.read_csv(tmp_path / "scores.csv").columns

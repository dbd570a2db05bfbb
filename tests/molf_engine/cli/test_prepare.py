"""`molf-engine prepare`, in real processes where the exit code and the streams matter."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from molf_engine.bundle import Bundle
from molf_engine.cli import main
from molf_engine.data.corpus import Corpus
from molf_engine.genes import hallmark_sets
from tests.molf_engine.data.hest_files import barcodes_of, write_counts, write_section


def exit_code(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def hest(tmp_path: Path) -> Path:
    """Two sections with slides, one without."""
    folder = tmp_path / "hest"
    write_section(folder, "A", 1)
    write_section(folder, "B", 2)
    write_counts(folder, "C", 3)
    (folder / "panel.txt").write_text("ACTB\nERBB2\n")
    (folder / "splits.json").write_text(json.dumps({"train": ["A", "B"], "test": ["C"]}))
    return folder


def test_a_folder_becomes_a_corpus_and_broken_sections_are_named(
    hest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("prepare", hest, "-o", tmp_path / "c.zarr", "--panel", hest / "panel.txt", "--encoder", "starter")
    assert exit_code(*command) == 0
    shown = capsys.readouterr()
    assert "2 sections (2 prepared now, 0 kept), 24 spots, 2 genes" in shown.out
    assert "Left out: 1 sections" in shown.out
    assert "neither a slide" in shown.out
    corpus = Corpus.open(tmp_path / "c.zarr")
    assert corpus.encoder == Bundle.load("starter").encoder().name
    assert corpus.encoder_folder == tmp_path / "c.zarr" / "encoder"
    assert exit_code(*command, "--strict") == 1
    assert "(0 prepared now, 2 kept)" in capsys.readouterr().out


def test_json_is_all_that_is_printed(hest: Path, tmp_path: Path) -> None:
    split = f"{hest}/splits.json:train"
    command = ["prepare", hest, "-o", tmp_path / "c.zarr", "--split", split, "--fit-on", split]
    done = subprocess.run(
        [sys.executable, "-m", "molf_engine", *command, "--panel", hest / "panel.txt", "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["sections"], summary["failures"], summary["kept"]) == (2, [], 0)
    assert summary["encoder_fitted_on"] == ["A", "B"]
    assert summary["patches_per_second"] > 0
    assert "A (1 of 2): encoding patches" in done.stderr


def test_features_made_elsewhere_are_taken_as_they_are(hest: Path, tmp_path: Path) -> None:
    import torch

    values = np.random.default_rng(0).normal(size=(12, 8)).astype(np.float32)
    (tmp_path / "features").mkdir()
    torch.save(dict(zip(barcodes_of(1), torch.from_numpy(values), strict=True)), tmp_path / "features" / "A.pt")
    command = ("prepare", hest, "-o", tmp_path / "c.zarr", "--features", tmp_path / "features", "--sections", "A")
    assert exit_code(*command, "--encoder", "uni2-h") == 0
    corpus = Corpus.open(tmp_path / "c.zarr")
    assert (corpus.encoder, corpus.width) == ("uni2-h", 8)
    np.testing.assert_array_equal(corpus.read(corpus.sections()[0], ("ERBB2",)).features, values)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "."], "--features need --encoder NAME"),
        (["--encoder", "starter", "--fit-on", "splits.json:train"], "--fit-on is for"),
        (["--sections", "A", "--fit-on", "splits.json:test"], "--fit-on names C"),
        (["--sections", "Q"], "No section Q"),
        (["--patch-um", "0"], "above 0"),
        (["--encoder", "no-such-encoder"], "no-such-encoder"),
        (["--metadata", "panel.txt"], "no column id"),
        (["--panel", "no-such-panel"], "Unknown gene panel"),
    ],
)
def test_a_mistake_is_said_and_makes_nothing(
    arguments: list[str], message: str, hest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(hest)
    assert exit_code("prepare", ".", "-o", "c.zarr", *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (hest / "c.zarr").exists()


def test_a_note_that_sections_share_is_said_once(
    hest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("A", "B"):
        write_section(hest, name, 1, patches=True)
    split = f"{hest}/splits.json:train"
    command = ("prepare", hest, "-o", tmp_path / "c.zarr", "--panel", hest / "panel.txt", "--split", split)
    assert exit_code(*command, "--orthologs", "mouse") == 0
    out = capsys.readouterr().out
    assert out.count("cut from the slide") == 1
    assert "A, B" in out
    assert "ID.h5" in out


def test_a_panel_that_was_chosen_on_data_says_on_which(
    hest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    genes = [*sorted(hallmark_sets()["HYPOXIA"])[:4]]
    for name in ("A", "B"):
        write_counts(hest, name, 1, genes=tuple(genes))
    split = f"{hest}/splits.json:train"
    command = ("prepare", hest, "-o", tmp_path / "c.zarr", "--panel", "hallmark+hvg", "--split", split)
    assert exit_code(*command) == 0
    assert "The panel was chosen on the expression of A, B" in capsys.readouterr().out
    assert Corpus.open(tmp_path / "c.zarr").panel_chosen_on == ("A", "B")

"""The command line, in real processes where the exit code and the streams matter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from molf_engine.bundle import Bundle, user_data_folder
from molf_engine.cli import main
from molf_engine.prediction import read_prediction

COMMANDS = (
    "train",
    "predict",
    "evaluate",
    "prepare",
    "select-guidance",
    "benchmark",
    "routing",
    "audit-splits",
    "import-weights",
    "gaussians",
    "models",
    "doctor",
    "simulate",
)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "molf_engine", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def exit_code(*arguments: object) -> int:
    """Of a command in this process; 0 if it returned."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def slide(corpus: Path) -> Path:
    return corpus / "wsis" / "SIM_A_4.tif"


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from molf_engine.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(','.join(m for m in ('torch', 'napari', 'anndata', 'sklearn', 'scipy', 'numpy') if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in COMMANDS:
        assert command in done.stdout


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What every command says of itself, asked in one process that did not load torch by then."""
    code = (
        "import contextlib, io, json, sys; from molf_engine.cli import main\n"
        "said = {}\n"
        f"for command in {COMMANDS!r}:\n"
        "    text = io.StringIO()\n"
        "    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):\n"
        "        main([command, '--help'])\n"
        "    said[command] = text.getvalue() if 'torch' not in sys.modules else 'torch was loaded'\n"
        "print(json.dumps(said))"
    )
    wide = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=wide)
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself_without_torch(command: str, helps: dict[str, str]) -> None:
    text = helps[command]
    assert f"Usage: molf-engine {command}" in text
    for noise in ("--empty-", "[default: ()]", "[default: None]", "[default: False]", '[default: ""]'):
        assert noise not in text


@pytest.mark.parametrize("command", ["prepare", "evaluate", "routing", "select-guidance"])
def test_orthologs_are_asked_for_in_one_way(command: str, helps: dict[str, str]) -> None:
    text = " ".join(helps[command].split())
    assert "--orthologs CHOICE" in text
    assert "mouse]" in text


def test_every_setting_of_a_run_is_a_flag_that_is_explained(helps: dict[str, str]) -> None:
    text = " ".join(helps["train"].split())
    for flag in ("--flow.experts", "--flow.velocity", "--vae.latent", "--training.flow.epochs", "--data.units"):
        assert flag in text
    assert "--training.flow.learning-rate FLOAT Highest, of AdamW. [default: 0.001]" in text


def test_train_predict_evaluate_from_the_shell(corpus: Path, tmp_path: Path, slide: Path) -> None:
    settings = tmp_path / "run.toml"
    settings.write_text(
        'name = "shell"\n[data]\npath = "elsewhere"\nvalidation = ["SIM_A_1"]\n'
        "[training.vae]\nepochs = 3\n[training.flow]\nepochs = 50\n"
        "[flow]\nexpert_width = 16\nexpert_feedforward = 16\n[vae]\nlatent = 8\nwidth = 16\nfeedforward = 16\n"
    )
    split = tmp_path / "split.json"
    split.write_text('{"train": ["SIM_A_1", "SIM_A_2"], "val": ["SIM_A_3"], "test": ["SIM_A_4", "ELSEWHERE"]}')
    trained = run(
        "train", settings, "-o", tmp_path / "bundle", "--data", corpus, "--split", split, "--training.flow.epochs", 3
    )
    assert trained.returncode == 0, trained.stderr
    assert "1 of its 5 sections are not in the data (ELSEWHERE)" in trained.stdout
    bundle = Bundle.load(tmp_path / "bundle")
    assert bundle.config.training_sections == ("SIM_A_1", "SIM_A_2")
    assert [{row["section"] for row in bundle.metrics[role]} for role in ("validation", "test")] == [
        {"SIM_A_3"},
        {"SIM_A_4"},
    ]
    assert len((bundle.path / "curves.csv").read_text().splitlines()) == 1 + 3 + 3

    predicted = run("predict", slide, "-o", tmp_path / "out.zarr", "-m", bundle.path, "--code", "SIM_A")
    assert predicted.returncode == 0, predicted.stderr
    assert read_prediction(tmp_path / "out.zarr").uns["molf"]["weights_hash"] == bundle.weights_hash

    scored = run(
        "evaluate", bundle.path, corpus, "--sections", "SIM_A_4", "--json", "--per-gene", tmp_path / "genes.csv"
    )
    assert scored.returncode == 0, scored.stderr
    rows = json.loads(scored.stdout)
    assert {row["section"] for row in rows} == {"SIM_A_4"}
    assert {"molf", "ridge", "mlp", "depth", "spots", "n_genes", "seen"} <= set(rows[0])
    assert (tmp_path / "genes.csv").read_text().startswith("section,units,gene,molf,ridge,mlp,depth")


def test_many_slides_go_into_a_folder_and_a_bad_one_costs_only_itself(
    corpus: Path, tiny_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.svs"
    bad.write_text("no slide")
    slides = [corpus / "wsis" / "SIM_A_4.tif", bad, corpus / "wsis" / "SIM_A_3.tif"]
    assert exit_code("predict", *slides, "-o", tmp_path / "out", "-m", tiny_bundle.path) == 1
    assert sorted(path.name for path in (tmp_path / "out").glob("*.h5ad")) == ["SIM_A_3.h5ad", "SIM_A_4.h5ad"]
    errors = capsys.readouterr().err
    assert "bad.svs" in errors
    assert "1 of 3 slides failed" in errors


def test_evaluation_of_the_shipped_metrics_is_repeatable(
    corpus: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("evaluate", tiny_bundle.path, corpus, "--sections", "SIM_A_4", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    for row, recorded in zip(rows, tiny_bundle.metrics["test"], strict=True):
        assert row["molf"] == pytest.approx(recorded["molf"], abs=2e-4)
        assert row["ridge"] == pytest.approx(recorded["ridge"], abs=2e-4)


def test_the_scale_chosen_by_the_shell_is_the_one_that_the_bundle_has(
    corpus: Path, tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    scales = tiny_bundle.metrics["guidance"]["scale"]
    assert exit_code("select-guidance", tiny_bundle.path, corpus, "--scales", *scales, "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["guidance"] for row in rows] == scales
    assert [row["guidance"] for row in rows if row["chosen"]] == [tiny_bundle.config.guidance]
    assert all(row["passes"] for row in rows if row["chosen"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "{tmp}/none.svs", "-o", "{tmp}/a.h5ad", "-m", "{bundle}"], "none.svs"),
        (["predict", "{slide}", "-o", "{tmp}/a.h5ad", "-m", "{tmp}/none"], "Known by name"),
        (["predict", "{slide}", "-o", "{tmp}/a.h5ad", "-m", "{bundle}", "--code", "COAD"], "It knows"),
        (["predict", "{slide}", "{slide}", "-o", "{tmp}/a.h5ad", "-m", "{bundle}"], "takes one slide"),
        (["predict", "{slide}", "-o", "{slide}/sub/a.h5ad", "-m", "{bundle}"], "Cannot write"),
        (["evaluate", "{bundle}", "{tmp}"], "st"),
        (["evaluate", "{bundle}", "{corpus}", "--split", "nonsense"], "SPLIT:ROLE"),
        (["train", "{tmp}/none.toml", "-o", "{tmp}/b"], "none.toml"),
    ],
)
def test_a_mistake_of_the_user_is_one_sentence_and_exit_code_2(
    arguments: list[str], words: str, corpus: Path, tiny_bundle: Bundle, slide: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    places = {"tmp": tmp_path, "bundle": tiny_bundle.path, "slide": slide, "corpus": corpus}
    assert exit_code(*(argument.format(**places) for argument in arguments)) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors


def test_misspelt_settings_are_named_with_their_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.toml").write_text('[flow]\nexpertz = 3\nvelocity = "mixture"\n')
    assert exit_code("train", tmp_path / "run.toml", "-o", tmp_path / "b") == 2
    errors = capsys.readouterr().err
    assert "run.toml" in errors
    assert "flow.expertz" in errors
    assert "flow.velocity" in errors


def test_an_unknown_option_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("models", "--colour") == 2


def test_models_lists_what_is_in_the_users_folder(tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(tiny_bundle.path, user_data_folder() / "bundles" / "mine")
    assert exit_code("models", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["mine"]["what"] == tiny_bundle.card_line


def test_doctor_names_device_cache_and_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("doctor", "--json") == 0
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["torch"]["ok"] == "ok"
    assert "threads" in rows["device"]["found"] or "cuda" in rows["device"]["found"] or rows["device"]["found"] == "mps"
    assert "MiB" in rows["feature cache"]["found"]

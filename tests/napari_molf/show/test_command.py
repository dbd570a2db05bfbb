"""The command that makes a prediction again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from molf_engine.bundle import Bundle
from molf_engine.errors import MolfError, PredictionError
from molf_engine.prediction import predict_slide, read_prediction, write_prediction
from molf_engine.slides import open_slide, read_positions
from napari_molf.core.run import Run, make_run, read_run
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.show.command import command_line, command_of, places_of, quoted, write_places
from napari_molf.show.copy_button import CopyCommandButton
from tests.napari_molf.conftest import Tiny


def run_line(line: str, folder: Path) -> Path:
    """Run the line as a shell would, with the engine of this interpreter; where its result is."""
    words = shlex.split(line)
    assert words[0] == "molf-engine"
    done = subprocess.run(
        [sys.executable, "-m", "molf_engine", *words[1:]], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / words[words.index("--output") + 1]


@pytest.fixture
def run(tiny: Tiny) -> Run:
    return read_run(tiny.result, tiny.bundle)


def test_the_command_of_a_whole_slide_makes_the_same_values(run: Run, tmp_path: Path) -> None:
    again = read_prediction(run_line(command_line(run, run.guidance, tmp_path), tmp_path))
    # Another process may add in another order.
    assert np.allclose(again.X, run.scores.adata.X, atol=1e-5)
    assert list(again.obs_names) == list(run.scores.adata.obs_names)


def test_the_command_of_a_region_at_another_guidance_and_scale_makes_the_same_values(
    tiny: Tiny, tmp_path: Path
) -> None:
    bundle = Bundle.load(tiny.bundle)
    region = np.array([[0.0, 0.0], [400.0, 0.0], [400.0, 500.0], [0.0, 500.0]])
    with open_slide(tiny.slide, 2.05) as slide:
        adata = predict_slide(slide, bundle, regions=[region], code="SIM_A", guidance=1.5)
    run = make_run(adata, bundle)
    write_prediction(adata, tmp_path / "kept.h5ad")
    assert np.array_equal(read_prediction(tmp_path / "kept.h5ad").uns["molf"]["regions"]["0"], region)
    line = command_line(run, 1.5, tmp_path / "a folder")
    again = read_prediction(run_line(line, tmp_path))
    assert list(again.obs_names) == list(adata.obs_names)
    # Another process may add in another order.
    assert np.allclose(again.X, adata.X, atol=1e-5)
    assert np.array_equal(again.uns["molf"]["grid"]["shape"], adata.uns["molf"]["grid"]["shape"])
    assert again.uns["molf"]["cancer_code"] == "SIM_A" and again.uns["molf"]["um_per_pixel"] == 2.05


def test_it_says_what_was_given_and_leaves_out_what_the_file_says(run: Run, tiny: Tiny) -> None:
    words = command_of(run, 2.5)
    assert words[:5] == ["molf-engine", "predict", str(tiny.slide), "--output", f"{tiny.slide.stem}.h5ad"]
    assert words[words.index("--model") + 1] == str(tiny.bundle)
    assert words[words.index("--guidance") + 1] == "2.5" and words[words.index("--code") + 1] == "Unknown"
    assert "--um-per-pixel" not in words and "--estimate" not in words and "--positions" not in words


def test_draws_are_part_of_it(run: Run) -> None:
    molf = run.scores.adata.uns["molf"]
    molf.update(estimate="sample", steps=8, draws=3, seed=5, guidance_interval=np.array([0.0, 0.5]))
    words = command_of(run, 2.0)
    assert words[words.index("--estimate") :] == (
        ["--estimate", "sample", "--steps", "8", "--draws", "3", "--guidance-interval", "0", "0.5", "--seed", "5"]
    )


def test_a_model_that_this_machine_knows_goes_by_its_name(run: Run, installed: Tiny) -> None:
    run = replace(run, bundle=Bundle.load(installed.bundle))
    words = command_of(run, 2.0)
    assert words[words.index("--model") + 1] == "tiny"


def test_features_made_elsewhere_are_named_as_what_is_missing(run: Run, tiny: Tiny, tmp_path: Path) -> None:
    import shutil

    blind = tmp_path / "blind"
    shutil.copytree(tiny.bundle, blind)
    shutil.rmtree(blind / "encoder")
    with pytest.raises(PredictionError, match="--features FILE"):
        command_of(replace(run, bundle=Bundle.load(blind)), 2.0)


def test_single_positions_are_written_once_as_the_engine_reads_them(run: Run, tmp_path: Path) -> None:
    del run.scores.adata.uns["molf"]["grid"]
    places = places_of(run)
    path = write_places(places, "slide", tmp_path / "places")
    before = path.stat().st_mtime_ns
    assert write_places(places, "slide", tmp_path / "places") == path and path.stat().st_mtime_ns == before
    centres, names = read_positions(path)
    assert places.flag == "--positions" and names == tuple(run.scores.adata.obs_names)
    assert np.array_equal(centres, run.scores.adata.obsm["spatial"])


def test_regions_are_written_as_closed_polygons(run: Run, tmp_path: Path) -> None:
    outline = np.array([[0.0, 0.0], [400.5, 0.0], [400.5, 500.0]])
    run.scores.adata.uns["molf"]["regions"] = {"0": outline}
    words = shlex.split(command_line(run, 2.0, tmp_path))
    collection = json.loads(Path(words[words.index("--regions") + 1]).read_text())
    (feature,) = collection["features"]
    assert feature["geometry"]["coordinates"] == [[*outline.tolist(), outline[0].tolist()]]


@pytest.mark.parametrize("word", ["plain.svs", "with space", "it's", "$HOME", 'a"b', "*", "", "~", "&", "ü", "a\\b"])
def test_a_shell_takes_the_line_apart_into_the_same_words(word: str) -> None:
    line = quoted(["molf-engine", word, "end"], windows=False)
    assert shlex.split(line) == ["molf-engine", word, "end"]
    if sys.platform != "win32":
        said = subprocess.run(["sh", "-c", f"printf '%s|' {line}"], capture_output=True, text=True, check=True)
        assert said.stdout == f"molf-engine|{word}|end|"


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (r"C:\slides\a.svs", r"C:\slides\a.svs"),
        (r"C:\my slides\a.svs", r'"C:\my slides\a.svs"'),
        ("C:\\my slides\\", '"C:\\my slides\\\\"'),
        ("100%.svs", '"100%.svs"'),
        ("a&b.svs", '"a&b.svs"'),
    ],
)
def test_windows_gets_double_quotes(word: str, text: str) -> None:
    assert quoted([word], windows=True) == text


@pytest.fixture
def desk(qtbot, model, run: Run) -> Desk:
    presenter = Presenter(model)
    desk = Desk(model, presenter)
    presenter.add_run(run, None)
    yield desk
    presenter.stop()


def test_the_button_puts_the_line_of_what_is_shown_on_the_clipboard(qtbot, desk: Desk, tiny: Tiny) -> None:
    button = CopyCommandButton(desk)
    qtbot.addWidget(button)
    QApplication.clipboard().clear()
    desk.presenter.set_guidance(3.5)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: QApplication.clipboard().text().startswith("molf-engine predict"))
    words = shlex.split(QApplication.clipboard().text())
    assert str(tiny.slide) in words and words[words.index("--guidance") + 1] == "3.5"
    assert "Copied" in desk.viewer.status
    button.stop()


def test_a_command_that_cannot_be_made_is_a_sentence(qtbot, monkeypatch, desk: Desk) -> None:
    def refuse(*_: object) -> str:
        raise MolfError("The disk is full.")

    monkeypatch.setattr("napari_molf.show.copy_button.command_line", refuse)
    button = CopyCommandButton(desk)
    qtbot.addWidget(button)
    with qtbot.waitSignal(desk.said) as said:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert said.args == ["The disk is full."]
    button.stop()

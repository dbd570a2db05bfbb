"""`molf-engine predict` over many slides, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from molf_engine.cli import main
from molf_engine.cli.cohort_view import Tally, duration
from molf_engine.cohort.processes import Working
from molf_engine.cohort.state import SlideState
from molf_engine.prediction import read_prediction
from molf_engine.progress import Progress

from .helpers import outcomes, state, written


def predict(*arguments: object) -> int:
    """Exit code of the command, in this process."""
    try:
        main(["predict", *map(str, arguments), "-m", "demo"])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_two_shares_of_a_folder_do_every_slide_once(slides: Path, tmp_path: Path) -> None:
    for name in ("a", "c", "d"):
        (tmp_path / f"{name}.tif").symlink_to(slides / f"{name}.tif")
    out = tmp_path / "out"
    assert predict(tmp_path, "-o", out, "--shard", "1/2") == 0
    assert set(written(out)) == {"a", "d"}
    assert predict(tmp_path, "-o", out, "--shard", "2/2") == 0
    assert {name: outcomes(out, name) for name in ("a", "c", "d")} == {name: ["done"] for name in ("a", "c", "d")}
    assert [row["slide"] for row in json.loads((out / "summary.json").read_text())] == ["a", "c", "d"]


def test_a_list_gives_each_slide_its_settings_and_a_failure_is_exit_code_1(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text(
        f"slide,um_per_pixel,code,features\n{slides / 'a.tif'},1.25,SIM_A,\n{slides / 'c.tif'},,,\n{slides / 'd.tif'},,,none.h5\n"
    )
    assert predict("--list", table, "-o", tmp_path / "out", "--code", "SIM_B", "--json") == 1
    printed, errors = capsys.readouterr()
    assert [row["status"] for row in json.loads(printed)] == ["done", "done", "failed"]
    assert "There is no features file" in errors
    assert "1 of 3 slides failed" in errors
    first, second = (read_prediction(tmp_path / "out" / f"{name}.h5ad").uns["molf"] for name in "ac")
    assert (first["cancer_code"], first["um_per_pixel"]) == ("SIM_A", 1.25)
    assert (second["cancer_code"], second["um_per_pixel"]) == ("SIM_B", 1.0)


def test_a_failed_slide_stays_failed_until_it_is_to_be_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = (tmp_path / "none.svs", "-o", tmp_path / "out")
    assert predict(*call) == 1
    assert predict(*call) == 1
    assert "--retry-failed" in capsys.readouterr().err
    assert outcomes(tmp_path / "out", "none") == ["failed"]
    assert predict(*call, "--retry-failed") == 1
    assert outcomes(tmp_path / "out", "none") == ["failed", "failed"]


def test_features_of_a_cohort_are_kept_where_they_are_wanted(slides: Path, tmp_path: Path, own_cache: Path) -> None:
    assert predict(slides / "a.tif", "-o", tmp_path / "out", "--cache-dir", tmp_path / "kept") == 0
    assert list((tmp_path / "kept" / "features").rglob("*.npz"))
    assert not own_cache.exists()
    assert state(tmp_path / "out", "a").status == "done"


def test_one_slide_into_a_file_leaves_nothing_else(slides: Path, tmp_path: Path) -> None:
    assert predict(slides / "a.tif", "-o", tmp_path / "out" / "a.zarr") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.zarr"]
    assert np.isfinite(read_prediction(tmp_path / "out" / "a.zarr").X).all()


def write_box(path: Path, x0: float, y0: float, side: float) -> Path:
    ring = [[x0, y0], [x0 + side, y0], [x0 + side, y0 + side], [x0, y0 + side], [x0, y0]]
    path.write_text(json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}))
    return path


def test_regions_limit_the_patches_to_those_whose_centre_is_inside(slides: Path, tmp_path: Path) -> None:
    box = write_box(tmp_path / "box.geojson", 100, 100, 300)
    out = tmp_path / "out"
    table = tmp_path / "cohort.csv"
    table.write_text(f"slide,regions\n{slides / 'a.tif'},box.geojson\n{slides / 'c.tif'},\n")
    assert predict("--list", table, "-o", out) == 0
    inside, whole = (read_prediction(out / f"{name}.h5ad").obsm["spatial"] for name in "ac")
    assert 0 < len(inside) < len(whole)
    assert ((inside > 100) & (inside < 400)).all()
    assert ((whole < 100) | (whole > 400)).any()
    assert "regions" in state(out, "a").options and "regions" not in state(out, "c").options
    assert predict(slides / "a.tif", "-o", tmp_path / "one.h5ad", "--regions", box) == 0
    assert read_prediction(tmp_path / "one.h5ad").obsm["spatial"].tolist() == inside.tolist()


def test_regions_of_another_slide_or_beside_positions_are_refused(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = write_box(tmp_path / "far.geojson", 90_000, 100, 300)
    assert predict(slides / "a.tif", "-o", tmp_path / "a.h5ad", "--regions", far) == 2
    assert "another slide" in capsys.readouterr().err
    places = tmp_path / "p.csv"
    places.write_text("x,y\n300,300\n")
    both = ("--regions", far, "--positions", places)
    assert predict(slides / "a.tif", "-o", tmp_path / "a.h5ad", *both) == 2
    assert "exclude each other" in capsys.readouterr().err
    assert not (tmp_path / "a.h5ad").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "{out}"], "No slide is given"),
        (["{a}", "-o", "{out}", "--workers", "2", "--scheduler", "tcp://x:1"], "exclude each other"),
        (["{a}", "-o", "{out}", "--workers", "0"], "at least 1"),
        (["{a}", "-o", "{out}.h5ad", "--workers", "2"], "is for many slides"),
        (["{a}", "-o", "{out}.h5ad", "--shard", "1/2"], "is for many slides"),
        (["{a}", "-o", "{out}", "--slurm-options", "jobs=2"], "needs --slurm"),
        (["{a}", "-o", "{out}", "--shard", "3/2"], "is no share"),
        (["{a}", "{c}", "-o", "{out}", "--positions", "p.csv"], "columns of a --list"),
        (["{a}", "{c}", "-o", "{out}", "--regions", "r.geojson"], "columns of a --list"),
        (["{a}", "{a}", "-o", "{out}"], "same name"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_any_work(
    arguments: list[str], words: str, slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    places = {"a": slides / "a.tif", "c": slides / "c.tif", "out": out}
    assert predict(*(argument.format(**places) for argument in arguments)) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_the_job_script_is_shown_and_nothing_is_done(
    slides: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("dask_jobqueue")
    call = ["--slurm", "--slurm-dry-run", "--slurm-options", "memory=6GB", "queue=long", "interface=lo"]
    assert predict(slides / "a.tif", "-o", tmp_path / "out", *call) == 0
    assert "#SBATCH -p long" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_progress_counts_slides_patches_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("molf_engine.cli.cohort_view.time.monotonic", lambda: next(now))
    tally = Tally(4)
    tally.add(SlideState("a", "a.svs", "", status="done", patches=300))
    tally.add(Working("b", Progress("Encoding patches", 100, 200)))
    tally.add(Working("b", Progress("Predicting", 0, 200)))
    assert tally.line() == "1 / 4 slides, 40 patches/s, 17 s left"
    for name in "bcd":
        tally.add(SlideState(name, "", "", status="failed"))
    assert tally.line() == "4 / 4 slides, 15 patches/s"
    assert [duration(seconds) for seconds in (5, 600, 7200)] == ["5 s", "10 min", "2.0 h"]

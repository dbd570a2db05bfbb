"""The whole analysis on simulated sections of two cancer types, as a command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molf_engine.bundle import Bundle
from molf_engine.cli import main
from molf_engine.data.simulator import write_hest_folder
from molf_engine.data.spots import FolderSpots
from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.routing import latent_space
from molf_engine.evaluation.routing.observe import observe
from molf_engine.evaluation.routing.study import Options

TABLES = {
    "differences", "evenness", "expert-use-by-section", "expert-use-by-type", "expert-use-pooled", "genes",
    "latent-neighbours", "patches", "patches-summary", "programmes", "straightness", "type-distances", "type-test",
}  # fmt: skip


@pytest.fixture(scope="module")
def two_types(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("routing") / "sections"
    write_hest_folder(folder, kinds=("SIM_A", "SIM_C"), sections_per_kind=2, size_um=900.0, seed=5)
    return folder


@pytest.fixture
def without_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latent_space, "has_umap", lambda: False)


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.usefixtures("without_umap")
def test_two_models_are_analysed_side_by_side_in_one_report(
    two_types: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report"
    code = run("routing", "demo", two_types, "-o", output, "--compare", "demo", "--json", "--permutations", 99)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    rows = json.loads(printed.out)
    assert [row["type"] for row in rows] == ["SIM_A", "SIM_C", "mean of types"]
    assert sum(rows[0][f"E{expert}"] for expert in range(1, 7)) == pytest.approx(1)

    tables = {path.stem: pd.read_csv(path) for path in (output / "tables").glob("*.csv")}
    assert set(tables) >= TABLES
    sections = tables["expert-use-by-section"]
    assert sections["type"].tolist() == ["SIM_A", "SIM_A", "SIM_C", "SIM_C"]
    shares = sections[[f"E{expert}" for expert in range(1, 7)]].to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    # Four patients, two and two: three ways to part them.
    assert tables["type-test"]["smallest p"][0] == pytest.approx(1 / 3)

    page = (output / "report.html").read_text(encoding="utf-8")
    assert "no p below 0.33 is possible" in page
    assert "pip install &quot;napari-molf[umap]&quot;" in page
    assert "4 of 4 sections are of simulated tissue" in page
    assert "fewer than 3 patients: SIM_A (2), SIM_C (2)" in page
    assert "99 permutations, 32 steps" in page
    # A model beside itself routes as it does.
    assert "kappa 1.00" in page
    for name in re.findall(r'href="((?:figures|tables)/[^"]+)"', page):
        assert (output / name).stat().st_size > 0
    assert len(list((output / "figures").glob("patches-e*.png"))) == 6


@pytest.mark.usefixtures("without_umap")
def test_a_model_without_experts_has_its_latents_and_paths_shown(
    two_types: Path, tmp_path: Path, dense_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "report"
    assert run("routing", dense_bundle, two_types, "-o", output) == 0
    assert "no experts" in capsys.readouterr().out
    assert sorted(path.stem for path in (output / "figures").glob("*.png")) == [
        "latent-space", "paths", "paths-by-type", "straightness",
    ]  # fmt: skip
    assert run("routing", "demo", two_types, "-o", tmp_path / "other", "--compare", dense_bundle) == 2
    assert "has none" in capsys.readouterr().err


@pytest.fixture(scope="module")
def dense_bundle(two_types: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from molf_engine.training.run import train
    from tests.molf_engine.conftest import tiny_settings

    roles = {"train": ["SIM_A_1", "SIM_C_1"], "validation": ["SIM_A_2"], "test": ["SIM_C_2"]}
    settings = tiny_settings(
        two_types,
        data={"path": str(two_types), "validation": roles["validation"], "test": roles["test"]},
        flow__velocity="dense",
        training={"vae": {"epochs": 1}, "flow": {"epochs": 1}, "device": "cpu"},
    )
    return train(settings, tmp_path_factory.mktemp("bundles") / "dense").path


def test_an_existing_report_is_not_replaced_by_accident(
    two_types: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("routing", "demo", two_types, "-o", tmp_path) == 2
    assert "--overwrite" in capsys.readouterr().err


def test_features_of_another_encoder_are_refused(two_types: Path) -> None:
    bundle, other = Bundle.load("demo"), Bundle.load("starter")
    source = FolderSpots(two_types, bundle.config.patch.size_um, encoder=other.encoder())
    with pytest.raises(DataError, match="was trained on those of"):
        observe(bundle, source, source.sections(["SIM_A_1"]))


def test_the_gate_is_read_without_noise_and_spots_keep_their_order(two_types: Path) -> None:
    bundle = Bundle.load("demo")
    source = FolderSpots(two_types, bundle.config.patch.size_um, encoder=bundle.encoder())
    (section,) = source.sections(["SIM_C_1"])
    first, again = (observe(bundle, source, [section], seed=seed)[0] for seed in (0, 1))
    np.testing.assert_array_equal(first.require_logits(), again.require_logits())
    assert (first.from_noise != again.from_noise).any()
    spots = source.read(section, tuple(bundle.genes.index), bundle.config.min_counts)
    np.testing.assert_array_equal(first.centres, spots.expression.positions)
    np.testing.assert_array_equal(first.rows, np.arange(len(first)))
    assert first.told == first.type == "SIM_C"
    assert first.nameless is not None
    assert (first.nameless != first.logits).any()


def test_nonsense_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match="steps must be 16 or more"):
        Options(steps=2)

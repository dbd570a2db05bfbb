"""The table opens in pandas and in spreadsheets without an option, and says where it comes from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molf_engine.errors import MolfError
from molf_engine.export import Shown
from molf_engine.export.table import sidecar, write_csv
from tests.napari_molf.fakes import prediction


def test_pandas_reads_the_values_back(shown: Shown, tmp_path: Path) -> None:
    scores = shown.find(["CD3E", "HYPOXIA"])
    write_csv(shown, tmp_path / "scores.csv", scores)
    table = pd.read_csv(tmp_path / "scores.csv", index_col="patch")
    assert list(table.index) == shown.patch_names
    assert np.allclose(table["CD3E"], shown.values(scores[0])) and np.allclose(table["HYPOXIA"], np.arange(19))
    assert np.allclose(table[["x_px", "y_px"]], shown.centres)
    assert np.allclose(table[["x_um", "y_um"]], shown.centres * 0.5)
    assert list(table["expert"]) == list(shown.adata.obs["expert"])
    assert np.allclose(table["entropy"], shown.adata.obs["routing_entropy"])
    assert "distance" not in table


def test_each_row_says_that_it_is_predicted_and_by_what(shown: Shown, tmp_path: Path) -> None:
    write_csv(shown, tmp_path / "scores.csv", shown.find(["CD3E"]))
    table = pd.read_csv(tmp_path / "scores.csv")
    assert set(table["notice"]) == {"research use only: predicted, not measured"}
    assert set(table["model"]) == {"fake-12345678"} and set(table["guidance"]) == {2.0}
    said = json.loads(sidecar(tmp_path / "scores.csv").read_text(encoding="utf-8"))
    assert said["weights_hash"] == "1" * 64 and said["columns"]["CD3E"].startswith("gene: log(1 + counts")


def test_spreadsheets_know_its_letters_and_run_nothing(tmp_path: Path) -> None:
    shown = Shown(prediction(), expert_names=["=HYPERLINK(1)", "Drüsen", "Fett"])
    write_csv(shown, tmp_path / "scores.csv", shown.find(["CD3E"]))
    assert (tmp_path / "scores.csv").read_bytes().startswith(b"\xef\xbb\xbfpatch,")
    experts = set(pd.read_csv(tmp_path / "scores.csv")["expert"])
    assert "Drüsen" in experts and not any(name.startswith("=") for name in experts)


def test_what_is_not_known_is_left_empty(tmp_path: Path) -> None:
    adata = prediction()
    adata.X[2, 0] = np.nan
    shown = Shown(adata)
    write_csv(shown, tmp_path / "scores.csv", shown.find(["EPCAM"]))
    assert list(np.flatnonzero(pd.read_csv(tmp_path / "scores.csv")["EPCAM"].isna())) == [2]


def test_nothing_chosen_is_said(shown: Shown, tmp_path: Path) -> None:
    with pytest.raises(MolfError, match="No score is chosen"):
        write_csv(shown, tmp_path / "scores.csv", ())
    assert not list(tmp_path.iterdir())

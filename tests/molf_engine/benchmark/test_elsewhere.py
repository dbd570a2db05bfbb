"""Predictions that other tools wrote."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from molf_engine.benchmark.elsewhere import check_outside, outside_prediction
from molf_engine.benchmark.settings import Outside
from molf_engine.data import Section
from molf_engine.data.expression import Expression
from molf_engine.data.spots import Spots
from molf_engine.errors import ConfigError, DataError

GENES = ("A", "B", "C")
NAMES = ("one", "two")
CENTRES = np.array([[10.0, 20.0], [30.0, 40.0]])


@pytest.fixture
def spots() -> Spots:
    expression = Expression(
        "S", GENES, np.ones((2, 3), np.float32), np.ones(3, bool), np.full(2, 9, np.float32), CENTRES, NAMES, 0
    )
    section = Section("S", Path("s.tif"), Path("s.h5ad"))
    return Spots(section, np.zeros((2, 4), np.float32), CENTRES, expression, 1.0)


def written(
    folder: Path, values: np.ndarray, names: list[str], genes: list[str], centres: np.ndarray | None = None
) -> Outside:
    adata = anndata.AnnData(values.astype(np.float32), pd.DataFrame(index=names), pd.DataFrame(index=genes))
    if centres is not None:
        adata.obsm["spatial"] = centres
    adata.write_h5ad(folder / "S.h5ad")
    return Outside(name="other", folder=folder, units="log1p")


def test_spots_are_matched_by_barcode_and_genes_by_name(tmp_path: Path, spots: Spots) -> None:
    outside = written(tmp_path, np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), ["two", "zero", "one"], ["C", "A"])
    # B is not predicted: a constant, which has no correlation.
    np.testing.assert_array_equal(outside_prediction(outside, spots), [[6, 0, 5], [2, 0, 1]])


def test_spots_without_barcodes_are_matched_by_centre(tmp_path: Path, spots: Spots) -> None:
    outside = written(tmp_path, np.array([[1.0], [3.0]]), ["x", "y"], ["B"], CENTRES[::-1] + 0.5)
    np.testing.assert_array_equal(outside_prediction(outside, spots), [[0, 3, 0], [0, 1, 0]])


def test_a_section_without_a_file_is_left_out(tmp_path: Path, spots: Spots) -> None:
    assert outside_prediction(Outside(name="other", folder=tmp_path, units="log1p"), spots) is None


@pytest.mark.parametrize(
    ("values", "names", "genes", "centres", "told"),
    [
        ([[1.0], [2.0]], ["one", "x"], ["A"], None, "lacks 1 of the 2 spots"),
        ([[1.0], [2.0]], ["x", "y"], ["A"], CENTRES + np.array([[0, 0], [9, 9]]), "lacks 1 of the 2 spots"),
        ([[1.0], [np.nan]], ["one", "two"], ["A"], None, "finite"),
        ([[1.0], [2.0]], ["one", "two"], ["ENSG01"], None, "none of the 3 genes"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    tmp_path: Path, spots: Spots, values: list, names: list[str], genes: list[str], centres: np.ndarray, told: str
) -> None:
    outside = written(tmp_path, np.array(values), names, genes, centres)
    with pytest.raises(DataError, match=told):
        outside_prediction(outside, spots)


def test_a_damaged_file_is_told(tmp_path: Path, spots: Spots) -> None:
    (tmp_path / "S.h5ad").write_bytes(b"not hdf5")
    with pytest.raises(DataError, match=r"S\.h5ad"):
        outside_prediction(Outside(name="other", folder=tmp_path, units="log1p"), spots)


def test_a_tool_without_a_file_for_any_test_section_is_refused(tmp_path: Path) -> None:
    outside = written(tmp_path, np.ones((1, 1)), ["one"], ["A"])
    check_outside([outside], ["R", "S"])
    with pytest.raises(ConfigError, match=r"no prediction by other of a test section.*R\.h5ad"):
        check_outside([outside], ["R"])

from __future__ import annotations

import tracemalloc
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from molf_engine.data import Section, count_file, load_expression
from molf_engine.data.count_file import CountFile
from molf_engine.data.panels import hallmark_hvg_panel
from molf_engine.errors import DataError

FORMS = {"csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix, "dense": np.asarray}
GENES = ("ERBB2", "ACTB", "GNAS")


def counts_of(spots: int = 60, genes: int = 40) -> np.ndarray:
    rng = np.random.default_rng(3)
    # Spots of very different depth, and one without any count.
    table = rng.poisson(rng.gamma(0.5, 2.0, (spots, 1)), (spots, genes)).astype(np.float32)
    table[7] = 0
    return table


def write(folder: Path, counts: object, names: tuple[str, ...] = GENES) -> Section:
    spots, genes = counts.shape
    symbols = [*names, *(f"GENE{number}" for number in range(genes))][:genes]
    adata = anndata.AnnData(
        X=counts,
        obs=pd.DataFrame(index=[f"spot{number}" for number in range(spots)]),
        var=pd.DataFrame(index=symbols),
        obsm={"spatial": np.arange(2.0 * spots).reshape(-1, 2)},
    )
    path = folder / "S.h5ad"
    adata.write_h5ad(path)
    return Section("S", folder / "S.tif", path, code="IDC")


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(count_file, "MOST_ENTRIES", 200)
    monkeypatch.setattr(count_file, "MOST_SPOTS", 9)
    return 200


@pytest.mark.parametrize("form", FORMS)
def test_counts_are_read_in_blocks_whatever_way_they_are_stored(tmp_path: Path, small_blocks: int, form: str) -> None:
    counts = counts_of()
    blocks = list(CountFile.open(write(tmp_path, FORMS[form](counts)).st_path).blocks())
    assert len(blocks) > 5
    assert all(block.nnz <= small_blocks and block.shape[0] <= 9 for _, block in blocks)
    assert [start for start, _ in blocks] == list(np.cumsum([0, *(block.shape[0] for _, block in blocks[:-1])]))
    stacked = scipy.sparse.vstack([block for _, block in blocks])
    assert stacked.dtype == np.float64
    np.testing.assert_array_equal(stacked.toarray(), counts)


@pytest.mark.parametrize("form", FORMS)
def test_expression_does_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    section = write(tmp_path, FORMS[form](counts_of()))
    whole = load_expression(section, GENES, min_counts=20)
    monkeypatch.setattr(count_file, "MOST_ENTRIES", 100)
    parts = load_expression(section, GENES, min_counts=20)
    assert 0 < whole.left_out < 60
    assert parts.names == whole.names
    for name in ("counts_log1p", "total", "positions", "measured"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_chosen_panel_does_not_depend_on_the_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = write(tmp_path, counts_of())
    whole = hallmark_hvg_panel([section], per_code=10, min_counts=1)
    monkeypatch.setattr(count_file, "MOST_SPOTS", 7)
    assert hallmark_hvg_panel([section], per_code=10, min_counts=1) == whole


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_memory_is_that_of_a_block_and_of_the_panel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    counts = scipy.sparse.random(3000, 2000, 0.2, "csr", np.float32, np.random.default_rng(0))
    counts.data = np.ceil(counts.data * 9)
    section = write(tmp_path, FORMS[form](counts))
    monkeypatch.setattr(count_file, "MOST_ENTRIES", 2**15)
    load_expression(section, GENES)
    tracemalloc.start()
    expression = load_expression(section, GENES)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert int(expression.total.sum()) == int(counts.sum())
    # As float64 with their places all counts together take 14 MB.
    assert most < 12 * counts.nnz / 3


def test_wrong_counts_are_numbered_over_all_blocks(tmp_path: Path, small_blocks: int) -> None:
    counts = counts_of()
    counts[[2, 30, 58], 1] = np.nan
    with pytest.raises(DataError, match="S: 3 counts are NaN or infinite, in ACTB"):
        load_expression(write(tmp_path, counts), GENES)


def test_a_file_whose_blocks_are_cut_off_is_refused(tmp_path: Path) -> None:
    section = write(tmp_path, scipy.sparse.csr_matrix(counts_of()))
    with h5py.File(section.st_path, "a") as file:
        short = file["X/data"][:50]
        del file["X/data"]
        file["X/data"] = short
    with pytest.raises(DataError, match=r"Cannot read the counts in .*S.h5ad"):
        load_expression(section, GENES)


def test_counts_that_are_stored_in_an_unknown_way_are_refused(tmp_path: Path) -> None:
    section = write(tmp_path, scipy.sparse.csr_matrix(counts_of()))
    with h5py.File(section.st_path, "a") as file:
        file["X"].attrs["encoding-type"] = "awkward-array"
    with pytest.raises(DataError, match=r"stored in an unknown way \(awkward-array\)"):
        load_expression(section, GENES)


def test_tables_written_as_records_are_read(tmp_path: Path) -> None:
    counts = counts_of(8, 3)
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        file["X"] = counts
        file["obs"] = np.array([(f"spot{number}",) for number in range(8)], dtype=[("index", "S8")])
        file["var"] = np.array([(name,) for name in GENES], dtype=[("index", "S8")])
        file["obsm/spatial"] = np.ones((8, 2))
    expression = load_expression(Section("OLD", tmp_path / "old.tif", path), GENES)
    assert expression.names[:2] == ("spot0", "spot1")
    np.testing.assert_allclose(np.expm1(expression.counts_log1p), counts, rtol=1e-6)

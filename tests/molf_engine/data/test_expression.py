from __future__ import annotations

import logging
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from molf_engine.data import Section, load_expression, read_hest
from molf_engine.errors import DataError
from molf_engine.genes import orthologs, panel

PANEL = ("ACTB", "ERBB2", "GNAS")
COUNTS = np.array([[3.0, 0.0, 7.0], [100.0, 50.0, 50.0], [0.0, 1.0, 0.0]])
COLUMNS = ("GNAS", "OTHER", "ACTB")


def write_section(folder: Path, counts=COUNTS, columns=COLUMNS, species: str = "Homo sapiens", **fields) -> Section:
    """Write counts to a real .h5ad file; ``fields`` replace parts of the AnnData."""
    adata = anndata.AnnData(
        X=counts,
        obs=pd.DataFrame(index=fields.pop("names", [f"spot{i}" for i in range(counts.shape[0])])),
        var=pd.DataFrame(fields.pop("var", None), index=list(columns)),
        obsm=fields.pop("obsm", {"spatial": np.arange(2.0 * counts.shape[0]).reshape(-1, 2)}),
    )
    assert not fields
    path = folder / "section.h5ad"
    adata.write_h5ad(path)
    return Section("SEC", folder / "section.tif", path, species=species)


@pytest.mark.parametrize(
    "form", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, lambda x: x.astype(np.int32)]
)
def test_counts_land_on_the_panel_and_the_total_is_over_all_genes(tmp_path: Path, form) -> None:
    expression = load_expression(write_section(tmp_path, form(COUNTS)), PANEL)
    np.testing.assert_allclose(np.expm1(expression.counts_log1p), [[7, 0, 3], [50, 0, 100], [0, 0, 0]], rtol=1e-6)
    assert expression.counts_log1p.dtype == np.float32
    assert expression.measured.tolist() == [True, False, True]
    assert expression.total.tolist() == [10, 200, 1]
    assert expression.positions.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert expression.names == ("spot0", "spot1", "spot2")
    assert expression.left_out == 0


def test_units_divide_by_the_total_over_all_genes(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path), PANEL)
    assert expression.in_units("log1p") is expression.counts_log1p
    by_hand = np.log1p([[7000, 0, 3000], [2500, 0, 5000], [0, 0, 0]])
    np.testing.assert_allclose(expression.in_units("log1p-cp10k"), by_hand, rtol=1e-6)


@pytest.mark.filterwarnings("error")
def test_a_spot_without_any_count_is_zero_in_every_unit(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path, COUNTS * np.array([[1], [0], [1]])), PANEL)
    assert expression.total.tolist() == [10, 0, 1]
    for units in ("log1p", "log1p-cp10k"):
        assert expression.in_units(units)[1].tolist() == [0, 0, 0]


def test_spots_under_min_counts_are_left_out_and_counted(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path), PANEL, min_counts=10)
    assert (expression.names, expression.left_out, len(expression)) == (("spot0", "spot1"), 1, 2)
    assert expression.positions.tolist() == [[0, 1], [2, 3]]
    assert expression.total.tolist() == [10, 200]


def test_no_spot_with_enough_counts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none of its 3 spots has 1000 counts"):
        load_expression(write_section(tmp_path), PANEL, min_counts=1000)


@pytest.mark.filterwarnings("ignore:Variable names are not unique")
def test_columns_of_one_symbol_are_added(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    section = write_section(tmp_path, columns=("GNAS", "ACTB", "ACTB"))
    expression = load_expression(section, PANEL)
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 0]), [7, 100, 1], rtol=1e-6)
    assert "ACTB" in caplog.text


@pytest.mark.parametrize(("value", "what"), [(np.nan, "NaN"), (np.inf, "infinite"), (-2.0, "negative")])
def test_impossible_counts_are_refused_with_the_gene_named(tmp_path: Path, value: float, what: str) -> None:
    counts = COUNTS.copy()
    counts[1, 1] = value
    with pytest.raises(DataError, match=f"SEC: 1 counts are .*{what}.* in OTHER"):
        load_expression(write_section(tmp_path, counts), PANEL)


def test_log_transformed_values_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"looks log-transformed .*GNAS"):
        load_expression(write_section(tmp_path, np.log1p(COUNTS)), PANEL)


def test_fractions_among_counts_are_used_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        expression = load_expression(write_section(tmp_path, COUNTS + np.array([0, 0.5, 0])), PANEL)
    assert "not whole numbers, in OTHER" in caplog.text
    assert expression.total.tolist() == [10.5, 200.5, 1.5]


def test_no_gene_of_the_panel_is_refused_with_examples_of_both(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"ENSG1, ENSG2.*ACTB, ERBB2"):
        load_expression(write_section(tmp_path, columns=("ENSG1", "ENSG2", "ENSG3")), PANEL)


def test_mouse_genes_match_by_the_human_symbols_of_the_file(tmp_path: Path) -> None:
    var = {"human_symbol": ["GNAS", "", "ACTB"]}
    section = write_section(tmp_path, columns=("Gnas", "Xist", "Actb"), species="Mus musculus", var=var)
    assert load_expression(section, PANEL, symbols="human_symbol").measured.tolist() == [True, False, True]
    with pytest.raises(DataError, match="human_symbol"):
        load_expression(section, PANEL)


def test_mouse_genes_without_that_column_match_by_orthologs(tmp_path: Path) -> None:
    section = write_section(tmp_path, columns=("Erbb2", "Xist", "Actb"), species="Mus musculus")
    expression = load_expression(section, PANEL, symbols="human_symbol")
    assert expression.measured.tolist() == ["ACTB" in orthologs("mouse"), True, False]
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 1]), [3, 100, 0], rtol=1e-6)
    assert expression.total.tolist() == [10, 200, 1]


def test_genes_of_a_mouse_are_never_read_as_other_names_of_human_genes(tmp_path: Path) -> None:
    section = write_section(tmp_path, columns=("Car2", "Fli1", "Xist"), species="Mus musculus")
    with pytest.raises(DataError, match="human_symbol"):
        load_expression(section, ("CA2", "FLII"))


def test_human_symbols_are_asked_of_a_human_section_only_if_it_has_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'no column var\["human_symbol"\]'):
        load_expression(write_section(tmp_path), PANEL, symbols="human_symbol")


@pytest.mark.parametrize("obsm", [{}, {"spatial": np.full((3, 2), np.nan)}, {"spatial": np.zeros((3, 3))}])
def test_spots_without_positions_are_refused(tmp_path: Path, obsm: dict) -> None:
    with pytest.raises(DataError, match="spatial"):
        load_expression(write_section(tmp_path, obsm=obsm), PANEL)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    section = write_section(tmp_path)
    section.st_path.write_bytes(section.st_path.read_bytes()[:500])
    with pytest.raises(DataError, match="Cannot read the counts"):
        load_expression(section, PANEL)


def test_a_file_without_spots_is_refused(tmp_path: Path) -> None:
    section = write_section(tmp_path, np.zeros((0, 3)), obsm={"spatial": np.zeros((0, 2))})
    with pytest.raises(DataError, match="holds no counts"):
        load_expression(section, PANEL)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_spots_of_one_name_get_a_number(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path, names=["a", "a", "a-1"]), PANEL)
    assert len(set(expression.names)) == 3
    assert expression.names[0] == "a"


def test_genes_of_the_panel_are_read_under_their_earlier_names_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    section = write_section(tmp_path, columns=("CTGF", "OTHER", "ACTB"))
    with caplog.at_level(logging.INFO):
        expression = load_expression(section, ("CCN2", "ACTB", "ERBB2"))
    assert expression.aliases == {"CCN2": "CTGF"}
    assert "read CTGF as CCN2" in caplog.text
    assert expression.measured.tolist() == [True, True, False]
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 0]), [3, 100, 0], rtol=1e-6)


def test_a_symbol_of_the_panel_is_never_read_from_another_column(tmp_path: Path) -> None:
    section = write_section(tmp_path, columns=("CTGF", "CCN2", "ACTB"))
    expression = load_expression(section, ("CCN2", "ACTB"))
    assert expression.aliases == {}
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 0]), [0, 50, 1], rtol=1e-6)


XENOGRAFT = ("GRCh38_ERBB2", "mm10___Erbb2", "GRCh38_ACTB")


def test_a_xenograft_is_read_as_human_and_only_human_counts_are_totalled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    section = write_section(tmp_path, columns=XENOGRAFT, species="Mus musculus")
    expression = load_expression(section, PANEL, min_counts=10)
    assert expression.reference is not None
    assert expression.reference.kind == "mixed"
    assert expression.reference.human_share == pytest.approx(160 / 211)
    assert "2 human and 1 mouse genes in one file, with 75.8% and 24.2% of its counts" in caplog.text
    # Of the spots 10, 150 and 0 counts are human.
    assert (expression.names, expression.total.tolist()) == (("spot0", "spot1"), [10, 150])
    np.testing.assert_allclose(np.expm1(expression.counts_log1p), [[7, 3, 0], [50, 100, 0]], rtol=1e-6)
    np.testing.assert_allclose(expression.in_units("log1p-cp10k")[0], np.log1p([7000, 3000, 0]), rtol=1e-6)


def test_a_xenograft_is_read_as_mouse_by_its_orthologs(tmp_path: Path) -> None:
    section = write_section(tmp_path, columns=("ERBB2", "Erbb2", "Gm1992"))
    expression = load_expression(section, PANEL, symbols="human_symbol")
    assert expression.measured.tolist() == [False, True, False]
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 1]), [0, 50, 1], rtol=1e-6)
    assert expression.total.tolist() == [7, 100, 1]


def test_a_prefix_of_the_genome_is_stripped_from_one_species_too(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path, columns=("hg38_GNAS", "hg38_A", "hg38_ACTB")), PANEL)
    assert expression.measured.tolist() == [True, False, True]
    assert expression.reference is not None
    assert expression.reference.kind == "human"


def test_human_genes_of_a_section_called_mouse_are_not_taken_for_orthologs(tmp_path: Path) -> None:
    expression = load_expression(write_section(tmp_path, species="Mus musculus"), PANEL)
    assert expression.reference is not None
    assert expression.reference.kind == "human"


@pytest.mark.parametrize(
    ("name", "spots", "left_out", "measured"),
    [
        ("HER2ST_A1", 345, 1, 1298),
        ("HER2ST_C2", 185, 2, 1309),
        ("HER2ST_C3", 179, 1, 1311),
        ("HER2ST_C4", 184, 0, 1319),
        ("HER2ST_C5", 179, 2, 1314),
    ],
)
def test_real_sections_measure_nearly_the_whole_panel(
    shared_data: Path, name: str, spots: int, left_out: int, measured: int
) -> None:
    (section,) = read_hest(shared_data, [name])
    expression = load_expression(section, panel("molf-1386"), min_counts=100)
    renamed = len(expression.aliases)
    assert (len(expression), expression.left_out) == (spots, left_out)
    assert int(expression.measured.sum()) - renamed == measured
    # PRKCDBP, CYR61, ...: the data were aligned to an older annotation.
    assert renamed == 5
    assert expression.aliases["CCN1"] == "CYR61"
    assert (expression.total >= 100).all()
    assert not expression.counts_log1p[:, ~expression.measured].any()


def test_the_real_mouse_section_matches_by_human_symbols(shared_data: Path) -> None:
    (section,) = read_hest(shared_data, ["MOB_Rep11"])
    expression = load_expression(section, panel("molf-1386"), min_counts=100, symbols="human_symbol")
    assert (int(expression.measured.sum()), expression.left_out) == (1174, 2)

"""Measured spots from every kind of file, and what is said of broken ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse

from molf_engine.data import Section, load_expression
from molf_engine.data.measured import MeasuredSpots, measured_beside, notes_on_slide, read_measured
from molf_engine.errors import DataError
from molf_engine.genes import panel

GENES = ("EPCAM", "CD3E", "EPCAM", "KRT8")
PITCH = 50.0


def barcodes(count: int = 4) -> list[str]:
    return [f"AAAC{i}-1" for i in range(count)]


def counts(count: int = 4) -> np.ndarray:
    return np.arange(count * len(GENES)).reshape(count, len(GENES))


def write_h5(path: Path, matrix: np.ndarray, genes=GENES, names=None, kinds=None) -> None:
    """As Space Ranger 3 writes it: one column a spot."""
    columns = scipy.sparse.csc_matrix(matrix.T)
    names = barcodes(len(matrix)) if names is None else names
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(columns, key)
        group["shape"] = np.array(columns.shape, np.int32)
        group["barcodes"] = np.array(names, "S")
        features = group.create_group("features")
        features["name"] = np.array(genes, "S")
        features["id"] = np.array([f"ENSG{i:011d}" for i in range(len(genes))], "S")
        features["feature_type"] = np.array(kinds or ["Gene Expression"] * len(genes), "S")


def positions(count: int = 4, in_tissue=None) -> pd.DataFrame:
    """A row of spots, and one more that is not on tissue."""
    return pd.DataFrame(
        {
            "barcode": [*barcodes(count), "OFF-1"],
            "in_tissue": [*(in_tissue or [1] * count), 0],
            "array_row": 0,
            "array_col": np.arange(count + 1) * 2,
            "pxl_row_in_fullres": 100.0,
            "pxl_col_in_fullres": 200 + PITCH * np.arange(count + 1),
        }
    )


def write_factors(folder: Path, **changes: float) -> None:
    factors = {"spot_diameter_fullres": 0.65 * PITCH, "tissue_hires_scalef": 0.1, **changes}
    (folder / "spatial" / "scalefactors_json.json").write_text(json.dumps(factors))


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """The output of a small run of Space Ranger."""
    folder = tmp_path / "run1"
    (folder / "spatial").mkdir(parents=True)
    write_h5(folder / "filtered_feature_bc_matrix.h5", counts())
    positions().to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
    write_factors(folder)
    return folder


def write_h5ad(path: Path, values: object = None, **parts: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    X = counts().astype(float) if values is None else values
    obs = parts.pop("obs", pd.DataFrame(index=barcodes()))
    obsm = parts.pop("obsm", {"spatial": np.column_stack([PITCH * np.arange(4), np.full(4, 10.0)])})
    anndata.AnnData(
        X=X, obs=obs, var=pd.DataFrame(index=["EPCAM", "CD3E", "KRT8", "VIM"]), obsm=obsm, **parts
    ).write_h5ad(path)
    return path


# -- Space Ranger --------------------------------------------------------------------------------------------


def test_a_space_ranger_folder_is_read(output: Path) -> None:
    spots = read_measured(output)
    assert (spots.id, len(spots), spots.names) == ("run1", 4, tuple(barcodes()))
    assert spots.counts.toarray().tolist() == counts().tolist()
    assert spots.positions.tolist() == [[200 + PITCH * i, 100.0] for i in range(4)]
    assert spots.diameter_um(0.5) == 55.0
    assert spots.layout.pitch_um == 100.0


@pytest.mark.parametrize("form", ["file", "outs", "headerless", "mtx"])
def test_every_form_of_the_output_is_read_alike(output: Path, form: str) -> None:
    whole, asked = read_measured(output), output
    matrix, spatial = output / "filtered_feature_bc_matrix.h5", output / "spatial"
    if form == "file":
        asked = matrix
    elif form == "outs":
        asked = output.parent / "sample"
        asked.mkdir()
        output.rename(asked / "outs")
    elif form == "headerless":
        (spatial / "tissue_positions.csv").unlink()
        positions().to_csv(spatial / "tissue_positions_list.csv", index=False, header=False)
    else:
        matrix.unlink()
        folder = output / "filtered_feature_bc_matrix"
        folder.mkdir()
        scipy.io.mmwrite(str(folder / "matrix.mtx"), scipy.sparse.csc_matrix(counts().T))
        (folder / "matrix.mtx.gz").write_bytes(gzip.compress((folder / "matrix.mtx").read_bytes()))
        (folder / "matrix.mtx").unlink()
        lines = "".join(f"ENSG{i:011d}\t{gene}\tGene Expression\n" for i, gene in enumerate(GENES))
        (folder / "features.tsv.gz").write_bytes(gzip.compress(lines.encode()))
        (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(barcodes()).encode()))
    spots = read_measured(asked)
    assert spots.counts.toarray().tolist() == whole.counts.toarray().tolist()
    assert spots.symbols == whole.symbols and spots.names == whole.names
    assert spots.positions.tolist() == whole.positions.tolist()


def test_antibodies_are_no_genes(output: Path) -> None:
    kinds = ["Gene Expression", "Antibody Capture", "Gene Expression", "Gene Expression"]
    write_h5(output / "filtered_feature_bc_matrix.h5", counts(), kinds=kinds)
    assert read_measured(output).symbols == ("EPCAM", "EPCAM", "KRT8")


def test_genes_that_share_a_symbol_are_added_and_the_total_is_over_all(output: Path) -> None:
    expression = read_measured(output).on_panel(("EPCAM", "KRT8"))
    np.testing.assert_allclose(np.expm1(expression.counts_log1p[:, 0]), counts()[:, 0] + counts()[:, 2], rtol=1e-6)
    assert expression.total.tolist() == counts().sum(axis=1).tolist()


def test_spots_beside_the_tissue_are_left_out_and_counted(output: Path) -> None:
    positions(in_tissue=[1, 0, 1, 1]).to_csv(output / "spatial" / "tissue_positions.csv", index=False)
    spots = read_measured(output)
    assert (len(spots), spots.off_tissue) == (3, 1)


def spoil_truncated(output: Path) -> None:
    path = output / "filtered_feature_bc_matrix.h5"
    path.write_bytes(path.read_bytes()[:1500])


def spoil_foreign(output: Path) -> None:
    write_h5(output / "filtered_feature_bc_matrix.h5", counts(), names=["X-1", "Y-1", *barcodes(2)])


def spoil_tissue(output: Path) -> None:
    positions(in_tissue=[0, 0, 0, 0]).to_csv(output / "spatial" / "tissue_positions.csv", index=False)


def spoil_position(output: Path) -> None:
    table = positions().astype({"pxl_row_in_fullres": object})
    table.loc[1, "pxl_row_in_fullres"] = "here"
    table.to_csv(output / "spatial" / "tissue_positions.csv", index=False)


def spoil_twice(output: Path) -> None:
    table = positions()
    pd.concat([table, table[:1]]).to_csv(output / "spatial" / "tissue_positions.csv", index=False)


def spoil_factors(output: Path) -> None:
    write_factors(output, spot_diameter_fullres=6.5)


def spoil_json(output: Path) -> None:
    (output / "spatial" / "scalefactors_json.json").write_text('{"tissue')


def spoil_no_positions(output: Path) -> None:
    (output / "spatial" / "tissue_positions.csv").unlink()


def spoil_negative(output: Path) -> None:
    write_h5(output / "filtered_feature_bc_matrix.h5", -counts())


def spoil_logarithms(output: Path) -> None:
    write_h5(output / "filtered_feature_bc_matrix.h5", np.log1p(counts()))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_truncated, "copy it again"),
        (spoil_foreign, r"2 of the 4 spots .* \(such as X-1\) have no position"),
        (spoil_tissue, "none of its 4 spots is marked as on tissue"),
        (spoil_position, "pxl_row_in_fullres of the spot AAAC1-1 is no number"),
        (spoil_twice, "AAAC0-1 more than once"),
        (spoil_factors, "a spot is 6.5 px wide, but the spots' positions are 50 px apart"),
        (spoil_json, "Cannot read the scale factors"),
        (spoil_no_positions, "has no positions of the spots"),
        (spoil_negative, "counts are negative"),
        (spoil_logarithms, "looks log-transformed"),
    ],
)
def test_a_broken_output_is_refused_in_words(output: Path, spoil, said: str) -> None:
    spoil(output)
    with pytest.raises(DataError, match=said):
        read_measured(output)


# -- AnnData -------------------------------------------------------------------------------------------------


def test_a_sample_of_hest_is_found_beside_its_slide_and_read_as_for_training(tmp_path: Path) -> None:
    (tmp_path / "wsis").mkdir()
    slide = tmp_path / "wsis" / "S1.ome.tif"
    slide.touch()
    path = write_h5ad(tmp_path / "st" / "S1.h5ad", uns={"meta": {"patient_id": "P7", "spot_diameter": 100.0}})
    assert measured_beside(slide) == path
    spots = read_measured(path)
    assert (spots.id, spots.section.patient, spots.layout.diameter_um) == ("S1", "P7", 100.0)
    trained = load_expression(Section("S1", slide, path), ("CD3E", "VIM"))
    np.testing.assert_array_equal(spots.on_panel(("CD3E", "VIM")).counts_log1p, trained.counts_log1p)


def test_nothing_is_found_beside_a_slide_that_lies_alone(tmp_path: Path) -> None:
    assert measured_beside(tmp_path / "slide.svs") is None


def test_a_slide_in_the_folder_of_space_ranger_finds_it(output: Path) -> None:
    assert measured_beside(output / "image.tif") == output


def test_counts_in_a_layer_and_the_diameter_of_scanpy_are_used(tmp_path: Path) -> None:
    adata = anndata.read_h5ad(write_h5ad(tmp_path / "a.h5ad", np.log1p(counts()), layers={"counts": counts()}))
    adata.uns["spatial"] = {"lib": {"scalefactors": {"spot_diameter_fullres": 30.0}}}
    adata.write_zarr(tmp_path / "a.zarr")
    spots = read_measured(tmp_path / "a.zarr")
    assert spots.counts.toarray().tolist() == counts().tolist()
    assert spots.diameter_um(0.5) == 15.0


def test_a_diameter_that_nobody_knows_is_guessed_from_the_distance_of_the_spots(tmp_path: Path) -> None:
    assert read_measured(write_h5ad(tmp_path / "a.h5ad")).diameter_um(2.0) == pytest.approx(0.55 * PITCH * 2)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"obsm": {}}, 'no obsm\\["spatial"\\]'),
        ({"values": np.full((4, 4), np.nan)}, "NaN or infinite"),
        ({"obsm": {"spatial": np.full((4, 2), np.nan)}}, "all finite"),
        ({"uns": {"molf": {"schema_version": 1}}}, "is a prediction, not a measurement"),
    ],
)
def test_a_broken_anndata_file_is_refused_in_words(tmp_path: Path, parts: dict, said: str) -> None:
    path = write_h5ad(tmp_path / "a.h5ad", **parts)
    with pytest.raises(DataError, match=said):
        read_measured(path)


@pytest.mark.parametrize("name", ["cut.h5ad", "picture.png", "nothing.h5ad"])
def test_what_is_no_measurement_is_refused_with_what_can_be_read(tmp_path: Path, name: str) -> None:
    if name != "nothing.h5ad":
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match="AnnData"):
        read_measured(tmp_path / name)


# -- tables of the first arrays ------------------------------------------------------------------------------


def write_tables(folder: Path, *, turned: bool = False) -> tuple[Path, Path]:
    table = pd.DataFrame(counts()[:, [0, 1, 3]], index=["1x1", "1x2", "2x1", "2x2"], columns=["EPCAM", "CD3E", "KRT8"])
    (table.T if turned else table).to_csv(folder / "A1.tsv.gz", sep="\t")
    spots = pd.DataFrame({"x": [1, 1, 2], "y": [1, 2, 1], "pixel_x": [10.0, 10, 60], "pixel_y": [20.0, 70, 20]})
    spots.to_csv(folder / "A1_selection.tsv", sep="\t", index=False)
    return folder / "A1.tsv.gz", folder / "A1_selection.tsv"


@pytest.mark.parametrize("turned", [False, True])
def test_a_table_of_counts_finds_its_positions_and_leaves_out_what_was_not_selected(
    tmp_path: Path, turned: bool
) -> None:
    table, _ = write_tables(tmp_path, turned=turned)
    spots = read_measured(table)
    assert (spots.id, spots.names, spots.off_tissue) == ("A1", ("1x1", "1x2", "2x1"), 1)
    assert spots.positions.tolist() == [[10, 20], [10, 70], [60, 20]]
    assert spots.counts.toarray().tolist() == counts()[:3, [0, 1, 3]].tolist()


def test_two_tables_that_are_chosen_together_may_come_in_any_order(tmp_path: Path) -> None:
    table, places = write_tables(tmp_path)
    places = places.rename(tmp_path / "elsewhere.tsv")
    for pair in ((table, places), (places, table)):
        assert read_measured(*pair).names == ("1x1", "1x2", "2x1")
    with pytest.raises(DataError, match="There are no positions for the spots"):
        read_measured(table)
    with pytest.raises(DataError, match=r"holds positions\. Choose the table of counts"):
        read_measured(places)


def test_positions_of_another_section_are_refused(tmp_path: Path) -> None:
    table, places = write_tables(tmp_path)
    pd.DataFrame({"x": [30], "y": [30], "pixel_x": [1.0], "pixel_y": [1.0]}).to_csv(places, sep="\t", index=False)
    with pytest.raises(DataError, match=r"None of the 4 spots .*1x1.* is in .*30x30"):
        read_measured(table)


# -- on the slide --------------------------------------------------------------------------------------------


@pytest.fixture
def spots(output: Path) -> MeasuredSpots:
    return read_measured(output)


def test_spots_that_lie_on_the_slide_at_its_resolution_need_no_word(spots: MeasuredSpots) -> None:
    assert notes_on_slide(spots, (1000, 1000), 100 / PITCH) == ()


def test_spots_outside_the_slide_are_refused_with_both_extents(spots: MeasuredSpots) -> None:
    with pytest.raises(
        DataError, match=r"2 of 4 spots of run1 lie outside a.tif: .*200, 100 to 350, 100 px, a.tif is 260 x 300 px"
    ):
        notes_on_slide(spots, (260, 300), 2.0, "a.tif")


def test_positions_of_another_resolution_are_refused_though_they_fit_in(spots: MeasuredSpots) -> None:
    with pytest.raises(DataError, match=r"100 um apart, but would be 25 um apart .* another resolution"):
        notes_on_slide(spots, (1000, 1000), 0.5)


def test_a_small_difference_of_scale_is_said(spots: MeasuredSpots) -> None:
    assert notes_on_slide(spots, (1000, 1000), 2.4) == (
        "neighbouring spots are 100 um apart, but measure 120 um on this slide: check um per pixel",
    )


# -- real files ----------------------------------------------------------------------------------------------


def test_a_real_visium_of_a_mouse_is_read_onto_a_human_panel(shared_data: Path) -> None:
    folder = shared_data / "visium_cytassist_mouse_embryo"
    spots = read_measured(folder)
    table = pd.read_csv(folder / "spatial" / "tissue_positions.csv", index_col="barcode").loc[list(spots.names)]
    np.testing.assert_array_equal(spots.positions, table[["pxl_col_in_fullres", "pxl_row_in_fullres"]])
    assert (len(spots), spots.columns.reference.kind) == (2898, "mouse")
    with h5py.File(folder / "filtered_feature_bc_matrix.h5") as file:
        assert spots.counts.sum() == file["matrix/data"][:].sum()
    expression = spots.on_panel(panel("molf-1386"))
    assert expression.measured.sum() > 1200
    assert expression.total.sum() == pytest.approx(spots.counts.sum())


def test_a_real_section_is_read_as_for_training(shared_data: Path) -> None:
    path = shared_data / "her2st" / "st" / "HER2ST_C6.h5ad"
    assert measured_beside(shared_data / "her2st" / "wsis" / "HER2ST_C6.tif") == path
    spots, genes = read_measured(path), panel("molf-1386")
    trained = load_expression(Section("HER2ST_C6", Path(), path), genes, 100)
    read = spots.on_panel(genes, 100)
    np.testing.assert_array_equal(read.in_units("log1p-cp10k"), trained.in_units("log1p-cp10k"))
    assert notes_on_slide(spots, (9288, 9907), 0.6877) == ()

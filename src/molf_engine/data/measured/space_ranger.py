"""Visium as Space Ranger writes it: a matrix of counts beside a folder ``spatial``.

The matrix is ``filtered_feature_bc_matrix.h5`` (versions 2 and 3 of its format) or the folder of the same name; positions are a
table with or without a header, or parquet.  They are pixels of the image that was given to Space Ranger: level 0 of the slide.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.data.measured.spots import Layout, MeasuredSpots, make_spots, nearest_distance
from molf_engine.data.sections import Section
from molf_engine.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

MATRICES = ("filtered_feature_bc_matrix.h5", "filtered_feature_bc_matrix")
POSITIONS = ("tissue_positions.csv", "tissue_positions_list.csv", "tissue_positions.parquet")
COLUMNS = ("barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")
VISIUM_DIAMETER_UM, VISIUM_PITCH_UM = 55.0, 100.0
# spot_diameter_fullres is that of a spot of 65 to 70 um; bins of Visium HD are as wide as their pitch.
_DIAMETER_OF_PITCH = (0.4, 1.2)


def output_folder(path: Path) -> Path | None:
    """The folder with the matrix: ``path`` itself, its ``outs``, or the folder that ``path`` lies in; none if it is no output."""
    for folder in (path, path / "outs", path.parent):
        if (folder / "spatial").is_dir() and any((folder / name).exists() for name in MATRICES):
            return folder
    return None


def read_space_ranger(folder: Path) -> MeasuredSpots:
    """Read the output of Space Ranger.

    Parameters
    ----------
    folder
        Holds the matrix and ``spatial``.

    Raises
    ------
    DataError
        If a file is missing or damaged, spots have no position, or none is on tissue.
    """
    import anndata
    import pandas as pd

    matrix = next(folder / name for name in MATRICES if (folder / name).exists())
    counts, genes, ids, barcodes = read_matrix(matrix)
    table = read_positions(folder / "spatial")
    missing = [name for name in barcodes if name not in table.index]
    if missing:
        raise DataError(
            f"{len(missing):,} of the {len(barcodes):,} spots of {matrix} (such as {missing[0]}) have no position in "
            f"{folder / 'spatial'}. The two are of different runs: put the files of one run together."
        )
    rows = table.loc[barcodes]
    with warnings.catch_warnings():
        # A few genes share a symbol in every reference: their counts are added later.
        warnings.filterwarnings("ignore", "Variable names are not unique")
        adata = anndata.AnnData(
            X=counts,
            obs=pd.DataFrame({"in_tissue": rows["in_tissue"].to_numpy()}, index=barcodes),
            var=pd.DataFrame({"gene_ids": ids}, index=genes),
            obsm={"spatial": rows[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(dtype=np.float64)},
        )
    positions = table[["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(dtype=np.float64)
    layout = _layout(folder / "spatial" / "scalefactors_json.json", nearest_distance(positions))
    name = folder.parent.name if folder.name == "outs" else folder.name
    return make_spots(adata, Section(name, Path(), matrix, technology="Visium"), layout, folder)


def read_matrix(path: Path) -> tuple[scipy.sparse.csr_matrix, list[str], list[str], list[str]]:
    """Counts ``(S, F)`` of the gene expression in a 10x matrix, with gene names, gene ids and barcodes.

    Raises
    ------
    DataError
        If it is damaged, or its parts are of different sizes.
    """
    try:
        counts, genes, ids, kinds, barcodes = (_read_folder if path.is_dir() else _read_h5)(path)
    # A damaged HDF5 or mtx file fails in many ways; each means the same to the user.
    except Exception as error:
        raise DataError(
            f"Cannot read the counts in {path}: {error}. The file may be cut short: copy it again."
        ) from error
    if counts.shape != (len(barcodes), len(genes)):
        raise DataError(
            f"{path} is damaged: its counts are for {counts.shape[0]:,} spots and {counts.shape[1]:,} genes, but it names "
            f"{len(barcodes):,} and {len(genes):,}. Copy it again."
        )
    expressed = np.array([kind in ("Gene Expression", "") for kind in kinds])
    if not expressed.any():
        raise DataError(f"{path} holds no gene expression, but {', '.join(sorted(set(kinds)))}.")
    keep = np.flatnonzero(expressed)
    return counts[:, keep], [genes[i] for i in keep], [ids[i] for i in keep], barcodes


_Parts = tuple["scipy.sparse.csr_matrix", list[str], list[str], list[str], list[str]]


def _read_h5(path: Path) -> _Parts:
    import h5py
    import scipy.sparse

    def words(group: Any, name: str) -> list[str]:
        return [value.decode() if isinstance(value, bytes) else str(value) for value in group[name][:]]

    with h5py.File(path, "r") as file:
        newer = "matrix" in file
        group = file["matrix"] if newer else next(g for g in file.values() if "gene_names" in g)
        if newer:
            features = group["features"]
            genes, ids, kinds = (words(features, name) for name in ("name", "id", "feature_type"))
        else:
            genes, ids = words(group, "gene_names"), words(group, "genes")
            kinds = [""] * len(genes)
        shape = tuple(int(n) for n in group["shape"][:])
        # One column a spot: transposed, its columns are our rows.
        counts = scipy.sparse.csc_matrix((group["data"][:], group["indices"][:], group["indptr"][:]), shape=shape)
        counts.check_format()
        return counts.T.tocsr(), genes, ids, kinds, words(group, "barcodes")


def _read_folder(path: Path) -> _Parts:
    import pandas as pd
    import scipy.io
    import scipy.sparse

    def beside(*names: str) -> Path:
        found = [path / f"{name}{end}" for name in names for end in ("", ".gz") if (path / f"{name}{end}").is_file()]
        if not found:
            raise FileNotFoundError(f"there is no {names[0]} in it")
        return found[0]

    features = pd.read_csv(beside("features.tsv", "genes.tsv"), sep="\t", header=None, dtype=str, keep_default_na=False)
    barcodes = pd.read_csv(beside("barcodes.tsv"), sep="\t", header=None, dtype=str, keep_default_na=False)
    counts = scipy.sparse.csr_matrix(scipy.io.mmread(str(beside("matrix.mtx"))).T)
    kinds = features[2].tolist() if features.shape[1] > 2 else [""] * len(features)
    return counts, features[1].tolist(), features[0].tolist(), kinds, barcodes[0].tolist()


def read_positions(spatial: Path) -> pd.DataFrame:
    """Table of all spots of the array, indexed by barcode, with the columns that Space Ranger names.

    Raises
    ------
    DataError
        If there is no such table, or it lacks a column, repeats a barcode or holds positions that are no numbers.
    """
    import pandas as pd

    path = next((spatial / name for name in POSITIONS if (spatial / name).is_file()), None)
    if path is None:
        raise DataError(f"{spatial} has no positions of the spots: expected {' or '.join(POSITIONS)}.")
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            first = path.read_text(encoding="utf-8-sig").split("\n", 1)[0]
            table = pd.read_csv(path, header=0 if "in_tissue" in first else None, dtype={0: str})
            if "in_tissue" not in table.columns:
                table.columns = list(COLUMNS)
    except ImportError as error:
        raise DataError(
            f"{path} is a parquet file, which this installation cannot read. Install pyarrow, or save the table as "
            "tissue_positions.csv."
        ) from error
    except Exception as error:
        raise DataError(f"Cannot read the positions in {path}: {error}. Expected {', '.join(COLUMNS)}.") from error
    if absent := [name for name in COLUMNS if name not in table and not name.startswith("array")]:
        raise DataError(f"{path} has no column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}.")
    table = table.assign(barcode=table["barcode"].astype(str)).set_index("barcode")
    if not table.index.is_unique:
        raise DataError(
            f"{path} has the spot {table.index[table.index.duplicated()][0]} more than once. Keep one of each."
        )
    for name in ("in_tissue", "pxl_row_in_fullres", "pxl_col_in_fullres"):
        table[name] = pd.to_numeric(table[name], errors="coerce")
        if not np.isfinite(table[name]).all():
            where = table.index[~np.isfinite(table[name])][0]
            raise DataError(f"{path}: {name} of the spot {where} is no number. Correct or remove that line.")
    return table


def _layout(path: Path, pitch_px: float) -> Layout:
    """Size of the spots; the arrays' own pitch is more exact than ``spot_diameter_fullres``, which is that of a larger spot."""
    factors = _read_factors(path)
    diameter_px = factors["spot_diameter_fullres"]
    low, high = _DIAMETER_OF_PITCH
    if math.isfinite(pitch_px) and not low * pitch_px <= diameter_px <= high * pitch_px:
        raise DataError(
            f"{path} says that a spot is {diameter_px:.4g} px wide, but the spots' positions are {pitch_px:.4g} px apart: scale "
            "factors and positions are of different images. Put the files of one run together."
        )
    if "bin_size_um" in factors:
        return Layout(factors["bin_size_um"], diameter_px, factors["bin_size_um"])
    return Layout(VISIUM_DIAMETER_UM, diameter_px, VISIUM_PITCH_UM)


def _read_factors(path: Path) -> dict[str, float]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        factors = {key: float(value) for key, value in values.items() if isinstance(value, int | float)}
        if not (math.isfinite(factors["spot_diameter_fullres"]) and factors["spot_diameter_fullres"] > 0):
            raise ValueError("spot_diameter_fullres is not above 0")
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f"Cannot read the scale factors {path}: {error}. Copy the folder spatial again.") from error
    except KeyError as error:
        raise DataError(f"The scale factors {path} lack {error}. Copy the folder spatial again.") from error
    return factors

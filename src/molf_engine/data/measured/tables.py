"""Tables of the first spatial transcriptomics arrays: counts by ``10x13`` spot and gene, and where each spot lies on the image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.measured.spots import Layout, MeasuredSpots, make_spots
from molf_engine.data.sections import Section
from molf_engine.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".tsv", ".csv", ".txt", ".tsv.gz", ".csv.gz", ".txt.gz")
DIAMETER_UM = 100.0
_SPOT = re.compile(r"^\d+(\.\d+)?x\d+(\.\d+)?$")
_X, _Y = ("pixel_x", "pxl_col_in_fullres", "x_px"), ("pixel_y", "pxl_row_in_fullres", "y_px")
_NAMES = ("barcode", "name", "spot", "id")


def stem_of(path: Path) -> str:
    """Name of a table without ``.tsv``, ``.csv.gz`` and the like."""
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def is_table(path: Path) -> bool:
    """Whether a file is named as a table."""
    return path.name.lower().endswith(SUFFIXES)


def is_positions(path: Path) -> bool:
    """Whether the first line of a table names the columns of positions on an image."""
    try:
        columns = [str(column).lower() for column in _read(path, rows=0).columns]
    except DataError:
        return False
    return any(name in columns for name in _X) and any(name in columns for name in _Y)


def read_tables(counts: Path, positions: Path | None = None) -> MeasuredSpots:
    """Read a table of counts and a table of positions.

    Parameters
    ----------
    counts
        One row per spot, its name (``10x13``) first, and one column per gene; or the other way round.
    positions
        Table with ``pixel_x`` and ``pixel_y`` (level-0 pixels) and the spot as ``x`` and ``y`` of the array or by name; none: a
        table beside ``counts`` whose name has that of the counts in it.

    Raises
    ------
    DataError
        If a table cannot be read, there is none of the positions, or spots have no position.
    """
    import anndata
    import pandas as pd
    import scipy.sparse

    table = _spots_in_rows(_read(counts, index=True), counts)
    positions = positions or _beside(counts)
    places = _positions(positions)
    known = [name for name in table.index if name in places.index]
    if not known:
        raise DataError(
            f"None of the {len(table):,} spots of {counts} (such as {table.index[0]}) is in {positions} (such as "
            f"{places.index[0]}). The two are of different sections: choose the positions that belong to these counts."
        )
    # A selection of spots is usual: what is not in it lies beside the tissue.
    on_tissue = np.array([name in places.index for name in table.index])
    spatial = places.reindex(table.index).fillna(0.0).to_numpy(dtype=np.float64)
    adata = anndata.AnnData(
        X=scipy.sparse.csr_matrix(table.to_numpy(dtype=np.float64)),
        obs=pd.DataFrame({"in_tissue": on_tissue.astype(int)}, index=list(table.index)),
        var=pd.DataFrame(index=[str(column) for column in table.columns]),
        obsm={"spatial": spatial},
    )
    section = Section(stem_of(counts), Path(), counts, technology="Spatial Transcriptomics")
    return make_spots(adata, section, Layout(diameter_um=DIAMETER_UM), counts)


def _read(path: Path, *, index: bool = False, rows: int | None = None) -> pd.DataFrame:
    import pandas as pd

    try:
        # The separator is whichever the first line has.
        head = pd.read_csv(path, sep="\x00", header=None, nrows=1, dtype=str, engine="python").iloc[0, 0]
        separator = max("\t,;", key=str(head).count)
        return pd.read_csv(path, sep=separator, index_col=0 if index else None, nrows=rows)
    except Exception as error:
        raise DataError(
            f"Cannot read the table {path}: {error}. It should be text, separated by tabs or commas."
        ) from error


def _spots_in_rows(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    table.index, table.columns = table.index.map(str), table.columns.map(str)
    in_rows, in_columns = (
        sum(bool(_SPOT.match(name)) for name in names[:50]) for names in (table.index, table.columns)
    )
    if not max(in_rows, in_columns):
        raise DataError(
            f"{path} names no spots such as 10x13, neither in its rows nor in its columns. Choose a table of counts."
        )
    table = table.T if in_columns > in_rows else table
    if not table.index.is_unique:
        raise DataError(
            f"{path} has the spot {table.index[table.index.duplicated()][0]} more than once. Keep one of each."
        )
    if strange := [name for name, kind in table.dtypes.items() if kind.kind not in "iufb"]:
        raise DataError(f"{path}: the column {strange[0]} holds text where counts should be. Correct the table.")
    return table


def _beside(counts: Path) -> Path:
    stem = stem_of(counts)
    folders = [counts.parent, counts.parent.parent / "ST-spotfiles", counts.parent / "spatial"]
    candidates = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    named = re.compile(rf"(^|[^0-9A-Za-z]){re.escape(stem)}([^0-9A-Za-z]|$)")
    for path in candidates:
        if path != counts and is_table(path) and named.search(stem_of(path)) and is_positions(path):
            return path
    raise DataError(
        f"There are no positions for the spots of {counts}. Choose its table of positions (pixel_x, pixel_y) together with the "
        f"counts, or put it beside them as {stem}_positions.tsv."
    )


def _positions(path: Path) -> pd.DataFrame:
    """``x`` and ``y`` in pixels, indexed by the spot."""
    import pandas as pd

    table = _read(path)
    table.columns = [str(column).strip().lower() for column in table.columns]
    x, y = (next((name for name in names if name in table), None) for names in (_X, _Y))
    if x is None or y is None:
        raise DataError(
            f"{path} has the columns {', '.join(table)}. Positions need pixel_x and pixel_y (level-0 pixels)."
        )
    if "selected" in table:
        table = table[table["selected"] != 0]
    name = next((column for column in _NAMES if column in table), None)
    if name is not None:
        names = table[name].astype(str)
    elif {"x", "y"} <= set(table.columns):
        names = table["x"].map("{:g}".format) + "x" + table["y"].map("{:g}".format)
    else:
        raise DataError(
            f"{path} does not say which spot a position is of: it needs the columns x and y of the array, or a name."
        )
    places = pd.DataFrame(
        {"x": pd.to_numeric(table[x], errors="coerce"), "y": pd.to_numeric(table[y], errors="coerce")}
    )
    places.index = pd.Index(names)
    if places.empty or not np.isfinite(places.to_numpy()).all():
        raise DataError(f"{path} has no spots, or positions that are no numbers. Correct the table.")
    if not places.index.is_unique:
        raise DataError(
            f"{path} has the spot {places.index[places.index.duplicated()][0]} more than once. Keep one of each."
        )
    return places

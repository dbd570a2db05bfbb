"""Measured spots in an AnnData file: a section in the layout of HEST-1k, or any ``.h5ad`` or ``.zarr`` with ``obsm["spatial"]``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.data.measured.spots import Layout, MeasuredSpots, make_spots
from molf_engine.data.sections import find_slide, make_section
from molf_engine.errors import DataError

if TYPE_CHECKING:
    import anndata


def read_anndata(path: Path) -> MeasuredSpots:
    """Read an AnnData file with raw counts in ``X``, or in ``layers["counts"]``.

    Parameters
    ----------
    path
        ``.h5ad`` file or ``.zarr`` folder.  In a folder ``st`` the metadata of the HEST layout beside it are read, too.

    Raises
    ------
    DataError
        If it cannot be read, has no positions, holds values that are no counts, or is a prediction.
    """
    adata = _read(path)
    if "molf" in adata.uns:
        raise DataError(
            f"{path} is a prediction, not a measurement. Choose the file with the counts; open this one with File > Open."
        )
    if "counts" in adata.layers:
        adata.X = adata.layers["counts"]
    said = adata.uns.get("meta")
    slide = find_slide(path) if path.parent.name == "st" else None
    more = {str(key): value for key, value in said.items()} if isinstance(said, Mapping) else {}
    section = make_section(path.stem, slide or Path(), path, more)
    layout = Layout(
        diameter_um=_length(section.metadata.get("spot_diameter")),
        diameter_px=_diameter_px(adata),
        pitch_um=_length(section.metadata.get("inter_spot_dist")),
    )
    return make_spots(adata, section, layout, path)


def _read(path: Path) -> anndata.AnnData:
    import anndata

    try:
        adata = anndata.read_zarr(path) if path.suffix == ".zarr" else anndata.read_h5ad(path)
    # A damaged HDF5 file or Zarr store fails in many ways; each means the same to the user.
    except Exception as error:
        raise DataError(
            f"Cannot read the counts in {path}: {error}. It should be an AnnData file (.h5ad or .zarr)."
        ) from error
    if not isinstance(adata, anndata.AnnData):
        raise DataError(f"{path} holds no AnnData table. Choose a file with counts and obsm['spatial'].")
    return adata


def _diameter_px(adata: anndata.AnnData) -> float | None:
    """What scanpy and squidpy keep of Space Ranger's scale factors; it is that of the first library."""
    libraries = adata.uns.get("spatial")
    for entry in libraries.values() if isinstance(libraries, Mapping) else ():
        factors = entry.get("scalefactors") if isinstance(entry, Mapping) else None
        if isinstance(factors, Mapping):
            return _length(factors.get("spot_diameter_fullres"))
    return None


def _length(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None

"""Predictions that another tool wrote as AnnData, laid beside our measurements."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from molf_engine.benchmark.settings import Outside
from molf_engine.data.spots import Spots
from molf_engine.errors import ConfigError, DataError

_log = logging.getLogger(__name__)

_NEAR_PX = 1.5
"""Other tools round centres to whole pixels."""


def check_outside(outsides: Sequence[Outside], sections: Sequence[str]) -> None:
    """Refuse tools that have no file for any test section.  Raises :class:`ConfigError`."""
    for outside in outsides:
        if not any((outside.folder / f"{name}.h5ad").is_file() for name in sections):
            raise ConfigError(
                f"{outside.folder} holds no prediction by {outside.name} of a test section: files are named by section, such as "
                f"{sections[0]}.h5ad."
            )


def outside_prediction(outside: Outside, spots: Spots) -> np.ndarray | None:
    """What another tool predicted for the spots of a section.

    Returns
    -------
    ndarray or None
        (S, G) float32 in the tool's scale, a constant 0 for genes that it does not predict: they have no correlation and leave every
        comparison.  None if there is no file for the section.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a spot or every gene, or holds values that are not finite.
    """
    path = outside.folder / f"{spots.section.id}.h5ad"
    if not path.is_file():
        _log.warning("%s has no prediction of %s (%s)", outside.name, spots.section.id, path)
        return None
    import anndata

    try:
        adata = anndata.read_h5ad(path)
        values = np.asarray(adata.X.toarray() if hasattr(adata.X, "toarray") else adata.X, dtype=np.float32)
    # A damaged HDF5 file fails in many ways; each means the same to the user.
    except Exception as error:
        raise DataError(f"Cannot read {path}: {error}. It should be an AnnData file (.h5ad).") from error
    if values.ndim != 2 or not np.isfinite(values).all():
        raise DataError(f"{path}: X should be (spots, genes), all finite.")
    rows = _rows(path, adata, spots)
    place = {str(name): column for column, name in enumerate(adata.var_names)}
    columns = np.array([place.get(gene, -1) for gene in spots.expression.genes])
    if (columns < 0).all():
        raise DataError(
            f"{path} predicts none of the {len(columns)} genes of the panel; its first is {adata.var_names[0]!r}. Use gene symbols."
        )
    return np.where(columns >= 0, values[rows][:, columns], np.float32(0))


def _rows(path: Path, adata: object, spots: Spots) -> np.ndarray:
    """Row of the file for each spot, by barcode or else by centre."""
    names, centres = list(map(str, adata.obs_names)), adata.obsm.get("spatial")  # type: ignore[attr-defined]
    row_of = {name: row for row, name in enumerate(names)}
    wanted = spots.expression.names
    if all(name in row_of for name in wanted):
        return np.array([row_of[name] for name in wanted])
    if centres is not None:
        from scipy.spatial import cKDTree

        distance, rows = cKDTree(np.asarray(centres, dtype=np.float64)[:, :2]).query(spots.expression.positions)
        if (distance <= _NEAR_PX).all():
            return np.asarray(rows)
        missing = int((distance > _NEAR_PX).sum())
    else:
        missing = sum(name not in row_of for name in wanted)
    raise DataError(
        f"{path} lacks {missing} of the {len(wanted)} spots of {spots.section.id}: name its rows by barcode, or give the centres in "
        'level-0 pixels as obsm["spatial"].'
    )

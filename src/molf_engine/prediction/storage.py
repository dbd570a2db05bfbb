"""Predictions on disk: `.h5ad` and `.zarr`, written atomically, checked on reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.bundle.expert_names import expert_names
from molf_engine.errors import PredictionError
from molf_engine.files import atomic_path
from molf_engine.prediction.contract import validate

if TYPE_CHECKING:
    import anndata as ad

SUFFIXES = (".h5ad", ".zarr")


def write_prediction(adata: ad.AnnData, path: Path, *, overwrite: bool = False) -> None:
    """Write a prediction, whole or not at all.

    Names that the user of this machine gave to the experts by now go along, as ``uns["molf"]["expert_labels"]``; those in
    ``expert_names`` stay the model's own.

    Raises
    ------
    PredictionError
        If it breaks the contract or the suffix is neither `.h5ad` nor `.zarr`.
    MolfError
        If ``path`` exists, or cannot be written.
    """
    path = Path(path)
    validate(adata)
    _check_suffix(path)
    _label_experts(adata)
    with atomic_path(path, overwrite=overwrite) as beside:
        if path.suffix == ".h5ad":
            adata.write_h5ad(beside, compression="lzf")
        else:
            adata.write_zarr(beside)


def read_prediction(path: Path) -> ad.AnnData:
    """Read a prediction and check it.  Raises :class:`PredictionError` if it is none, damaged, or of an unknown version."""
    import anndata as ad

    path = Path(path)
    _check_suffix(path)
    if not path.exists():
        raise PredictionError(f"There is no file {path}.")
    try:
        adata = ad.read_h5ad(path) if path.suffix == ".h5ad" else ad.read_zarr(path)
    except Exception as error:  # h5py, zarr and anndata each raise kinds of their own on a damaged file
        raise PredictionError(f"{path} cannot be read; it is damaged or not a prediction: {error}") from error
    validate(adata, str(path))
    return adata


def _label_experts(adata: ad.AnnData) -> None:
    molf = adata.uns["molf"]
    own = list(molf["expert_names"])
    labels = list(expert_names(str(molf["weights_hash"]), len(own)))
    # Without names of this user's, those that the file came with stay.
    if labels != own:
        molf["expert_labels"] = labels


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise PredictionError(f"{path}: a prediction is a file that ends in {' or '.join(SUFFIXES)}.")

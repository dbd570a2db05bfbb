"""The counts of an AnnData file, a block of spots at a time: what is in memory does not grow with the section.

A section of 25,000 spots and 18,000 genes has over a hundred million counts: a gigabyte as the file holds them, two as the float64 that
sums need.  Nothing but sums over them is ever wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from molf_engine.errors import DataError

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    import scipy.sparse

_T = TypeVar("_T")
MOST_ENTRIES = 2**22
"""Counts of one block: about 0.2 GB while it is made."""
MOST_SPOTS = 4096


@dataclass(frozen=True)
class CountFile:
    """An ``.h5ad`` file (``S`` spots, ``F`` genes) whose counts stay on disk."""

    path: Path
    shape: tuple[int, int]
    """``(S, F)``; zeros: there are no counts."""
    names: tuple[str, ...]
    """Of the spots, as they are."""
    genes: pd.DataFrame
    """The table ``var``, ``F`` rows."""
    spatial: np.ndarray | None
    """``obsm["spatial"]``."""

    @classmethod
    def open(cls, path: Path) -> CountFile:
        """Read all but the counts.  Raises :class:`DataError` if the file cannot be read."""

        def read(file: h5py.File) -> CountFile:
            from anndata.io import read_elem

            spots, genes = _tables(file, path)
            spatial = file["obsm/spatial"] if "spatial" in file.get("obsm", ()) else None
            return cls(
                path,
                _shape(file["X"]) if "X" in file else (0, 0),
                tuple(map(str, spots.index)),
                genes,
                None if spatial is None else np.asarray(read_elem(spatial)),
            )

        return _reading(path, read)

    def blocks(self) -> Iterator[tuple[int, scipy.sparse.csr_matrix]]:
        """First spot and counts ``(B, F)``, float64, of each block, in order.

        Raises
        ------
        DataError
            If they cannot be read.
        """
        import h5py

        try:
            with h5py.File(self.path) as file:
                stored = file["X"]
                way = _dense if isinstance(stored, h5py.Dataset) else _WAYS[_kind(stored)]
                yield from way(stored, self.shape)
        except Exception as error:
            raise _unreadable(self.path, error) from error

    def layer(self, name: str) -> np.ndarray | None:
        """A dense layer ``(S, F)`` as float32, if there is one of that name."""

        def read(file: h5py.File) -> np.ndarray | None:
            found = name in file.get("layers", ())
            return np.asarray(file["layers"][name], dtype=np.float32) if found else None

        return _reading(self.path, read)


def _reading(path: Path, read: Callable[[h5py.File], _T]) -> _T:
    import h5py

    try:
        with h5py.File(path) as file:
            return read(file)
    # A damaged HDF5 file fails in many ways; each means the same to the user.
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> DataError:
    return DataError(f"Cannot read the counts in {path}: {error}. It should be an AnnData file (.h5ad).")


def _tables(file: h5py.File, path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``obs`` and ``var``."""
    import anndata
    import h5py
    from anndata.io import read_elem

    # AnnData before 0.7 wrote its tables as records.
    if isinstance(file["obs"], h5py.Dataset):
        adata = anndata.read_h5ad(path, backed="r")
        adata.file.close()
        return adata.obs, adata.var
    return read_elem(file["obs"]), read_elem(file["var"])


def _kind(stored: h5py.Group) -> str:
    kind = str(stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format", ""))).removesuffix("_matrix")
    if kind not in _WAYS:
        raise ValueError(f"X is stored in an unknown way ({kind or 'no encoding-type'})")
    return kind


def _shape(stored: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    shape = stored.shape if hasattr(stored, "shape") else stored.attrs.get("shape", stored.attrs.get("h5sparse_shape"))
    if shape is None or len(shape) != 2:
        # What anndata writes for X = None.
        return (0, 0)
    return int(shape[0]), int(shape[1])


_Blocks = Iterator[tuple[int, "scipy.sparse.csr_matrix"]]


def _dense(stored: h5py.Dataset, shape: tuple[int, int]) -> _Blocks:
    import scipy.sparse

    step = int(np.clip(MOST_ENTRIES // shape[1], 1, MOST_SPOTS))
    for start in range(0, shape[0], step):
        yield start, scipy.sparse.csr_matrix(stored[start : start + step], dtype=np.float64)


def _csr(stored: h5py.Group, shape: tuple[int, int]) -> _Blocks:
    import scipy.sparse

    ends = stored["indptr"][...].astype(np.int64)
    for start, stop in _bounds(ends):
        first, last = ends[start], ends[stop]
        parts = (
            stored["data"][first:last].astype(np.float64),
            stored["indices"][first:last],
            ends[start : stop + 1] - first,
        )
        yield start, scipy.sparse.csr_matrix(parts, shape=(stop - start, shape[1]))


def _csc(stored: h5py.Group, shape: tuple[int, int]) -> _Blocks:
    """Blocks of spots from a file in the order of genes: it is gone through once to count, and once for each block."""
    import scipy.sparse

    data, indices, ends = stored["data"], stored["indices"], stored["indptr"][...].astype(np.int64)
    parts = [slice(first, first + MOST_ENTRIES) for first in range(0, len(data), MOST_ENTRIES)]
    counts = np.zeros(shape[0], np.int64)
    for part in parts:
        counts += np.bincount(indices[part], minlength=shape[0])
    for start, stop in _bounds(np.concatenate([[0], np.cumsum(counts)])):
        block = scipy.sparse.csr_matrix((stop - start, shape[1]), dtype=np.float64)
        for part in parts:
            rows = indices[part]
            inside = np.flatnonzero((rows >= start) & (rows < stop))
            genes = np.searchsorted(ends, inside + part.start, side="right") - 1
            found = (data[part][inside].astype(np.float64), (rows[inside] - start, genes))
            block = block + scipy.sparse.csr_matrix(found, shape=block.shape)
        yield start, block


def _bounds(ends: np.ndarray) -> Iterator[tuple[int, int]]:
    """Spots of each block, from where the counts of each spot begin and end, ``(S + 1,)``."""
    start, spots = 0, len(ends) - 1
    while start < spots:
        full = int(np.searchsorted(ends, ends[start] + MOST_ENTRIES, side="right")) - 1
        stop = min(max(full, start + 1), start + MOST_SPOTS, spots)
        yield start, stop
        start = stop


_WAYS: dict[str, Callable[[Any, tuple[int, int]], _Blocks]] = {"csr": _csr, "csc": _csc}

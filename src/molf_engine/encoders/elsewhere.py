"""Features that another tool computed, read as they are.

- ``.h5`` of TRIDENT and HEST: ``features`` (or ``embeddings``), with ``coords``, the upper left corners of the
  patches in level-0 pixels, and their side in the attribute ``patch_size_level0``; or with ``barcodes``;
- ``.pt``: a dictionary barcode -> vector;
- ``.npy``: one row a patch, with a CSV of coordinates of the same name beside it (centres, as ``--positions``
  reads).

None of them is executed: pickled objects other than tensors are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.errors import DataError

if TYPE_CHECKING:
    from molf_engine.slides import Patches

_FEATURES, _COORDS, _BARCODES = ("features", "embeddings"), ("coords", "coordinates"), ("barcodes", "barcode")
_SIDE = "patch_size_level0"
_NEAR = 0.02  # of a patch's side: other tools round corners to whole pixels
_NEAR_PX = 1.5


@dataclass(frozen=True)
class _Found:
    """Features ``(N, D)`` with the names or the centres ``(N, 2)`` of their patches, or both."""

    features: np.ndarray
    names: tuple[str, ...] | None = None
    centres: np.ndarray | None = None


def read_features(
    path: Path | str, patches: Patches, *, coordinates: Path | str | None = None, partial: bool = False
) -> np.ndarray:
    """Features of ``patches`` from a file that another tool wrote.

    Parameters
    ----------
    path
        ``.h5``, ``.pt`` or ``.npy`` file.
    patches
        Matched by name (barcode) where the file has barcodes that fit, by centre otherwise.
    coordinates
        CSV of an ``.npy`` file; none: the file of the same name ending in ``.csv``.
    partial
        Whether the file may lack patches, not all of them: their rows are NaN.

    Returns
    -------
    ``(P, D)`` float32, in the order of ``patches``.

    Raises
    ------
    DataError
        If the file cannot be read, is laid out otherwise, holds values that are not finite, or lacks a patch.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no features file {path}.")
    match path.suffix.lower():
        case ".h5" | ".hdf5":
            found = _read_h5(path)
        case ".pt":
            found = _read_pt(path)
        case ".npy":
            found = _read_npy(path, Path(coordinates) if coordinates is not None else path.with_suffix(".csv"))
        case suffix:
            raise DataError(f"{path} ends in {suffix or 'nothing'}; features are read from .h5, .pt and .npy files.")
    features = _checked(path, found)
    rows, by = _match(path, found, patches)
    if not partial or (rows < 0).all():
        _all_found(path, rows, patches, by)
    chosen = features[rows]
    if not np.isfinite(chosen[rows >= 0]).all():
        first = int(np.flatnonzero((rows >= 0) & ~np.isfinite(chosen).all(axis=1))[0])
        raise DataError(
            f"{path}: the features of patch {patches.names[first]} hold values that are not finite. Compute them again."
        )
    chosen[rows < 0] = np.nan
    return chosen


def _read_h5(path: Path) -> _Found:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            features = _dataset(file, _FEATURES)
            if features is None:
                raise DataError(f"{path} has no dataset `features`; it has {', '.join(file) or 'nothing'}.")
            barcodes, coords = _dataset(file, _BARCODES), _dataset(file, _COORDS)
            names = None if barcodes is None else tuple(_text(value) for value in np.ravel(barcodes[()]))
            centres = None if coords is None else _centres(path, file, features, coords, required=names is None)
            # TRIDENT writes a leading axis of length 1 in some of its versions.
            values = features[0] if features.ndim == 3 and features.shape[0] == 1 else features[()]
            return _Found(np.asarray(values), names, centres)
    except (OSError, RuntimeError, TypeError) as error:
        raise DataError(f"{path} cannot be read as HDF5 ({error}).") from error


def _dataset(file: Any, names: tuple[str, ...]) -> Any:
    import h5py

    return next((file[name] for name in names if isinstance(file.get(name), h5py.Dataset)), None)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _centres(path: Path, file: Any, features: Any, coords: Any, *, required: bool) -> np.ndarray | None:
    side = next((place.attrs[_SIDE] for place in (coords, features, file) if _SIDE in place.attrs), None)
    if side is None:
        if required:
            raise DataError(
                f"{path}: `coords` does not say how large a patch is: attribute `{_SIDE}` is missing,"
                " and there are no `barcodes`. Write the attribute, the side of a patch in level-0 pixels."
            )
        return None
    corners = np.asarray(coords[()], np.float64)
    return corners.reshape(-1, corners.shape[-1])[:, :2] + float(side) / 2


def _read_pt(path: Path) -> _Found:
    import pickle

    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(
            f"{path} cannot be read: it is damaged, or holds more than plain tensors, which is refused ({reason})."
        ) from error
    if not isinstance(content, dict) or not content:
        raise DataError(f"{path} should hold a dictionary barcode -> vector; it holds {type(content).__name__}.")
    rows = []
    for name, vector in content.items():
        if not isinstance(vector, torch.Tensor):
            raise DataError(f"{path}: the features of {name!r} are {type(vector).__name__}, not a tensor.")
        rows.append(vector.detach().to(torch.float32).numpy().ravel())
    if len({len(row) for row in rows}) != 1:
        raise DataError(f"{path}: the feature vectors differ in length.")
    return _Found(np.stack(rows), tuple(str(name) for name in content))


def _read_npy(path: Path, coordinates: Path) -> _Found:
    from molf_engine.slides.positions import read_positions

    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a plain NumPy array ({error}).") from error
    if not coordinates.is_file():
        raise DataError(
            f"{path} needs the coordinates of its patches: there is no {coordinates} (columns x, y, one row a patch)."
        )
    positions, names = read_positions(coordinates)
    return _Found(features, names, positions)


def _checked(path: Path, found: _Found) -> np.ndarray:
    features = found.features
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.number) or np.iscomplexobj(features):
        raise DataError(
            f"{path}: features should be numbers, one row a patch; they are {features.dtype} of shape {features.shape}."
        )
    for what, labels in (("barcodes", found.names), ("coordinates", found.centres)):
        if labels is not None and len(labels) != len(features):
            raise DataError(f"{path}: {len(features)} feature vectors, but {len(labels)} {what}.")
    return features.astype(np.float32, copy=False)


def _match(path: Path, found: _Found, patches: Patches) -> tuple[np.ndarray, str]:
    """Row of the file for each patch ``(P,)``, -1: it has none; and what they were told apart by, names if those find as many."""
    if found.names is None and found.centres is None:
        raise DataError(f"{path} holds neither barcodes nor coordinates: its features cannot be told apart.")
    ways = []
    if found.names is not None:
        row_of = {name: row for row, name in enumerate(found.names)}
        ways.append((np.array([row_of.get(name, -1) for name in patches.names], np.int64), "barcode"))
    if found.centres is not None and not (ways and (ways[0][0] >= 0).all()):
        ways.append((_nearest(found.centres, patches), "position"))
    return max(ways, key=lambda way: int((way[0] >= 0).sum()))


def _nearest(centres: np.ndarray, patches: Patches) -> np.ndarray:
    """Row of the centre at that of each patch ``(P,)``, -1 where there is none."""
    if not len(centres):
        return np.full(len(patches), -1)
    from scipy.spatial import cKDTree

    distance, rows = cKDTree(centres).query(patches.centres)
    return np.where(distance <= max(_NEAR_PX, _NEAR * patches.size_px), rows, -1)


def _all_found(path: Path, rows: np.ndarray, patches: Patches, by: str) -> None:
    """Raise :class:`DataError` naming the first patch without features."""
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        x, y = patches.centres[missing[0]]
        raise DataError(
            f"{path}: {len(missing)} of {len(patches)} patches have no features by {by}; the first is"
            f" {patches.names[missing[0]]} with its centre at x {x:.0f}, y {y:.0f} (level-0 pixels)."
            " Compute features for these patches, or predict at the file's own positions."
        )

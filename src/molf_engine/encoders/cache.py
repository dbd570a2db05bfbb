"""Features on disk: what was encoded once is not encoded again.

Layout: ``<folder>/<slide>/<view>/<chunk>.npz``.  ``<slide>`` is named by the slide's fingerprint, ``<view>`` by the
patch specification and the encoder (spelled out in its ``view.json``).  A chunk holds the centres and features of
the patches of one batch, so a region and the whole slide share what they have in common.  Chunks are written beside
their place and renamed, and never changed, so that two processes may write at once and a killed one leaves nothing
half-written; a finished run merges small chunks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from molf_engine.errors import MolfError
from molf_engine.files import atomic_path

DEFAULT_MAX_BYTES = 4 * 1024**3
_MERGE_ABOVE = 16  # chunks of one view that may lie about unmerged
_TRIES = 5  # another process may evict the slide's folder while it is written to
_SUBPIXEL = 8  # centres nearer than 1/8 level-0 pixel are the same patch
_DAMAGED = (ValueError, KeyError, EOFError, zipfile.BadZipFile)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What a cached feature depends on besides its patch's centre."""

    slide: str
    """Fingerprint of the slide."""
    encoder: str
    """Name of the encoder, which holds a hash of its weights."""
    field_um: float
    field_px: int
    um_per_pixel: float
    """Of the slide at level 0; the same file opened under another scale shows other tissue."""
    width: int
    """D, the length of a feature vector."""

    @property
    def folder(self) -> Path:
        """Folder of the view, relative to the cache."""
        spec = {**asdict(self), "um_per_pixel": f"{self.um_per_pixel:.6g}", "field_um": f"{self.field_um:.6g}"}
        digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
        return Path(self.slide[:24]) / digest[:16]


class CacheInfo(NamedTuple):
    """Where the features lie, of how many slides, and how large they are."""

    path: Path
    slides: int
    bytes: int


def default_folder() -> Path:
    """Folder of the feature cache: ``MOLF_CACHE_DIR``, or the user's cache folder."""
    if given := os.environ.get("MOLF_CACHE_DIR"):
        return Path(given).expanduser() / "features"
    from platformdirs import user_cache_path

    return user_cache_path("napari-molf", appauthor=False) / "features"


class FeatureCache:
    """Encoded features, kept on disk between runs and bounded in size.

    Parameters
    ----------
    folder
        Where to keep them; none: ``MOLF_CACHE_DIR``, or the user's cache folder.
    max_bytes
        Above this size the slides that were not used for longest are dropped, never the slide being written.
    """

    def __init__(self, folder: Path | str | None = None, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self.folder = Path(folder) if folder is not None else default_folder()
        self.max_bytes = int(max_bytes)

    def find(self, view: View, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look patches up by their centres.

        Parameters
        ----------
        view
            Slide, patch specification and encoder.
        centres
            ``(P, 2)`` x, y in level-0 pixels.

        Returns
        -------
        index
            ``(K,)`` rows of ``centres`` that are cached, ascending.
        features
            ``(K, D)`` float32, their features.
        """
        known, features = self._read(view)
        if not len(known):
            return np.empty(0, np.int64), np.empty((0, view.width), np.float32)
        self._touch(view)
        row_of = {key: row for row, key in enumerate(_keys(known))}
        hits = [(index, row_of[key]) for index, key in enumerate(_keys(centres)) if key in row_of]
        pairs = np.array(hits, np.int64).reshape(-1, 2)
        return pairs[:, 0], features[pairs[:, 1]]

    def add(self, view: View, centres: np.ndarray, features: np.ndarray) -> None:
        """Keep the features ``(K, D)`` of the patches at ``centres`` ``(K, 2)``.

        Raises
        ------
        MolfError
            If the folder cannot be written.
        """
        if not len(centres):
            return
        folder = self.folder / view.folder
        for attempt in range(_TRIES):
            try:
                _describe(folder, view)
                self._write_chunk(folder, np.asarray(centres, np.float64), np.asarray(features, np.float32))
                break
            except (FileNotFoundError, MolfError) as error:
                evicted = isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError)
                if not evicted or attempt == _TRIES - 1:
                    raise
        self._touch(view)
        self._shrink(keep=view.slide[:24])

    def tidy(self, view: View) -> None:
        """Merge the small chunks of a view into one."""
        folder = self.folder / view.folder
        chunks = _chunks(folder)
        if len(chunks) <= _MERGE_ABOVE:
            return
        centres, features = self._read(view)
        if not len(centres):
            return
        # Written before the old ones go: a reader in between sees patches twice, never too few.
        self._write_chunk(folder, centres, features)
        for chunk in chunks:
            _unlink(chunk)

    def info(self) -> CacheInfo:
        """Path of the cache, the number of slides in it and its size in bytes."""
        slides = self._slides()
        return CacheInfo(self.folder, len(slides), sum(_size(slide) for slide in slides))

    def clear(self) -> None:
        """Forget every feature.

        Raises
        ------
        MolfError
            If a file cannot be removed.
        """
        for slide in self._slides():
            try:
                shutil.rmtree(slide)
            except FileNotFoundError:
                continue
            except OSError as error:
                raise MolfError(f"Cannot clear the feature cache: {slide} is in use or protected ({error}).") from error

    def _read(self, view: View) -> tuple[np.ndarray, np.ndarray]:
        """Centres ``(K, 2)`` and features ``(K, D)`` of every readable chunk; each patch once."""
        folder = self.folder / view.folder
        for _ in range(5):
            try:
                parts = list(_read_chunks(_chunks(folder), view.width))
                break
            except FileNotFoundError:
                continue  # another process merged its chunks between our listing and our reading: list again
        else:
            parts = []
        if not parts:
            return np.empty((0, 2)), np.empty((0, view.width), np.float32)
        centres = np.concatenate([part[0] for part in parts])
        features = np.concatenate([part[1] for part in parts])
        _, first = np.unique(np.round(centres * _SUBPIXEL).astype(np.int64), axis=0, return_index=True)
        return centres[first], features[first]

    def _write_chunk(self, folder: Path, centres: np.ndarray, features: np.ndarray) -> None:
        path = folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.npz"
        with atomic_path(path) as beside, open(beside, "wb") as file:
            np.savez(file, centres=centres, features=features)

    def _touch(self, view: View) -> None:
        with contextlib.suppress(OSError):
            os.utime(self.folder / view.slide[:24])

    def _slides(self) -> list[Path]:
        """Slide folders, the least recently used first."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            folders = [path for path in self.folder.iterdir() if path.is_dir() and _is_slide(path.name)]
            return sorted(folders, key=_used)
        return []

    def _shrink(self, keep: str) -> None:
        slides = self._slides()
        sizes = {slide: _size(slide) for slide in slides}
        excess = sum(sizes.values()) - self.max_bytes
        for slide in slides:
            if excess <= 0:
                return
            if slide.name != keep:
                shutil.rmtree(slide, ignore_errors=True)
                excess -= sizes[slide]


def _describe(folder: Path, view: View) -> None:
    """Spell out what a view's folder holds."""
    description = folder / "view.json"
    if not description.exists():
        with atomic_path(description) as beside:
            beside.write_text(json.dumps(asdict(view), indent=1), encoding="utf-8")


def _keys(centres: np.ndarray) -> Iterator[tuple[int, int]]:
    grid = np.round(np.asarray(centres, np.float64) * _SUBPIXEL).astype(np.int64)
    return ((x, y) for x, y in grid.tolist())


def _chunks(folder: Path) -> list[Path]:
    # A name that begins with a dot is still being written.
    return sorted(path for path in folder.glob("*.npz") if not path.name.startswith("."))


def _read_chunks(paths: list[Path], width: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for path in paths:
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as chunk:
                centres, features = chunk["centres"], chunk["features"]
            if centres.shape != (len(centres), 2) or features.shape != (len(centres), width):
                raise ValueError(f"shapes {centres.shape} and {features.shape}")
        except FileNotFoundError:
            raise
        except _DAMAGED as error:
            _log.warning("Dropping a damaged file of the feature cache, %s: %s", path, error)
            _unlink(path)
            continue
        yield centres, features


def _is_slide(name: str) -> bool:
    # Nothing but our own folders is ever counted or removed, should the cache point at a folder with other things.
    return len(name) == 24 and all(letter in "0123456789abcdef" for letter in name)


def _used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(folder: Path) -> int:
    total = 0
    # Another process may evict the folder, or write to it, while it is walked.
    with contextlib.suppress(OSError):
        for path in folder.rglob("*"):
            with contextlib.suppress(OSError):
                total += path.stat().st_size
    return total


def _unlink(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()

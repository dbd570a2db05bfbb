"""Recognise a slide again, by content, without reading all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from molf_engine.slides.protocol import Slide

_PART = 2**20


def fingerprint(slide: Slide) -> str:
    """SHA-256 (hex) of the size in bytes, the first and the last MB, and the level sizes.

    Of a folder: the names and sizes of its files and the first MB of the first that is not empty.  The name and
    place of the slide do not matter; a slide that was changed at equal length in the middle is taken for the same.
    """
    digest = hashlib.sha256()
    if slide.path.is_dir():
        _add_folder(digest, slide.path)
    else:
        _add_file(digest, slide.path)
    digest.update(repr([(level.width, level.height) for level in slide.levels]).encode())
    return digest.hexdigest()


def file_fingerprint(path: Path) -> str:
    """SHA-256 (hex) of the size in bytes, the first and the last MB of a file."""
    digest = hashlib.sha256()
    _add_file(digest, path)
    return digest.hexdigest()


def _add_file(digest: hashlib._Hash, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as stream:
        digest.update(stream.read(_PART))
        stream.seek(max(0, size - _PART))
        digest.update(stream.read(_PART))


def _add_folder(digest: hashlib._Hash, folder: Path) -> None:
    files = []
    for root, _, names in os.walk(folder):
        files += [Path(root, name) for name in names]
    files.sort(key=lambda file: file.relative_to(folder).as_posix())
    sizes = [file.stat().st_size for file in files]
    for file, size in zip(files, sizes, strict=True):
        digest.update(f"{file.relative_to(folder).as_posix()}:{size}\n".encode())
    first = next((file for file, size in zip(files, sizes, strict=True) if size), None)
    if first is not None:
        with first.open("rb") as stream:
            digest.update(stream.read(_PART))

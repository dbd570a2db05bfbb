"""Files are written beside their destination and renamed, so that nothing half-written is ever seen."""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from molf_engine.errors import MolfError

_TRIES, _SURE, _PAUSE_SECONDS = 100, 4, 0.02


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise :class:`MolfError` if ``path`` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise MolfError(f"{path} exists already. Choose another name, or replace it with --overwrite.")


def make_parent(path: Path) -> None:
    """Make the folder that ``path`` will be in: found wanting now, it costs nobody an hour.

    Raises
    ------
    MolfError
        If the folder cannot be made or written to.
    """
    probe = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = _REFUSALS.get(error.errno or 0, str(error.strerror or error))
        raise MolfError(f"Cannot write {path}: {reason}.") from error


@contextmanager
def atomic_path(path: Path, *, overwrite: bool = True) -> Iterator[Path]:
    """Yield a path beside ``path`` to write a file or folder to; it takes the name ``path`` when the block succeeds.

    On an error, a full disk included, what was written is removed and the old file stays as it was.

    Raises
    ------
    MolfError
        If ``path`` exists and ``overwrite`` is false, or the operating system refuses to write there.
    """
    path = Path(path)
    refuse_existing(path, overwrite)
    # The suffix stays at the end: writers choose their format by it.
    beside = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield beside
            replace_path(beside, path)
    finally:
        _remove(beside)


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Say in plain words why the operating system refuses to write ``path``.

    Raises
    ------
    MolfError
        If the disk is full or read-only, or permission is denied.
    """
    try:
        yield
    except OSError as error:
        # Only what concerns this place: the block may fail to read another file, and that must not be blamed on this one.
        here = error.filename is None or str(error.filename).startswith((str(path.parent), str(path)))
        if error.errno in _REFUSALS and here:
            raise MolfError(f"Cannot write {path}: {_REFUSALS[error.errno]}.") from error
        raise


_REFUSALS = {
    errno.ENOSPC: "the disk is full. Free some space, or choose a folder on another disk",
    errno.EACCES: "permission denied. Choose a folder that you may write to",
    errno.EPERM: "permission denied. Choose a folder that you may write to",
    errno.EROFS: "the disk is read-only. Choose a folder that you may write to",
    errno.ENOTDIR: "part of that path is a file, not a folder",
    errno.ENOENT: "there is no such folder, and it cannot be made",
    errno.EEXIST: "part of that path is a file, not a folder",
}


def replace_path(source: Path, target: Path) -> None:
    """Give a file or folder the name of another, which is removed if it is there."""
    if target.is_dir():
        # A folder cannot be renamed over a folder that holds something: move the old one aside first.
        aside = target.with_name(f".{target.stem}-old-{uuid.uuid4().hex[:8]}")
        target.rename(aside)
        try:
            source.rename(target)
        except OSError:
            aside.rename(target)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    else:
        os.replace(source, target)


def _remove(path: Path) -> None:
    if path.is_dir():
        # zarr writes from threads of its own; when one of them has failed, others go on for a moment and make the folder anew.
        gone = 0
        for _ in range(_TRIES):
            shutil.rmtree(path, ignore_errors=True)
            gone = 0 if path.exists() else gone + 1
            if gone == _SURE:
                return
            time.sleep(_PAUSE_SECONDS)
    else:
        # Where part of the path is a file, there is nothing to remove, and this must not hide why writing failed.
        with suppress(OSError):
            path.unlink()

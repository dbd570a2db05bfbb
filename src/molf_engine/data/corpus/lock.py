"""One process at a time writes a corpus, or another folder that is gone on with.

The lock is the operating system's, not the existence of the file: it goes with the process that held it, however that ended.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from molf_engine.errors import MolfError


@contextmanager
def only_writer(path: Path, doing: str = "prepared") -> Iterator[None]:
    """Hold the lock file ``path``; ``doing`` says what is done to its folder.  Raises :class:`MolfError` if another process holds it."""
    # Not "w": that would empty the file of the process that holds it.
    with open(path, "a+b") as file:
        if not _try_lock(file):
            file.seek(0)
            holder = file.read(200).decode(errors="replace").strip() or "another process"
            raise MolfError(
                f"{path.parent} is being {doing} by {holder}. Wait until it has finished or stop it, or choose another name."
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        file.flush()
        try:
            yield
        finally:
            with suppress(OSError):
                file.truncate(0)
            _unlock(file)


# Windows locks bytes against reading too: one far behind the text is locked, so that the text says who holds it.
_LOCKED_BYTE = 2**20

if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        file.seek(_LOCKED_BYTE)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)

"""One worker a slide: a claim is a file that only one can make, with a heartbeat for as long as its owner lives.

A claim is stale, and may be taken over, if its owner ran on this machine and is gone, or if its heartbeat is older than
:data:`STALE_SECONDS`.  Heartbeats are modification times, compared with that of a file made just now in the same folder: the clocks of
the machines that share it need not agree.  An owner that was only slow (a suspended machine) finds out before it publishes a result.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Self

from molf_engine.errors import MolfError
from molf_engine.files import atomic_path

HEARTBEAT_SECONDS = 15.0
"""Between two signs of life."""

STALE_SECONDS = 180.0
"""Without a sign of life for so long, a worker on another machine counts as dead."""

_SAME_START = 1.0  # s; start times of processes are rounded


class ClaimLostError(MolfError):
    """Another worker has taken the slide over in the meantime."""


@dataclass(frozen=True)
class Owner:
    """Who holds a claim.

    Attributes
    ----------
    host, pid : str, int
        For people.
    machine : str
        Host, boot and process namespace: where a pid means one process.
    born : float
        When the process began; pids are used again.
    run : str
        Id of the command.
    token : str
        Of this one claim.
    """

    host: str
    pid: int
    machine: str
    born: float
    run: str
    token: str

    @classmethod
    def here(cls, run: str) -> Self:
        """Name this process."""
        import psutil

        return cls(platform.node(), os.getpid(), _machine(), psutil.Process().create_time(), run, uuid.uuid4().hex[:8])

    @property
    def gone(self) -> bool:
        """Whether the process is known to have ended; false where that cannot be known."""
        if self.machine != _machine():
            return False
        import psutil

        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.born) > _SAME_START or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False


class Claim:
    """A claim that this process holds; a context manager that shows life and releases it at the end.

    Parameters
    ----------
    path : Path
        The file.
    owner : Owner
        Its content.
    """

    def __init__(self, path: Path, owner: Owner) -> None:
        self.path = path
        self.owner = owner
        self._end = threading.Event()
        self._lost = False
        self._heart = threading.Thread(target=self._beat, name="molf-claim", daemon=True)

    def __enter__(self) -> Self:
        self._heart.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._heart.join()
        if self._held():
            _unlink(self.path)

    @property
    def lost(self) -> bool:
        """Whether the last heartbeat found another owner."""
        return self._lost

    def confirm(self) -> None:
        """Raise :class:`ClaimLostError` if another has taken it over."""
        if not self._held():
            raise ClaimLostError(f"Another worker has taken over {self.path.stem}; this one was too slow to show life.")

    def _held(self) -> bool:
        owner = read_owner(self.path)
        return owner is not None and owner.token == self.owner.token

    def _beat(self) -> None:
        while not self._end.wait(HEARTBEAT_SECONDS):
            if not self._held():
                self._lost = True
                return
            with suppress(OSError):
                os.utime(self.path)


def take(path: Path, run: str) -> Claim | Owner | None:
    """Claim a slide.

    Returns
    -------
    Claim, Owner or None
        The claim; or who holds it, none if that cannot be read.

    Raises
    ------
    MolfError
        If the folder cannot be written.
    """
    me = Owner.here(run)
    if _create(path, me):
        return Claim(path, me)
    holder = read_owner(path)
    if not _stale(path):
        return holder
    # Only one may take over, and it looks again once it is the one: else a claim taken over just now would be taken again.
    lock = path.with_name(f"{path.name}.takeover")
    if not _create(lock, me):
        if _stale(lock):
            _unlink(lock)
        return holder
    try:
        if not _stale(path):
            return read_owner(path)
        with atomic_path(path) as beside:
            beside.write_text(json.dumps(asdict(me)), encoding="utf-8")
    finally:
        _unlink(lock)
    return Claim(path, me)


def read_owner(path: Path) -> Owner | None:
    """Owner of a claim; none if there is no claim, or one that cannot be read."""
    try:
        return Owner(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _create(path: Path, owner: Owner) -> bool:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(owner)))
    except FileExistsError:
        return False
    except OSError as error:
        # A claim that could not be written whole would look like someone's.
        _unlink(path)
        raise MolfError(f"Cannot write {path}: {error.strerror or error}.") from error
    return True


def _stale(path: Path) -> bool:
    owner = read_owner(path)
    if owner is not None and owner.gone:
        return True
    try:
        return _clock(path.parent) - path.stat().st_mtime > STALE_SECONDS
    except FileNotFoundError:
        # Released just now: whoever comes next will find it free.
        return False


def _clock(folder: Path) -> float:
    """What time it is for the disk that the folder is on."""
    probe = folder / f".clock-{uuid.uuid4().hex[:8]}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError as error:
        raise MolfError(f"Cannot write {folder}: {error.strerror or error}.") from error
    finally:
        _unlink(probe)


@cache
def _machine() -> str:
    parts = [platform.node()]
    with suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    # Containers may share a host's name and boot, but not what a pid means.
    with suppress(OSError):
        parts.append(os.readlink("/proc/self/ns/pid"))
    return " ".join(parts)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()

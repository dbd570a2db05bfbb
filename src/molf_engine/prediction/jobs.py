"""A prediction in a child process: what a viewer starts, watches and can stop at once.

The child is a fresh interpreter on every system.  It shares neither the viewer's thread lock nor its libraries (on Windows torch must
not be loaded after Qt), and killing it is a real stop: files are written beside and renamed, so none is left half-written.

Messages are pickled: both ends are this program, and nothing else writes to the pipe.

Messages from the child, in order: :class:`~molf_engine.progress.Progress` any number of times, :class:`Started` once,
:class:`Partial` as patches are encoded, then :class:`Done` or :class:`Failed`.
"""

from __future__ import annotations

import pickle
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, ClassVar

import numpy as np

from molf_engine.bundle import UNKNOWN_CODE
from molf_engine.bundle.latents import SlideLatents
from molf_engine.progress import Progress
from molf_engine.slides import Patches


@dataclass(frozen=True)
class PredictRequest:
    """What to predict.

    Attributes
    ----------
    slide : str
        Path of the slide.
    bundle : str
        Path of the bundle.
    um_per_pixel : float or None
        At level 0, where the file does not say it or says it wrongly.
    code : str
        Cancer code.
    guidance : float or None
        Guidance scale; none: the bundle's choice.
    regions : tuple of ndarray
        Polygons (N, 2) of x, y in level-0 pixels; empty: the whole tissue.
    stride_um : float or None
        Distance between patches.
    positions : ndarray or None
        (P, 2) centres x, y in level-0 pixels of the patches, in place of a grid.
    names : tuple of str or None
        Their names; none: numbers.
    """

    result_name: ClassVar[str] = "prediction.h5ad"

    slide: str
    bundle: str
    um_per_pixel: float | None = None
    code: str = UNKNOWN_CODE
    guidance: float | None = None
    regions: tuple[np.ndarray, ...] = ()
    stride_um: float | None = None
    positions: np.ndarray | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class DrawRequest:
    """Draws at the patches of a finished prediction, see :func:`molf_engine.prediction.draws.draw_slide`.

    Attributes
    ----------
    slide : str
        Path of the slide.
    bundle : str
        Path of the bundle.
    um_per_pixel : float
        Of the prediction.
    fingerprint : str
        Of the slide that was predicted: another file at its path is refused.
    positions : ndarray
        (P, 2) centres x, y of the patches, level-0 pixels.
    code : str
        Cancer code.
    guidance : float
        Guidance scale.
    draws : int
        K, paths from noise.
    seed : int
        Of the noise.
    """

    result_name: ClassVar[str] = "draws.npz"

    slide: str
    bundle: str
    um_per_pixel: float
    fingerprint: str
    positions: np.ndarray
    code: str = UNKNOWN_CODE
    guidance: float = 1.0
    draws: int = 16
    seed: int = 0


Request = PredictRequest | DrawRequest


@dataclass(frozen=True)
class Started:
    """The patches that will be predicted."""

    patches: Patches


@dataclass(frozen=True)
class Partial:
    """Provisional latents of some patches; ``index`` (B,) are their rows in :class:`Started`."""

    index: np.ndarray
    latents: SlideLatents


@dataclass(frozen=True)
class Done:
    """What was asked for is in this file, in a folder that goes when the job is closed."""

    path: Path


@dataclass(frozen=True)
class Failed:
    """It did not work.  ``expected``: ``message`` is for the user; else it is our mistake and ``details`` has the traceback."""

    message: str
    expected: bool
    details: str = ""


Message = Progress | Started | Partial | Done | Failed


class PredictJob:
    """A running child process.

    Parameters
    ----------
    request : PredictRequest or DrawRequest
        What to predict, or to draw.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self._folder = Path(tempfile.mkdtemp(prefix="napari-molf-"))
        self._errors = (self._folder / "errors.txt").open("wb")
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._finished = False
        self._cancelled = False
        self._child = subprocess.Popen(
            [sys.executable, "-m", "molf_engine.prediction.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # On Windows a console window would flash up.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        assert self._child.stdin is not None and self._child.stdout is not None
        # The pipe stays open: the child ends when it breaks, so that it never outlives the viewer.
        # If it died at once, the reader reports why.
        with suppress(OSError):
            pickle.dump((request, self._folder / request.result_name), self._child.stdin)
            self._child.stdin.flush()
        self._reader = threading.Thread(target=self._read, args=(self._child.stdout,), name="molf-job", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Whether the child still runs."""
        return self._child.poll() is None

    def poll(self) -> list[Message]:
        """Messages since the last call; never waits.  After :meth:`cancel` there are none."""
        messages: list[Message] = []
        while not self._cancelled:
            try:
                messages.append(self._messages.get_nowait())
            except queue.Empty:
                break
        return messages

    def cancel(self) -> None:
        """Stop the child at once."""
        self._cancelled = True
        self._child.kill()

    def close(self) -> None:
        """Stop the child if it still runs, and remove its files.  A result must have been read before."""
        self.cancel()
        self._child.wait()
        self._reader.join()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                # What was still unsent went with the child.
                with suppress(OSError):
                    pipe.close()
        self._errors.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, stream: IO[bytes]) -> None:
        while True:
            try:
                message: Message = pickle.load(stream)
            except (EOFError, OSError, pickle.UnpicklingError):
                break
            self._finished = isinstance(message, Done | Failed)
            self._messages.put(message)
        if not self._finished and not self._cancelled:
            code = self._child.wait()
            details = (self._folder / "errors.txt").read_text(errors="replace")
            reason = (
                "The machine may have run out of memory: try a smaller region."
                if code in (-9, 137)
                else f"Exit code {code}: try again; if it happens once more, try a smaller region, and see the log."
            )
            self._messages.put(Failed(f"The prediction stopped before it was done. {reason}", False, details))

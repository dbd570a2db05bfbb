"""The ``molf-engine predict`` line that makes a prediction again.  No Qt.

What does not fit on a line, the outlines of regions or single positions, goes into a file that the line names.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_molf.core.run import Run

PROGRAM = "molf-engine"
_SAFE = {
    "posix": re.compile(r"[\w@%+=:,./-]+", re.ASCII),
    "windows": re.compile(r"[\w@+:./\\-]+", re.ASCII),
}
_DEFAULT_SEED = 0


def command_of(run: Run, guidance: float, places: Path | None = None) -> list[str]:
    """Words of the command, the program's name first.

    Parameters
    ----------
    run
        The prediction.
    guidance
        Guidance scale that is on show.
    places
        File of :func:`places_of`, for a prediction that is not of the whole tissue.

    Raises
    ------
    PredictionError
        If no command can make it again.
    """
    from molf_engine.errors import PredictionError

    molf: dict[str, Any] = run.scores.adata.uns["molf"]
    if run.bundle is not None and not run.bundle.has_encoder:
        raise PredictionError(
            f"This prediction was made from features computed elsewhere, in a file it does not name. Add --features FILE to "
            f"`{PROGRAM} predict` yourself."
        )
    words = [PROGRAM, "predict", str(run.slide_path.absolute()), "--output", f"{run.slide_name}.h5ad"]
    words += ["--model", _model(run), "--code", str(molf["cancer_code"]), "--guidance", f"{guidance:.6g}"]
    if str(molf["slide"].get("um_per_pixel_source", "given")) != "file":
        words += ["--um-per-pixel", repr(float(molf["um_per_pixel"]))]
    if places is not None:
        words += ["--positions", str(places)]
    elif "grid" in molf and not np.isclose(float(molf["grid"]["stride_um"]), float(molf["patch_um"])):
        words += ["--stride-um", f"{float(molf['grid']['stride_um']):.10g}"]
    return words + _estimate(molf)


def _estimate(molf: dict[str, Any]) -> list[str]:
    words: list[str] = []
    if molf["estimate"] != "mean":
        words += [
            "--estimate",
            str(molf["estimate"]),
            "--steps",
            str(int(molf["steps"])),
            "--draws",
            str(int(molf["draws"])),
        ]
        low, high = np.asarray(molf.get("guidance_interval", (0.0, 1.0)), float)
        if (low, high) != (0.0, 1.0):
            words += ["--guidance-interval", f"{low:.10g}", f"{high:.10g}"]
        if int(molf["seed"]) != _DEFAULT_SEED:
            words += ["--seed", str(int(molf["seed"]))]
    if molf.get("precision", "float32") != "float32":
        words += ["--precision", str(molf["precision"])]
    return words


def _model(run: Run) -> str:
    """Name of a model that this machine knows, which may lie elsewhere on the next; the folder of any other."""
    from molf_engine.bundle import known_bundles

    if run.bundle is None:
        return run.model
    names = [name for name, path in known_bundles().items() if path == run.bundle.path]
    return names[0] if names else str(run.bundle.path)


def needs_places(run: Run) -> bool:
    """Whether a prediction is of other patches than a grid over the whole tissue."""
    molf = run.scores.adata.uns["molf"]
    return "grid" not in molf or bool(molf.get("regions"))


def places_of(run: Run) -> str:
    """CSV of the patches of a prediction: name and centre x, y, level-0 pixels, as ``--positions`` reads it."""
    adata = run.scores.adata
    lines = ["name,x,y"]
    for name, (x, y) in zip(adata.obs_names, np.asarray(adata.obsm["spatial"], float), strict=True):
        lines.append(f"{name},{float(x)!r},{float(y)!r}")
    return "\n".join(lines) + "\n"


def write_places(run: Run, folder: Path) -> Path:
    """Write :func:`places_of` into a folder under a name that says what is in it; written once, it is not written again.

    Raises
    ------
    MolfError
        If it cannot be written there.
    """
    from molf_engine.files import atomic_path

    text = places_of(run)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    path = folder / f"{run.slide_name}-{digest}-positions.csv"
    if not path.is_file():
        with atomic_path(path) as beside:
            beside.write_text(text, encoding="utf-8")
    return path


def quoted(words: Sequence[str], *, windows: bool = sys.platform == "win32") -> str:
    """A line that the shell of this system takes apart into the same words.

    On Windows both ``cmd`` and PowerShell understand double quotes; on any other system single quotes keep everything as it is.
    """
    return " ".join(_quote_windows(word) if windows else _quote_posix(word) for word in words)


def _quote_posix(word: str) -> str:
    return word if _SAFE["posix"].fullmatch(word) else "'" + word.replace("'", "'\"'\"'") + "'"


def _quote_windows(word: str) -> str:
    if _SAFE["windows"].fullmatch(word):
        return word
    # Backslashes before the closing quote would take it away.
    bare = word.rstrip("\\")
    trailing = "\\" * (len(word) - len(bare))
    return f'"{bare}{trailing}{trailing}"'


def command_line(run: Run, guidance: float, folder: Path) -> str:
    """The line for the shell of this system; what it needs beside it is written into ``folder``.

    Raises
    ------
    MolfError
        If no command can make it again, or the file beside it cannot be written.
    """
    places = write_places(run, folder) if needs_places(run) else None
    return quoted(command_of(run, guidance, places))

"""The ``molf-engine predict`` line that makes a prediction again.  No Qt.

What does not fit on a line, the outlines of regions or single positions, goes into a file that the line names.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Places:
    """Where a prediction was made, for a file beside the command.

    Attributes
    ----------
    flag
        The option that takes the file.
    suffix
        Of the file.
    text
        Its content.
    """

    flag: str
    suffix: str
    text: str


def command_of(run: Run, guidance: float, places: tuple[str, Path] | None = None) -> list[str]:
    """Words of the command, the program's name first.

    Parameters
    ----------
    run
        The prediction.
    guidance
        Guidance scale that is on show.
    places
        Option and file of :func:`places_of`, for a prediction that is not of the whole tissue.

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
        words += [places[0], str(places[1])]
    if "grid" in molf and not np.isclose(float(molf["grid"]["stride_um"]), float(molf["patch_um"])):
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


def places_of(run: Run) -> Places | None:
    """What a prediction was limited to, as the engine reads it; none for a grid over the whole tissue."""
    adata = run.scores.adata
    molf: dict[str, Any] = adata.uns["molf"]
    if "grid" not in molf:
        centres = np.asarray(adata.obsm["spatial"], float)
        rows = (f"{name},{x!r},{y!r}" for name, (x, y) in zip(adata.obs_names, centres.tolist(), strict=True))
        return Places("--positions", ".csv", "\n".join(["name,x,y", *rows]) + "\n")
    outlines = [np.asarray(outline, float).tolist() for outline in molf.get("regions", {}).values()]
    if not outlines:
        return None
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [[*outline, outline[0]]]},
            "properties": {"objectType": "annotation", "name": f"Region {number}"},
        }
        for number, outline in enumerate(outlines, start=1)
    ]
    return Places("--regions", ".geojson", json.dumps({"type": "FeatureCollection", "features": features}))


def write_places(places: Places, name: str, folder: Path) -> Path:
    """Write places into a folder, under the name of the slide and of what is in them; once written, they are not written again.

    Raises
    ------
    MolfError
        If they cannot be written there.
    """
    from molf_engine.files import atomic_path

    digest = hashlib.sha256(places.text.encode()).hexdigest()[:8]
    path = folder / f"{name}-{digest}{places.suffix}"
    if not path.is_file():
        with atomic_path(path) as beside:
            beside.write_text(places.text, encoding="utf-8")
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
    places = places_of(run)
    beside = None if places is None else (places.flag, write_places(places, run.slide_name, folder))
    return quoted(command_of(run, guidance, beside))

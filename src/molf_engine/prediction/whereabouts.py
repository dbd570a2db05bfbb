"""Where the slide of a saved prediction is now: people move, rename and mail files.  A slide is known again by its content alone."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.errors import SlideError
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import fingerprint, looks_like_slide, open_slide

if TYPE_CHECKING:
    import anndata as ad

    from molf_engine.slides import Slide


def open_slide_of(adata: ad.AnnData, path: Path) -> Slide | None:
    """The slide at ``path``, open, at the um per pixel that the prediction was made with; none if it is another, or no slide."""
    molf = adata.uns["molf"]
    um_per_pixel = float(molf["um_per_pixel"])
    try:
        slide = open_slide(path)
        # A slide that says it itself goes on saying so.
        if slide.um_per_pixel is None or not math.isclose(slide.um_per_pixel, um_per_pixel, rel_tol=1e-6):
            slide.close()
            slide = open_slide(path, um_per_pixel)
    except (SlideError, OSError):
        return None
    try:
        same = _is_same(slide, molf["slide"])
    except (SlideError, OSError):
        same = False
    if not same:
        slide.close()
        return None
    return slide


def is_slide_of(adata: ad.AnnData, path: Path) -> bool:
    """Whether the slide at ``path`` is the one that a prediction was made on."""
    slide = open_slide_of(adata, path)
    if slide is None:
        return False
    slide.close()
    return True


def find_slide(
    adata: ad.AnnData,
    result: Path | None = None,
    folder: Path | None = None,
    progress: ProgressCallback = silent,
) -> Path | None:
    """Look for the slide of a prediction: where it was, beside the prediction's file, and in a folder.

    Parameters
    ----------
    adata : AnnData
        The prediction.
    result : Path, optional
        Its file; a slide of the same name that lies beside it is taken.
    folder : Path, optional
        Looked through with all that is in it: first for files of the slide's name, then for any slide.
    progress : callable
        Told which file is looked at; may raise :class:`~molf_engine.errors.Cancelled`.

    Returns
    -------
    Path or None
        None if it is nowhere.
    """
    recorded = str(adata.uns["molf"]["slide"]["path"])
    # The prediction may come from another system, whose paths are written otherwise.
    name = re.split(r"[\\/]", recorded)[-1]
    near = [Path(recorded)]
    if result is not None:
        near.append(result.parent / name)
    for done, candidate in enumerate((*near, *(_in_folder(folder, name) if folder is not None else ()))):
        progress(Progress("Looking for the slide", done, 0, "files"))
        if candidate.exists() and is_slide_of(adata, candidate):
            return candidate
    return None


def _in_folder(folder: Path, name: str) -> Iterator[Path]:
    """Files below a folder: those of that name or stem first, then whatever looks like a slide."""
    files = [
        Path(root, file) for root, _, found in os.walk(folder) for file in sorted(found) if not file.startswith(".")
    ]
    stem = Path(name).stem
    named = [file for file in files if file.stem == stem]
    yield from named
    yield from (file for file in files if file.stem != stem and looks_like_slide(file))


def _is_same(slide: Slide, said: dict[str, Any]) -> bool:
    finest = slide.levels[0]
    if (finest.width, finest.height) != (int(said["width"]), int(said["height"])):
        return False
    return "fingerprint" not in said or str(said["fingerprint"]) == fingerprint(slide)

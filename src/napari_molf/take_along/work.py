"""What takes longer than a blink: writing files, drawing a picture, looking for a slide.  No Qt; not for the window's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import MolfError
from napari_molf.take_along.choice import OnShow

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.export import Format, ScoreName
    from molf_engine.export.figure import Look
    from molf_engine.progress import ProgressCallback
    from napari_molf.core.run import Run


@dataclass(frozen=True)
class Order:
    """One file to write.

    Attributes
    ----------
    on_show
        What the map shows.
    path
        Where it goes.
    format
        How it is written.
    scores
        Chosen scores; none: all Hallmarks.
    names
        Names that were typed, in place of ``scores``.
    look
        How a map is drawn.
    regions
        Summarises the regions of the slide for a report; slow.
    """

    on_show: OnShow
    path: Path
    format: Format
    scores: Sequence[ScoreName] | None = ()
    names: Sequence[str] | None = None
    look: Look | None = None
    regions: Callable[[], pd.DataFrame] | None = None


def write(order: Order, progress: ProgressCallback) -> Path:
    """Write a file, and return where.

    Raises
    ------
    MolfError
        If it cannot be written there, or a name is unknown.
    """
    from molf_engine.export import export

    shown = order.on_show.shown()
    scores = shown.hallmarks if order.scores is None else order.scores
    if order.names is not None:
        scores = shown.find(order.names)
    export(
        shown,
        order.path,
        order.format,
        scores,
        look=order.look,
        experts=order.format.takes == "one" and order.on_show.visible is None,
        slide_path=order.on_show.run.slide_path,
        regions=order.regions() if order.regions is not None and order.format.key == "html" else None,
        progress=progress,
    )
    return order.path


def picture(on_show: OnShow, look: Look, progress: ProgressCallback) -> bytes:
    """PNG of the figure of what is on show."""
    from molf_engine.export.figure import picture as draw
    from molf_engine.export.formats import slide_of
    from molf_engine.progress import Progress

    progress(Progress("Drawing", 0, 0))
    shown = on_show.shown()
    slide = slide_of(shown, on_show.run.slide_path)
    try:
        return draw(shown, on_show.visible, look, slide=slide)
    finally:
        if slide is not None:
            slide.close()


def find_again(run: Run, folder: Path, progress: ProgressCallback) -> Run:
    """The run with its slide where that lies in a folder.

    Raises
    ------
    MolfError
        If it is not in there.
    """
    from molf_engine.prediction.whereabouts import find_slide

    place = find_slide(run.scores.adata, run.path, folder, progress)
    if place is None:
        raise MolfError(
            f"The slide {run.slide_name} is not in {folder}, under this name or another. Choose the folder it was moved to."
        )
    return replace(run, slide_path=place)


def still_there(run: Run) -> bool:
    """Whether the slide of a run is where the run says, and still the same."""
    from molf_engine.prediction.whereabouts import is_slide_of

    return run.slide_path.exists() and is_slide_of(run.scores.adata, run.slide_path)


def is_slide(run: Run, path: Path) -> bool:
    """Whether the file at ``path`` is the slide of a run."""
    from molf_engine.prediction.whereabouts import is_slide_of

    return is_slide_of(run.scores.adata, path)

"""The formats that a prediction can be taken along in, each with its ending, what it is for, and what writes it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from molf_engine.errors import MolfError
from molf_engine.progress import ProgressCallback, silent

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.export.figure import Look
    from molf_engine.export.shown import ScoreName, Shown
    from molf_engine.slides import Slide

Key = Literal["h5ad", "zarr", "spatialdata", "geojson", "csv", "ome-tiff", "png", "svg", "html"]


@dataclass(frozen=True)
class Format:
    """One way to take a prediction along.

    Attributes
    ----------
    key
        Its name on the command line.
    suffix
        Ending of its files.
    name
        What people call it.
    purpose
        One line on who opens it, and what is in it.
    takes
        ``all``: every gene, none is chosen; ``many``: the chosen scores; ``one``: the first of them.
    """

    key: Key
    suffix: str
    name: str
    purpose: str
    takes: Literal["all", "many", "one"]


FORMATS: tuple[Format, ...] = (
    Format("h5ad", ".h5ad", "AnnData file", "Everything, to open again here, in scanpy or squidpy.", "all"),
    Format("zarr", ".zarr", "AnnData folder (Zarr)", "The same as a folder, for large slides and the cloud.", "all"),
    Format("spatialdata", ".zarr", "SpatialData (Zarr)", "Everything with patch outlines and thumbnail, for spatialdata.", "all"),
    Format("geojson", ".geojson", "QuPath GeoJSON", "A locked tile per patch with the chosen scores: drag it onto QuPath.", "many"),
    Format("csv", ".csv", "Table (CSV)", "A row per patch with the chosen scores, for spreadsheets, R or pandas.", "many"),
    Format("ome-tiff", ".ome.tif", "Score maps (OME-TIFF)", "An image with a channel per chosen score, for Fiji or scripts.", "many"),
    Format("png", ".png", "Figure (PNG)", "Slide, map, colour bar and scale bar, for slides and mail.", "one"),
    Format("svg", ".svg", "Figure (SVG)", "The same with text that can be edited, for papers.", "one"),
    Format("html", ".html", "Report (HTML)", "One page to send on: maps, experts, model, settings and limits.", "one"),
)  # fmt: skip
_ENDINGS = {".tif": "ome-tiff", ".tiff": "ome-tiff", ".json": "geojson", ".htm": "html"}


def format_named(key: str) -> Format:
    """A format by its key.  Raises :class:`MolfError` if there is none."""
    for one in FORMATS:
        if one.key == key:
            return one
    raise MolfError(f"There is no format {key}. Choose one of: {', '.join(one.key for one in FORMATS)}.")


def format_of(path: Path) -> Format:
    """A format by the ending of a file; `.zarr` is AnnData.  Raises :class:`MolfError` for any other ending."""
    suffix = path.suffix.lower()
    for one in FORMATS:
        if one.suffix == suffix:
            return one
    if suffix not in _ENDINGS:
        raise MolfError(
            f"{path} ends in no known format. Choose an ending: {', '.join(dict.fromkeys(f.suffix for f in FORMATS))}."
        )
    return format_named(_ENDINGS[suffix])


def with_suffix(path: Path, chosen: Format) -> Path:
    """The path with an ending that its format is known by."""
    name = path.name.lower()
    others = tuple(ending for ending, key in _ENDINGS.items() if key == chosen.key)
    return path if name.endswith((chosen.suffix, *others)) else path.with_name(f"{path.name}{chosen.suffix}")


def export(
    shown: Shown,
    path: Path,
    chosen: Format,
    scores: Sequence[ScoreName] = (),
    *,
    look: Look | None = None,
    experts: bool = False,
    slide_path: Path | None = None,
    regions: pd.DataFrame | None = None,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write a prediction in a format, whole or not at all.

    Parameters
    ----------
    shown : Shown
        What is written.
    path : Path
        Where.
    chosen : Format
        How.
    scores : sequence of ScoreName
        Genes and Hallmark sets, for the formats that hold some and not all; a figure or report shows the first, or the most variable
        programme if there is none.
    look : Look, optional
        How a map is drawn.
    experts : bool
        Draw a figure of the top expert of each patch, not of a score.
    slide_path : Path, optional
        The slide, for figures and reports; where it is missing or is none, the thumbnail is drawn.
    regions : DataFrame, optional
        Summaries of regions, for the report.
    overwrite : bool
        Replace an existing file.
    progress : callable
        Told what is done; it may raise :class:`~molf_engine.errors.Cancelled`, and then nothing is left behind.

    Raises
    ------
    MolfError
        If it cannot be written there, or not in this format.
    """
    from molf_engine.files import refuse_existing

    refuse_existing(path, overwrite)
    match chosen.key:
        case "h5ad" | "zarr":
            from molf_engine.export.annotated import write_anndata

            write_anndata(shown, path, overwrite=overwrite, progress=progress)
        case "spatialdata":
            from molf_engine.export.spatial_data import write_spatialdata

            write_spatialdata(shown, path, overwrite=overwrite, progress=progress)
        case "geojson":
            from molf_engine.export.geojson import write_geojson

            write_geojson(shown, path, scores, overwrite=overwrite, progress=progress)
        case "csv":
            from molf_engine.export.table import write_csv

            write_csv(shown, path, scores, overwrite=overwrite, progress=progress)
        case "ome-tiff":
            from molf_engine.export.ome_tiff import write_ome_tiff

            write_ome_tiff(shown, path, scores, overwrite=overwrite, progress=progress)
        case "png" | "svg" | "html":
            score = (*scores, *shown.most_variable(1), *shown.find([str(shown.adata.var_names[0])]))[0]
            with ExitStack() as open_files:
                slide = slide_of(shown, slide_path)
                if slide is not None:
                    open_files.enter_context(slide)
                if chosen.key == "html":
                    from molf_engine.export.report import write_report

                    write_report(
                        shown, path, score, look, slide=slide, regions=regions, overwrite=overwrite, progress=progress
                    )
                else:
                    from molf_engine.export.figure import write_figure

                    drawn = None if experts else score
                    write_figure(shown, path, drawn, look, slide=slide, overwrite=overwrite, progress=progress)


def slide_of(shown: Shown, path: Path | None = None) -> Slide | None:
    """The slide of a prediction, open, if it is at ``path`` - or where it was - and still the same; else none."""
    from molf_engine.prediction.whereabouts import open_slide_of

    return open_slide_of(shown.adata, Path(str(shown.molf["slide"]["path"])) if path is None else path)

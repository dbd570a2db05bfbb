"""`molf-engine export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from molf_engine.errors import SlideError


def export(
    result: Annotated[Path, Parameter(help="Prediction, .h5ad or .zarr.")],
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            alias="-o", help="File; its ending is the format: .h5ad .zarr .geojson .csv .ome.tif .png .svg .html."
        ),
    ],
    as_format: Annotated[
        Literal["h5ad", "zarr", "spatialdata", "geojson", "csv", "ome-tiff", "png", "svg", "html"] | None,
        Parameter(
            name="--format",
            help="Where the ending does not say it: spatialdata, above all, whose folder ends in .zarr, too.",
        ),
    ] = None,
    scores: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, help="Genes and Hallmark sets; all Hallmark sets if none is given."),
    ] = (),
    guidance: Annotated[
        float | None, Parameter(help="Another guidance scale; needs the model that made the prediction.")
    ] = None,
    relative: Annotated[
        bool | None,
        Parameter(help="Genes relative to each patch's total, or not; as the model learned them if not given."),
    ] = None,
    slide: Annotated[
        Path | None, Parameter(help="The slide, for figures and the report, where it is no longer at its place.")
    ] = None,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace an existing file.")] = False,
) -> None:
    """Write a prediction for other programs and people: AnnData, SpatialData, QuPath, a table, images, figures, a report.

    A figure or report shows the first of the scores, or the Hallmark programme that varies most.
    """
    from molf_engine.bundle import find_bundle_by_hash
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.export.formats import export as write
    from molf_engine.export.formats import format_named, format_of
    from molf_engine.export.shown import Shown
    from molf_engine.files import make_parent, refuse_existing
    from molf_engine.prediction import read_prediction
    from molf_engine.prediction.whereabouts import find_slide, is_slide_of

    chosen = format_of(output) if as_format is None else format_named(as_format)
    refuse_existing(output, overwrite)
    make_parent(output)
    adata = read_prediction(result)
    # The file's own values are taken as they are, unless others are asked for; a report tells of the model besides.
    decoded = guidance is not None or relative is not None or chosen.key == "html"
    bundle = find_bundle_by_hash(str(adata.uns["molf"]["weights_hash"])) if decoded else None
    shown = Shown(adata, bundle, guidance, relative)
    wanted = shown.find(scores)
    if not wanted and chosen.takes == "many":
        wanted = shown.hallmarks
    if slide is not None and not is_slide_of(adata, slide):
        raise SlideError(f"{slide} is not the slide that {result} was made on. Give that one, or leave --slide out.")
    place = slide if slide is not None else find_slide(adata, result)
    with progress_bar() as progress:
        write(shown, output, chosen, wanted, slide_path=place, overwrite=overwrite, progress=progress)
    say(f"{output}")

"""`molf-engine select-guidance`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def select_guidance(
    bundle: Annotated[str, Parameter(help="Name or folder of the bundle.")],
    data: Annotated[Path, Parameter(help="HEST-layout folder with measured sections, or a prepared corpus.")],
    /,
    *,
    sections: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True,
            help="Ids of the sections to choose on; the bundle's validation sections if not given.",
        ),
    ] = (),
    split: Annotated[
        str | None,
        Parameter(help="SPLIT:ROLE, the sections to choose on: a split file or folder, or published-0:test."),
    ] = None,
    scales: Annotated[
        tuple[float, ...],
        Parameter(consume_multiple=True, help="Guidance scales to try; 1 is the conditional model alone."),
    ] = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0),
    tolerance: Annotated[
        float,
        Parameter(help="tau: share by which a scale may exceed the smallest Wasserstein distance and still be ranked."),
    ] = 0.05,
    code: Annotated[
        str | None, Parameter(help="Cancer code for all sections; each section's own if not given.")
    ] = None,
    features: Annotated[
        Path | None,
        Parameter(help="Folder with features made elsewhere by the bundle's encoder: ID.h5, ID.pt or ID.npy."),
    ] = None,
    orthologs: Annotated[
        Literal["mouse"] | None,
        Parameter(help="Species of the sections: its genes are matched by their human orthologs."),
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the table as JSON.")] = False,
) -> None:
    """Choose the guidance scale on measured sections by Filter-and-Rank.

    Filter: scales whose Wasserstein distance is within the tolerance of the smallest.  Rank: of these the highest cosine (ties: smaller
    squared error, then smaller scale).  The bundle is not changed: give the scale to `predict` or `evaluate` with --guidance.
    """
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import progress_bar, show_table
    from molf_engine.cli.sections import split_ids
    from molf_engine.encoders import FeatureCache
    from molf_engine.evaluation.evaluate import source_for
    from molf_engine.evaluation.selection import select_guidance as select

    model = Bundle.load(bundle)
    source = source_for(model, data, features=features, cache=FeatureCache())
    wanted = (*sections, *(split_ids(split) if split else ()))
    with progress_bar() as progress:
        found = select(
            model,
            source,
            source.sections(wanted) if wanted else (),
            scales=scales,
            tolerance=tolerance,
            code=code,
            symbols="human_symbol" if orthologs else None,
            progress=progress,
        )
    rows = [
        {
            "guidance": scale,
            "mse": round(found.mse[place], 4),
            "w1": round(found.w1[place], 4),
            "cosine": round(found.cosine[place], 4),
            "passes": found.valid[place],
            "chosen": place == found.chosen,
        }
        for place, scale in enumerate(found.scales)
    ]
    show_table(
        f"{model.id}: guidance scale {found.scale:g}",
        rows,
        as_json=json,
        notes=[
            f"On {', '.join(found.sections)} ({found.role} sections), in {found.units}; means over sections.",
            f"passes: w1 at most {found.limit:.4f}, {100 * tolerance:g} % above the smallest. "
            f"The bundle itself uses {model.config.guidance:g}; it is not changed. Use the choice with --guidance {found.scale:g}.",
        ],
    )

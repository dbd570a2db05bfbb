"""`molf-engine evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from molf_engine.evaluation.scoring import SectionScores


def evaluate(
    bundle: Annotated[str, Parameter(help="Name or folder of the bundle.")],
    data: Annotated[Path, Parameter(help="HEST-layout folder with measured sections, or a prepared corpus.")],
    /,
    *,
    sections: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Ids of the sections to score; all if not given.")
    ] = (),
    split: Annotated[
        str | None, Parameter(help="SPLIT:ROLE, the sections to score: a split file or folder, or published-0:test.")
    ] = None,
    guidance: Annotated[float | None, Parameter(help="Guidance scale; the bundle's choice if not given.")] = None,
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
    per_gene: Annotated[Path | None, Parameter(help="Also write the PCC of every gene to this CSV.")] = None,
    coverage: Annotated[
        bool,
        Parameter(negative="", help="Instead: how often what was measured lies in the central 80 % of the draws."),
    ] = False,
    draws: Annotated[int | None, Parameter(help="Draws of --coverage; 39 give exactly 80 %.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the table as JSON.")] = False,
) -> None:
    """Score a bundle beside ridge, MLP and depth-only, or the spread of its draws; nothing is fitted."""
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import progress_bar, show_table
    from molf_engine.cli.scores import show_scores
    from molf_engine.cli.sections import listed, split_ids
    from molf_engine.encoders import FeatureCache
    from molf_engine.evaluation import coverage as spread
    from molf_engine.evaluation.evaluate import evaluate as score
    from molf_engine.evaluation.evaluate import evaluate_coverage, source_for
    from molf_engine.evaluation.scoring import PROTOCOL, as_records, table, write_per_gene
    from molf_engine.files import make_parent

    if coverage and per_gene is not None:
        raise ConfigError("--per-gene writes correlations, which --coverage does not compute. Use one of the two.")
    if draws is not None and not coverage:
        raise ConfigError(
            "--draws is for --coverage: the scores are those of the conditional mean, which has no draws."
        )
    if draws is not None:
        spread.central_rank(draws)
    if per_gene is not None:
        make_parent(per_gene)
    model = Bundle.load(bundle)
    source = source_for(model, data, features=features, cache=FeatureCache())
    chosen = source.sections((*sections, *(split_ids(split) if split else ())))
    symbols: Literal["human_symbol"] | None = "human_symbol" if orthologs else None
    if coverage:
        with progress_bar() as progress:
            rows = evaluate_coverage(
                model,
                source,
                chosen,
                guidance=guidance,
                code=code,
                symbols=symbols,
                draws=spread.DRAWS if draws is None else draws,
                progress=progress,
            )
        records = spread.coverage_records(rows)
        show_table(
            f"{model.id}: coverage of draws",
            # JSON keeps every figure; on a terminal what all rows share is said below the table.
            records if json else [{name: row[name] for name in spread.COLUMNS} for row in records],
            as_json=json,
            notes=[
                spread.coverage_text(records),
                "coverage: share of spots x genes in the interval; positive: of those above 0; width: mean width of the interval.",
            ],
        )
        return
    with progress_bar() as progress:
        scores = score(
            model,
            source,
            chosen,
            guidance=guidance,
            code=code,
            symbols=symbols,
            progress=progress,
        )
    if per_gene is not None:
        write_per_gene(per_gene, scores, model.genes)
    w = model.config.guidance if guidance is None else guidance
    title, records = f"{model.id} at guidance {w:g}: mean PCC", as_records(table(scores, model.genes))
    if json:
        show_table(title, records, as_json=True)
        return
    show_scores(
        title,
        records,
        elsewhere="--json, and of each gene --per-gene FILE",
        notes=[
            f"{PROTOCOL}.",
            "role: what the section was to the model; seen: it has learned from the patient.",
            "depth: for each gene a line on the predicted log total. "
            f"Rivals were fitted on {listed(model.config.training_sections)}, as MoLF was."
            if model.config.training_sections
            else "Imported weights have no rivals: what was fitted on the same sections is not known.",
            *_species(scores),
        ],
    )


def _species(scores: Sequence[SectionScores]) -> list[str]:
    """What is to be said of sections whose genes are not all human."""
    meanings = {
        "mixed": "human tissue grown in a mouse, as it seems: not a test across species",
        "mouse": "matched by one-to-one orthologs",
    }
    return [
        f"{score.section}: {score.reference.text}; {meanings[score.reference.kind]}."
        for score in scores
        if score.reference is not None and score.reference.kind in meanings
    ]

"""`molf-engine routing`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from molf_engine.data.spots import SpotSource


def routing(
    bundle: Annotated[str, Parameter(help="Name or folder of the bundle.")],
    data: Annotated[Path, Parameter(help="HEST-layout folder with measured sections, or a prepared corpus.")],
    /,
    *,
    output: Annotated[
        Path, Parameter(alias="-o", help="Folder for report.html, tables (CSV) and figures (PNG and SVG).")
    ],
    compare: Annotated[
        str | None, Parameter(help="A second bundle with experts, routed on the same sections beside the first.")
    ] = None,
    sections: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Ids of the sections; all if not given.")
    ] = (),
    split: Annotated[
        str | None, Parameter(help="SPLIT:ROLE, the sections of a role: a split file or folder, or published-0:test.")
    ] = None,
    features: Annotated[
        Path | None,
        Parameter(help="Folder with features made elsewhere by the bundle's encoder: ID.h5, ID.pt or ID.npy."),
    ] = None,
    orthologs: Annotated[
        Literal["mouse"] | None,
        Parameter(help="Species of the sections: its genes are matched by their human orthologs."),
    ] = None,
    per_type: Annotated[int, Parameter(help="Spots of each cancer type in the latent space, at most.")] = 1_500,
    permutations: Annotated[int, Parameter(help="Random permutations of the test between cancer types.")] = 9_999,
    steps: Annotated[int, Parameter(help="Euler steps of the drawn paths, 16 or more.")] = 32,
    seed: Annotated[int, Parameter(help="Of noise, permutations, bootstraps, chosen spots and UMAP.")] = 0,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace an earlier report.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print expert use per cancer type as JSON.")] = False,
) -> None:
    """Analyse which experts are used where: per cancer type, in the latent space, for which genes, and is it more than chance.

    The gate is read at t = 0 from z0 = 0, without noise. A model without experts gets its latent space and paths only.
    """
    from molf_engine.bundle import Bundle
    from molf_engine.cli.console import command_line, progress_bar, say, show_table
    from molf_engine.cli.sections import split_ids
    from molf_engine.evaluation.routing.report import headlines, use_records, use_texts, write_report
    from molf_engine.evaluation.routing.study import Options, run_study
    from molf_engine.files import make_parent, refuse_existing

    symbols: Literal["human_symbol"] | None = "human_symbol" if orthologs else None
    options = Options(seed=seed, per_type=per_type, permutations=permutations, steps=steps, symbols=symbols)
    refuse_existing(output, overwrite)
    make_parent(output)
    model = Bundle.load(bundle)
    source = _source(model, data, features)
    other = None
    if compare is not None:
        second = Bundle.load(compare)
        other = (second, _source(second, data, features))
    chosen = source.sections((*sections, *(split_ids(split) if split else ())))
    with progress_bar() as progress:
        study = run_study(model, source, chosen, options=options, other=other, progress=progress)
        path = write_report(study, output, command=command_line(), overwrite=overwrite)
    rows = use_records(study) if json else use_texts(study)
    if json or rows:
        show_table(
            f"{model.id}: expert use per cancer type in %, mean ± sd over sections",
            rows,
            as_json=json,
            notes=headlines(study),
        )
    else:
        for sentence in headlines(study):
            say(sentence)
    if not json:
        say(f"{path}")


def _source(model: Bundle, data: Path, features: Path | None) -> SpotSource:
    from molf_engine.data.corpus import is_corpus, open_source
    from molf_engine.encoders import FeatureCache
    from molf_engine.errors import ConfigError

    prepared = is_corpus(data)
    if prepared and features is not None:
        raise ConfigError(f"{data} is a prepared corpus, which has features of its own. Leave --features out.")
    encoder = None if prepared or features is not None else model.encoder()
    return open_source(
        data,
        model.config.patch.size_um,
        encoder=encoder,
        features=features,
        name=model.config.encoder,
        cache=FeatureCache(),
    )

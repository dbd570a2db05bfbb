"""`molf-engine prepare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from molf_engine.data.corpus import Report
    from molf_engine.encoders import Encoder

BUILTIN = "builtin"


def prepare(
    folder: Annotated[
        Path,
        Parameter(
            help="Folder in the layout of HEST-1k, or one that holds several: st/ID.h5ad; patches/ID.h5 or wsis/ID.tif; "
            "metadata/ID.json; HEST_*.csv."
        ),
    ],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o", help="Folder of the corpus, for example hest.zarr.")],
    encoder: Annotated[
        str,
        Parameter(
            help="`builtin` (fitted here, needs slides); the name or folder of a foundation encoder; or the name or folder of a bundle, "
            "whose encoder is used. With --features: the name of the encoder that made them."
        ),
    ] = BUILTIN,
    fit_on: Annotated[
        str | None,
        Parameter(help="SPLIT:ROLE, the sections that `builtin` is fitted on; all that are prepared if not given."),
    ] = None,
    features: Annotated[
        Path | None,
        Parameter(
            help="Folder with features made elsewhere, ID.h5 (TRIDENT, HEST), .pt or .npy, matched by barcode or position; slides are "
            "not needed then."
        ),
    ] = None,
    panel: Annotated[
        str,
        Parameter(
            help="molf-1386, hallmark, hallmark+hvg (chosen on the sections of --fit-on), or a file with one symbol a line."
        ),
    ] = "molf-1386",
    sections: Annotated[
        tuple[str, ...], Parameter(consume_multiple=True, help="Ids of the sections to prepare; all if not given.")
    ] = (),
    split: Annotated[
        str | None, Parameter(help="SPLIT:ROLE, the sections to prepare: a split file or folder, or published-0:test.")
    ] = None,
    orthologs: Annotated[
        Literal["mouse"] | None,
        Parameter(help="Species of some sections: their genes are matched by their human orthologs."),
    ] = None,
    patch_um: Annotated[float, Parameter(help="Side of a patch in um; the images of HEST-1k show 112.")] = 112.0,
    metadata: Annotated[
        Path | None,
        Parameter(
            help="CSV with a column id and facts that metadata/ID.json lacks; HEST_*.csv in the folder if not given."
        ),
    ] = None,
    features_dtype: Annotated[
        Literal["float32", "float16"], Parameter(help="float16 halves the file, and rounds features to 3 digits.")
    ] = "float32",
    device: Annotated[str, Parameter(help="Where a foundation encoder runs: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    precision: Annotated[
        Literal["float32", "bfloat16", "float16"], Parameter(help="Of a foundation encoder's matrix products.")
    ] = "float32",
    accept_licence: Annotated[
        bool, Parameter(negative="", help="Download a foundation encoder whose licence you have accepted.")
    ] = False,
    strict: Annotated[bool, Parameter(negative="", help="Exit with code 1 if a section is left out.")] = False,
    overwrite: Annotated[
        bool, Parameter(negative="", help="Remove the corpus that is there, and begin again.")
    ] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON.")] = False,
) -> None:
    """Prepare a HEST-layout folder for training: encode every spot once, and keep features and counts in one corpus.

    Stopped or killed and started again with the same settings, it goes on where it was; sections that are added to the folder later
    are added to the corpus.  A broken section is left out and named; the others are prepared.
    """
    from molf_engine.cli.console import progress_bar
    from molf_engine.cli.sections import split_ids
    from molf_engine.data.corpus import EncoderChoice, Recipe, find_sources, prepare_corpus
    from molf_engine.data.panels import panel_of
    from molf_engine.encoders import FeatureCache
    from molf_engine.genes.panels import HALLMARK_HVG

    if features is not None and encoder == BUILTIN:
        raise ConfigError("--features need --encoder NAME, the encoder that made them, for example --encoder uni2-h.")
    if fit_on is not None and encoder != BUILTIN and panel != HALLMARK_HVG:
        raise ConfigError("--fit-on is for --encoder builtin and --panel hallmark+hvg: nothing else is fitted.")
    if patch_um <= 0:
        raise ConfigError(f"--patch-um is the side of a patch in um, above 0, not {patch_um:g}.")
    ids = (*sections, *(split_ids(split) if split else ()))
    sources = find_sources(folder, ids, table=metadata, features=features)
    fit_ids = split_ids(fit_on, "--fit-on") if fit_on else ()
    chosen = {source.section.id: source.section for source in sources}
    if unknown := [name for name in fit_ids if name not in chosen]:
        raise ConfigError(
            f"--fit-on names {', '.join(unknown[:5])}, which is not among the {len(chosen)} sections to prepare."
        )
    recipe = Recipe(
        panel=panel,
        genes=panel_of(panel, [chosen[name] for name in fit_ids or chosen]),
        patch_um=patch_um,
        features_dtype=features_dtype,
        symbols="human_symbol" if orthologs else None,
        chosen_on=tuple(fit_ids or chosen) if panel == HALLMARK_HVG else (),
    )
    if features is not None:
        choice = EncoderChoice(features=features, name=encoder)
    elif encoder == BUILTIN:
        choice = EncoderChoice(fit_on=tuple(fit_ids))
    else:
        choice = EncoderChoice(encoder=_open(encoder, device, precision, accept_licence))
    with progress_bar() as progress:
        report = prepare_corpus(
            sources, output, recipe, choice, cache=FeatureCache(), overwrite=overwrite, progress=progress
        )
    _show(report, as_json=json)
    if strict and report.failures:
        sys.exit(1)


def _open(name: str, device: str, precision: Literal["float32", "bfloat16", "float16"], accepted: bool) -> Encoder:
    """The encoder of a bundle, one that a corpus or a bundle holds as a folder, or a foundation encoder."""
    from molf_engine.bundle import Bundle
    from molf_engine.bundle.bundle import known_bundles
    from molf_engine.encoders import load_encoder, open_encoder

    path = Path(name).expanduser()
    if name in known_bundles() or all((path / part).is_file() for part in ("model.safetensors", "genes.tsv")):
        return Bundle.load(name).encoder()
    if (path / "encoder.json").is_file():
        return load_encoder(path)
    return open_encoder(name, device=device, precision=precision, accepted=accepted)


def _show(report: Report, *, as_json: bool) -> None:
    from molf_engine.cli.console import say, show_table
    from molf_engine.cli.sections import listed

    summary: dict[str, Any] = {
        **report.corpus.summary(),
        "prepared_now": len(report.prepared),
        "kept": len(report.kept),
        "patches_per_second": round(report.patches / report.section_seconds, 1) if report.patches else None,
        "seconds": round(report.seconds, 1),
    }
    if as_json:
        import json

        failures = [{"section": failure.section, "reason": failure.reason} for failure in report.failures]
        whole = {**summary, "failures": failures, "notes": {name: list(notes) for name, notes in report.notes.items()}}
        say(json.dumps(whole, indent=2, ensure_ascii=False))
        return
    rate = f", {summary['patches_per_second']:,.0f} patches/s" if report.patches else ""
    say(
        f"{summary['path']}: {summary['sections']} sections ({len(report.prepared)} prepared now, {len(report.kept)} kept), "
        f"{summary['spots_with_features']:,} spots, {summary['genes']:,} genes, {summary['bytes'] / 1e6:,.1f} MB; "
        f"{report.seconds:.1f} s{rate}"
    )
    fitted = summary["encoder_fitted_on"]
    say(
        f"Encoder {summary['encoder']}, {summary['width']} features"
        + (f", fitted on the images of {listed(fitted)}, without their expression." if fitted else ".")
    )
    if on := summary["panel_chosen_on"]:
        say(f"The panel was chosen on the expression of {listed(on)}: no model that uses it can be tested on them.")
    if report.notes:
        show_table("Notes", _alike(report.notes), as_json=False)
    if report.failures:
        failed = [{"section": failure.section, "why": failure.reason} for failure in report.failures]
        show_table(f"Left out: {len(failed)} sections", failed, as_json=False)


def _alike(notes: Mapping[str, Sequence[str]]) -> list[dict[str, str]]:
    """Rows of notes; those that many sections share, but for the name of the section, are one row."""
    from molf_engine.cli.sections import listed

    sections: dict[str, list[str]] = {}
    for name, told in notes.items():
        for note in told:
            sections.setdefault(note.replace(name, "ID"), []).append(name)
    return [
        {"section": listed(names), "note": note if len(names) > 1 else note.replace("ID", names[0])}
        for note, names in sections.items()
    ]

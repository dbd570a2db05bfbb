"""`molf-engine benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def benchmark(
    config: Annotated[
        Path,
        Parameter(
            help="What is compared, TOML or YAML: data, splits and, if not the defaults, train (settings of MoLF), seeds, rivals, "
            "variants, predictions (of other tools); configs/benchmark.toml of the repository explains each."
        ),
    ],
    /,
    *,
    output: Annotated[
        Path,
        Parameter(
            alias="-o", help="Folder for models, results and report; the same folder again goes on where it was."
        ),
    ],
    data: Annotated[
        Path | None, Parameter(help="Prepared corpus or HEST-layout folder; overrides data of the settings.")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print the summary as JSON.")] = False,
) -> None:
    """Train and score MoLF, its variants and its rivals on the same sections, and write one report.

    Everything is trained on the training sections of each split, for each seed, and scored once on its test sections.  A run that was
    interrupted goes on with the same command.
    """
    from molf_engine.benchmark.runner import run_benchmark
    from molf_engine.benchmark.settings import read_benchmark
    from molf_engine.cli.console import command_line, progress_bar, say, show_table
    from molf_engine.encoders import FeatureCache

    settings, training = read_benchmark(config, data)
    with progress_bar() as progress:
        report = run_benchmark(
            settings, training, output, command=command_line(), cache=FeatureCache(), progress=progress
        )
    show_table(
        f"{settings.name}: PCC per gene, mean over test sections, then over cancer types",
        summary(report.parent / "tables"),
        as_json=json,
        notes=[
            "sd: over trainings; low, high: bootstrap interval over sections. In log1p much is tissue density: see depth."
        ],
    )
    if not json:
        say(f"{report}: open it in a browser; its tables and figures lie beside it.")


def summary(tables: Path) -> list[dict[str, Any]]:
    """Means of the most variable genes of every model, from the tables of the report."""
    import pandas as pd

    from molf_engine.evaluation.report.cells import Estimate
    from molf_engine.evaluation.scoring import HVG

    parts = tuple(suffix for suffix in Estimate(0.0).columns() if suffix)
    rows = []
    for file in sorted(tables.glob("hvg-*.csv")):
        table = pd.read_csv(file, index_col=0)
        for label in (label for label in table.index if str(label).startswith("mean over")):
            mean = table.loc[label].drop("sections")
            for model in (name for name in mean.index if not str(name).endswith(parts)):
                rows.append(
                    {
                        "units": file.stem.removeprefix("hvg-"),
                        "genes": f"HVG-{HVG}",
                        "of": label,
                        "sections": int(table.loc[label, "sections"]),
                        "model": model,
                        "pcc": round(float(mean[model]), 4),
                    }
                    | {part.strip(): round(float(mean.get(f"{model}{part}", float("nan"))), 4) for part in parts}
                )
    return rows

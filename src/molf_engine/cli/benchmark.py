"""`molf-engine benchmark`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def benchmark(
    config: Annotated[
        Path, Parameter(help="What is compared, TOML or YAML; configs/benchmark.toml shows every setting.")
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
) -> None:
    """Train and score MoLF, its variants and its rivals on the same sections, and write one report.

    Everything is trained on the training sections of each split, for each seed, and scored once on its test sections.  A run that was
    interrupted goes on with the same command.
    """
    import shlex
    import sys

    from molf_engine.benchmark.runner import run_benchmark
    from molf_engine.benchmark.settings import read_benchmark
    from molf_engine.cli.console import progress_bar, say
    from molf_engine.encoders import FeatureCache

    settings, training = read_benchmark(config, data)
    command = shlex.join(["molf-engine", *(Path(part).name if "/" in part else part for part in sys.argv[1:])])
    with progress_bar() as progress:
        report = run_benchmark(settings, training, output, command=command, cache=FeatureCache(), progress=progress)
    say(f"{report}: open it in a browser; its tables and figures lie beside it.")

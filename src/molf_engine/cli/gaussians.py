"""`molf-engine gaussians`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter, validators

Positive = validators.Number(gte=1)


def gaussians(
    *,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="Folder for gaussians.csv, gaussians.png and gaussians-experts.png.")
    ] = None,
    seeds: Annotated[int, Parameter(validator=Positive, help="How often each network is trained.")] = 3,
    steps: Annotated[
        tuple[int, ...],
        Parameter(consume_multiple=True, validator=Positive, help="Numbers of Euler steps to sample with."),
    ] = (1, 2, 16),
    conditions: Annotated[int, Parameter(validator=Positive, help="Test conditions.")] = 100_000,
    train_steps: Annotated[int, Parameter(validator=Positive, help="Training steps, of 256 fresh draws each.")] = 5_000,
    feedforward: Annotated[
        int, Parameter(validator=Positive, help="Feed-forward width of an expert; 2048 as in the released code.")
    ] = 128,
    balance: Annotated[float, Parameter(help="Weight of the load-balancing loss.")] = 0.01,
    workers: Annotated[
        int | None,
        Parameter(validator=Positive, help="Networks trained at a time, one thread each; one per core, at most 8."),
    ] = None,
    overwrite: Annotated[bool, Parameter(negative="", help="Replace files of an earlier run.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the table as JSON.")] = False,
) -> None:
    """Compare mixture of experts and dense networks on eight Gaussians (paper, section 4.1), beside the exact answers."""
    from molf_engine.cli.console import progress_bar, show_table
    from molf_engine.evaluation.gaussians.figures import draw_clouds, draw_experts
    from molf_engine.evaluation.gaussians.models import variants
    from molf_engine.evaluation.gaussians.problem import EightGaussians
    from molf_engine.evaluation.gaussians.report import as_text, every_run, means, write_csv
    from molf_engine.evaluation.gaussians.study import Training, run_study
    from molf_engine.files import make_parent, refuse_existing

    files = [] if output is None else [output / name for name in FILES]
    for path in files:
        refuse_existing(path, overwrite)
        make_parent(path)
    problem = EightGaussians()
    with progress_bar() as progress:
        study = run_study(
            variants(feedforward),
            problem=problem,
            seeds=range(seeds),
            steps=sorted(set(steps)),
            conditions=conditions,
            training=Training(steps=train_steps, balance=balance),
            workers=workers or min(8, os.cpu_count() or 1),
            progress=progress,
        )
    if files:
        table, clouds, experts = files
        write_csv(table, every_run(study))
        draw_clouds(clouds, study)
        draw_experts(experts, study)
    show_table(
        "Eight Gaussians: W2 per dimension",
        means(study) if json else as_text(study),
        as_json=json,
        notes=[
            f"Mean ± sd over {seeds} seeds; {conditions:,} conditions, shared by truth and prediction. Radius {problem.radius:g}, "
            f"sd {problem.sd:g}, noise of the condition {problem.noise:g}: chosen here, not the paper's.",
            "second draw: another draw of the truth for the same conditions. exact velocity: what training aims at; "
            "one step of it is the exact conditional mean.",
            "input norm: LayerNorm over z, t and condition. stray: farther than 3 sd from every peak. "
            "experts used: by at least 1 % of the points on all paths. peak told: what the expert says of the peak, 0 to 1.",
            "paper: Table 1 of arXiv 2602.02282 (released code has the input norm); on its own peaks and conditions.",
        ],
    )


FILES = ("gaussians.csv", "gaussians.png", "gaussians-experts.png")

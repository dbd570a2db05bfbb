"""The study as tables: every run, means over seeds, and the same in words for a terminal."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from molf_engine.evaluation.gaussians.study import Score, Study
from molf_engine.files import atomic_path

PAPER = {"MoE": 0.292, "dense (control)": 0.315}
"""W2 per dimension in the paper's Table 1, by the name of the network here."""

Rows = list[dict[str, Any]]


def every_run(study: Study) -> Rows:
    """One row per network, seed and number of steps, after the floors; NaN where a column does not apply."""
    rows = [_row("second draw", study.floors.second_draw)]
    rows += [_row("exact velocity", score) for score in study.floors.exact]
    for run in study.runs:
        about: dict[str, Any] = {
            "input_norm": run.variant.input_norm,
            "parameters": run.variant.parameters(),
            "seed": run.seed,
        }
        if run.routing is not None:
            about |= {"experts_used": run.routing.used, "peak_told": run.routing.information}
        rows += [_row(run.variant.name, score, **about) for score in run.scores]
    return rows


def means(study: Study) -> Rows:
    """One row per network and number of steps: mean and sd over seeds, the floors first; NaN where a column does not apply."""
    groups: dict[tuple[Any, ...], Rows] = {}
    for row in every_run(study):
        # NaN is equal to nothing, itself included: as text it is a key.
        groups.setdefault((row["network"], str(row["input_norm"]), row["steps"]), []).append(row)
    return [_average(same) for same in groups.values()]


def as_text(study: Study) -> Rows:
    """One row per network with its W2 at every number of steps, mean ± sd over seeds, beside the floors and the paper."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    counts = [score.steps for score in study.floors.exact]
    for row in means(study):
        network, norm = row["network"], row["input_norm"]
        known = norm != norm
        line = rows.setdefault(
            (network, str(norm)),
            {
                "network": network,
                "input norm": "" if known else ("yes" if norm else "no"),
                "parameters": "" if known else f"{row['parameters']:,}",
                **{_count(steps): "" for steps in counts},
                f"stray, {_count(counts[-1])}": "",
                "experts used": "",
                "peak told": "",
                "paper": f"{PAPER[network]:.3f}" if norm is True and network in PAPER else "",
            },
        )
        spread = "" if row["w2_sd"] != row["w2_sd"] else f" ± {row['w2_sd']:.3f}"
        for steps in counts if row["steps"] == 0 else [row["steps"]]:
            line[_count(steps)] = f"{row['w2']:.3f}{spread}"
        line[f"stray, {_count(counts[-1])}"] = f"{100 * row['stray']:.1f} %"
        if row["experts_used"] == row["experts_used"]:
            line |= {"experts used": f"{row['experts_used']:.1f}", "peak told": f"{row['peak_told']:.2f}"}
    return list(rows.values())


def write_csv(path: Path, rows: Rows) -> None:
    """Write rows that share their keys."""
    with atomic_path(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({key: "" if value != value else value for key, value in row.items()} for row in rows)


NAN = float("nan")


def _row(network: str, score: Score, **about: Any) -> dict[str, Any]:
    row = dict.fromkeys(("input_norm", "parameters", "seed"), NAN) | {"experts_used": NAN, "peak_told": NAN}
    return {"network": network, "steps": score.steps, "w2": score.w2, "stray": score.stray} | row | about


def _average(same: Rows) -> dict[str, Any]:
    """One row of rows that differ in their seed alone."""
    average = {key: mean(row[key] for row in same) for key in ("w2", "stray", "experts_used", "peak_told")}
    known = same[0]["seed"] != same[0]["seed"]
    spread = stdev(row["w2"] for row in same) if len(same) > 1 else NAN
    row = same[0] | average | {"w2_sd": spread, "seeds": NAN if known else len(same)}
    return {key: value for key, value in row.items() if key != "seed"}


def _count(steps: int) -> str:
    return "1 step" if steps == 1 else f"{steps} steps"

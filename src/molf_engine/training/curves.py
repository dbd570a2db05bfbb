"""Curves of a training run, as a table and as a picture."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.files import atomic_path
from molf_engine.training.loop import TITLES, Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Curves = dict[str, list[Record]]
"""Stage -> one record for each epoch."""


def write_curves(path: Path, curves: Curves) -> None:
    """Curves of all stages as one CSV: a row per stage and epoch.

    Besides the losses: ``validation_oracle``, mean PCC of decode(encode(x)) over the columns, the most that stage 2 can reach through
    this latent space; ``validation_use_E1``.., share of the patches' choices that each expert gets; ``balance`` with
    ``balance_optimum``, its value at even use.
    """
    names = list(dict.fromkeys(name for curve in curves.values() for row in curve for name in row))
    with atomic_path(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["stage", *names])
        writer.writeheader()
        for stage, curve in curves.items():
            for row in curve:
                writer.writerow({"stage": stage, **{name: f"{value:.6g}" for name, value in row.items()}})


def draw_curves(path: Path, curves: Curves) -> None:
    """Losses of each stage, the oracle ceiling and the experts' use over the epochs, as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(stage, "loss") for stage in curves if curves[stage]]
    panels += [("vae", "oracle")] if curves.get("vae") else []
    panels += [("flow", "use")] if any("validation_use_E1" in row for row in curves.get("flow", ())) else []
    figure = Figure(figsize=(4.5 * len(panels), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (stage, what) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        curve = curves[stage]
        best = min(curve, key=lambda row: row["validation_loss"])
        _PANELS[what](axes, curve)
        axes.axvline(best["epoch"], color="0.6", linestyle="--", label=f"kept (epoch {best['epoch']:.0f})")
        axes.set(title=f"{TITLES[stage]}: {_NAMES[what]}", xlabel="epoch")
        axes.legend(fontsize="small", ncols=2 if what == "use" else 1)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=120)


def _losses(axes: Axes, curve: list[Record]) -> None:
    for name, label in (("train_loss", "training"), ("validation_loss", "validation")):
        axes.plot(_epochs(curve), [row.get(name, math.nan) for row in curve], label=label)
    axes.set(yscale="log", ylabel="loss")


def _oracle(axes: Axes, curve: list[Record]) -> None:
    axes.plot(_epochs(curve), [row["validation_oracle"] for row in curve], label="decode(encode(x)), validation")
    axes.set(ylabel="mean PCC over genes", ylim=(None, 1))


def _use(axes: Axes, curve: list[Record]) -> None:
    experts = [name for name in curve[0] if name.startswith("validation_use_")]
    for name in experts:
        axes.plot(_epochs(curve), [row[name] for row in curve], label=name.removeprefix("validation_use_"), linewidth=1)
    axes.axhline(1 / len(experts), color="0.3", linestyle=":", label="even use")
    # Room above the lines for the legend.
    highest = max(row[name] for row in curve for name in experts)
    axes.set(ylabel="share of the choices", ylim=(0, 1.6 * highest))


def _epochs(curve: list[Record]) -> list[float]:
    return [row["epoch"] for row in curve]


_PANELS = {"loss": _losses, "oracle": _oracle, "use": _use}
_NAMES = {"loss": "loss", "oracle": "oracle ceiling", "use": "experts' use"}

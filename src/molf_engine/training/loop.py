"""The training loop: epochs over slides, early stopping, saved states, curves.  It knows no network and no file format but its own."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from molf_engine.config import StageConfig, TrainingConfig
from molf_engine.errors import MolfError
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.training.slides import TrainingSlide, seed_step

Record = dict[str, float]
Groups = list[tuple[list[nn.Parameter], float]]


@dataclass(frozen=True)
class Stage:
    """What one stage trains and how it is judged.

    Attributes
    ----------
    name : str
        `vae` or `flow`; keys the random numbers and the saved state.
    module : nn.Module
        What is trained.
    groups : list
        Parameters with their peak learning rate.
    loss : callable
        Slide -> (loss, parts to log).
    validate : callable
        Module -> parts to log; ``"loss"`` among them decides.
    """

    name: str
    module: nn.Module
    groups: Groups
    loss: Callable[[TrainingSlide], tuple[Tensor, Record]]
    validate: Callable[[nn.Module], Record]


def rate_factor(step: int, steps: int, warmup: float) -> float:
    """Linear rise over the first ``warmup`` share of the steps, then linear fall to 0."""
    rise = max(1, round(warmup * steps))
    return (step + 1) / rise if step < rise else max(0.0, (steps - step) / max(1, steps - rise))


def train_stage(
    stage: Stage,
    slides: Sequence[TrainingSlide],
    config: StageConfig,
    training: TrainingConfig,
    folder: Path,
    progress: ProgressCallback,
    ema: float = 0.0,
) -> list[Record]:
    """Train until the validation loss stops falling, leave the best weights in ``stage.module``, return the curve.

    A state is saved in ``folder`` every few epochs; if one is there, training goes on from it.

    Raises
    ------
    MolfError
        If a loss is not finite; the message names the slide.
    """
    state_file = folder / f"{stage.name}.pt"
    optimizer = torch.optim.AdamW(
        [{"params": params, "peak": rate, "lr": rate} for params, rate in stage.groups],
        weight_decay=config.weight_decay,
    )
    average = _Average(stage.module, ema)
    best_loss, best_epoch, best = math.inf, -1, _weights(average.module)
    curve: list[Record] = []
    epoch = 0
    if state_file.is_file():
        state = torch.load(state_file, weights_only=True, map_location=next(stage.module.parameters()).device)
        stage.module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        average.module.load_state_dict(state["average"])
        best_loss, best_epoch, best = state["best_loss"], state["best_epoch"], state["best"]
        curve, epoch = state["curve"], state["epoch"]

    steps = config.epochs * len(slides)
    while epoch < config.epochs and epoch - best_epoch <= config.patience:
        progress(Progress(f"Training {_TITLES[stage.name]}", epoch, config.epochs, "epochs"))
        seed_step(training.seed, stage.name, epoch)
        order = torch.randperm(len(slides)).tolist()
        records = []
        stage.module.train()
        for place, index in enumerate(order):
            factor = rate_factor(epoch * len(slides) + place, steps, config.warmup)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            seed_step(training.seed, stage.name, epoch, slides[index].id)
            loss, parts = stage.loss(slides[index])
            if not torch.isfinite(loss):
                raise MolfError(
                    f"The {stage.name} loss became {loss.item()} on {slides[index].id} in epoch {epoch + 1}. Check that "
                    f"section's counts and features, or lower training.{stage.name}.learning_rate."
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_([p for params, _ in stage.groups for p in params], config.clip)
            optimizer.step()
            average.update(epoch * len(slides) + place)
            records.append({"loss": float(loss.detach()), **parts})
        validation = stage.validate(average.module.eval())
        epoch += 1
        curve.append(
            {
                "epoch": float(epoch),
                **{f"train_{name}": sum(r[name] for r in records) / len(records) for name in records[0]},
                **{f"validation_{name}": value for name, value in validation.items()},
            }
        )
        if validation["loss"] < best_loss:
            best_loss, best_epoch, best = validation["loss"], epoch, _weights(average.module)
        if epoch % training.checkpoint_every == 0 or epoch == config.epochs or epoch - best_epoch > config.patience:
            with atomic_path(state_file) as beside:
                torch.save(
                    {
                        "module": stage.module.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "average": average.module.state_dict(),
                        "best": best,
                        "best_loss": best_loss,
                        "best_epoch": best_epoch,
                        "curve": curve,
                        "epoch": epoch,
                    },
                    beside,
                )
    if not math.isfinite(best_loss):
        raise MolfError(
            f"The {stage.name} loss on the validation sections was never finite. Check their counts and features, or lower "
            f"training.{stage.name}.learning_rate."
        )
    stage.module.load_state_dict(best)
    stage.module.eval()
    return curve


_TITLES = {"vae": "gene VAE", "flow": "flow"}


class _Average:
    """Exponential moving average of a module's weights; with decay 0 it is the module itself."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        import copy

        self._source = module
        self._decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False) if decay else module

    @torch.no_grad()
    def update(self, step: int) -> None:
        if not self._decay:
            return
        # Short at first, so that the random start is soon forgotten.
        decay = min(self._decay, (1 + step) / (10 + step))
        for averaged, current in zip(self.module.parameters(), self._source.parameters(), strict=True):
            averaged.lerp_(current, 1 - decay)


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in module.state_dict().items()}


def write_curves(path: Path, curves: dict[str, list[Record]]) -> None:
    """Curves of all stages as one CSV: a row per stage and epoch."""
    names = list(dict.fromkeys(name for curve in curves.values() for row in curve for name in row))
    with atomic_path(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["stage", *names])
        writer.writeheader()
        for stage, curve in curves.items():
            for row in curve:
                writer.writerow({"stage": stage, **{name: f"{value:.6g}" for name, value in row.items()}})


def draw_curves(path: Path, curves: dict[str, list[Record]]) -> None:
    """Training and validation losses of all stages as one PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(curves), 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (stage, curve) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True):
        epochs = [row["epoch"] for row in curve]
        for name, label in (("train_loss", "training"), ("validation_loss", "validation")):
            axes.plot(epochs, [row.get(name, math.nan) for row in curve], label=label)
        best = min(curve, key=lambda row: row["validation_loss"])
        axes.axvline(best["epoch"], color="0.6", linestyle="--", label=f"kept (epoch {best['epoch']:.0f})")
        axes.set(title=_TITLES[stage], xlabel="epoch", ylabel="loss", yscale="log")
        axes.legend()
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=120)

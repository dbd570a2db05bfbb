"""The training loop: epochs over slides, early stopping, saved states.  It knows no network and no file format but its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from molf_engine.config import StageConfig, TrainingConfig
from molf_engine.errors import MolfError
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.training.feeding import in_order
from molf_engine.training.objectives import FlowObjective, Losses, VAEObjective, join_draws
from molf_engine.training.slides import TrainingSlide, join, key_of

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Record = dict[str, float]
Groups = list[tuple[list[nn.Parameter], float]]

TITLES = {"vae": "gene VAE", "flow": "flow"}


@dataclass(frozen=True)
class Stage:
    """What one stage trains and how it is judged.

    Attributes
    ----------
    name : str
        `vae` or `flow`; keys the random numbers and the saved state.
    network : nn.Module
        What is kept of the training.
    objective : VAEObjective or FlowObjective
        Its losses on the slides of one step; contains ``network``.
    groups : list
        Parameters with their peak learning rate.
    validate : callable
        (Network, epoch) -> parts to log; ``"loss"`` among them decides.
    """

    name: str
    network: nn.Module
    objective: VAEObjective | FlowObjective
    groups: Groups
    validate: Callable[[nn.Module, int], Record]

    @property
    def title(self) -> str:
        """Its name for people."""
        return TITLES[self.name]


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
    fabric: Fabric,
    ema: float = 0.0,
    shuffle: bool = True,
) -> list[Record]:
    """Train until the validation loss stops falling, leave the best weights in ``stage.network``, return the curve.

    A state is saved in ``folder`` every few epochs; if one is there, training goes on from it.  Every process of the run calls this
    with the same arguments; each takes its share of every step's slides.

    Raises
    ------
    MolfError
        If a loss or a gradient is not finite; the message names the slides, and the weights before that step are saved.
    """
    run = _Run(stage, slides, config, training, folder, fabric, ema)
    state = run.load()
    while state.epoch < config.epochs and state.epoch - state.best_epoch <= config.patience:
        progress(Progress(f"Training {stage.title}", state.epoch, config.epochs, "epochs"))
        record = run.epoch(state.epoch, _order(len(slides), training.seed, stage.name, state.epoch, shuffle))
        validation = stage.validate(run.average.module.eval(), state.epoch)
        state.epoch += 1
        state.curve.append(
            {
                "epoch": float(state.epoch),
                **{f"train_{name}": value for name, value in record.items()},
                **{f"validation_{name}": value for name, value in validation.items()},
            }
        )
        if validation["loss"] < state.best_loss:
            state.best_loss, state.best_epoch, state.best = (
                validation["loss"],
                state.epoch,
                _weights(run.average.module),
            )
        ended = state.epoch == config.epochs or state.epoch - state.best_epoch > config.patience
        if ended or state.epoch % training.checkpoint_every == 0:
            run.save(state)
    if not math.isfinite(state.best_loss):
        raise MolfError(
            f"The {stage.title} loss on the validation sections was never finite. Check their counts and features, or lower "
            f"training.{stage.name}.learning_rate."
        )
    stage.network.load_state_dict(state.best)
    stage.network.eval()
    return state.curve


def _order(count: int, seed: int, stage: str, epoch: int, shuffle: bool) -> list[int]:
    if not shuffle:
        return list(range(count))
    generator = torch.Generator().manual_seed(key_of(seed, stage, epoch))
    return torch.randperm(count, generator=generator).tolist()


@dataclass
class _State:
    """Where a stage stands, apart from the weights in training."""

    best: dict[str, Tensor]
    best_loss: float
    best_epoch: int
    curve: list[Record]
    epoch: int


class _Run:
    """One stage in training: weights, optimizer, moving average, and the files that hold them."""

    def __init__(
        self,
        stage: Stage,
        slides: Sequence[TrainingSlide],
        config: StageConfig,
        training: TrainingConfig,
        folder: Path,
        fabric: Fabric,
        ema: float,
    ) -> None:
        self._stage, self._slides, self._config, self._training = stage, slides, config, training
        self._folder, self._fabric = folder, fabric
        self._objective = fabric.setup_module(stage.objective)
        self._parameters = [parameter for group, _ in stage.groups for parameter in group]
        self._optimizer = torch.optim.AdamW(
            [{"params": params, "peak": rate, "lr": rate} for params, rate in stage.groups],
            weight_decay=config.weight_decay,
            fused=fabric.device.type in ("cpu", "cuda"),
        )
        self.average = _Average(stage.network, ema)

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._stage.name}.pt"

    def load(self) -> _State:
        """The saved state, or a fresh one."""
        if not self._file.is_file():
            return _State(_weights(self.average.module), math.inf, -1, [], 0)
        saved = torch.load(self._file, weights_only=True, map_location=self._fabric.device)
        self._stage.network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.average.module.load_state_dict(saved["average"])
        return _State(saved["best"], saved["best_loss"], saved["best_epoch"], saved["curve"], saved["epoch"])

    def save(self, state: _State) -> None:
        """Write the state; one process does, the others wait."""
        if self._fabric.is_global_zero:
            self._write(self._file, {**self._weights(), **vars(state)})
        self._fabric.barrier()

    def epoch(self, epoch: int, order: Sequence[int]) -> Record:
        """Take one step for each batch of slides, return the means of the losses over slides."""
        size = self._training.batch_slides
        batches = [order[place : place + size] for place in range(0, len(order), size)]
        shares = [self._share(batch) for batch in batches]
        slides = in_order(self._slides, [index for own, _ in shares for index in own])
        self._objective.train()
        sums: dict[str, Tensor] = {}
        for place, (batch, (own, share)) in enumerate(zip(batches, shares, strict=True)):
            step = epoch * len(batches) + place
            factor = rate_factor(step, self._config.epochs * len(batches), self._config.warmup)
            for group in self._optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            losses = self._losses(list(islice(slides, len(own))), epoch, step)
            # Every process divides by all slides of the step and multiplies by its peers: DDP averages over processes.
            self._fabric.backward(losses.total.sum() * (share * self._fabric.world_size / len(batch)))
            norm = nn.utils.clip_grad_norm_(self._parameters, self._config.clip)
            if not torch.isfinite(norm):
                self._stop(f"gradient of the {self._stage.title}", [self._slides[index].id for index in batch], epoch)
            self._optimizer.step()
            self._optimizer.zero_grad(set_to_none=True)
            self.average.update(step)
            for name, values in {"loss": losses.total, **losses.parts}.items():
                sums[name] = sums.get(name, 0) + values.detach().sum() * share
        totals = torch.stack(list(sums.values()))
        if self._fabric.world_size > 1:
            totals = self._fabric.all_reduce(totals, reduce_op="sum")  # type: ignore[assignment]
        return dict(zip(sums, (totals / len(order)).tolist(), strict=True))

    def _share(self, batch: Sequence[int]) -> tuple[list[int], float]:
        """Slides of this process, and the weight of their losses: one that has none left repeats a slide with weight 0."""
        own = list(batch[self._fabric.global_rank :: self._fabric.world_size])
        return (own, 1.0) if own else ([batch[0]], 0.0)

    def _losses(self, chosen: Sequence[TrainingSlide], epoch: int, step: int) -> Losses:
        seed, name = self._training.seed, self._stage.name
        draws = [
            self._stage.objective.draw(s, torch.Generator().manual_seed(key_of(seed, name, epoch, s.id)))
            for s in chosen
        ]
        # Dropout draws from the global stream, on whichever device it runs.
        torch.manual_seed(key_of(seed, name, "dropout", step, self._fabric.global_rank))
        losses = Losses(*self._objective(join(chosen), join_draws(draws, self._fabric.device)))
        finite = torch.isfinite(losses.total).tolist()
        if not all(finite):
            bad = [slide.id for slide, good in zip(chosen, finite, strict=True) if not good]
            self._stop(f"{self._stage.title} loss", bad, epoch)
        return losses

    def _stop(self, what: str, names: Sequence[str], epoch: int) -> None:
        file = self._folder / f"{self._stage.name}-stopped.pt"
        self._write(file, {**self._weights(), "epoch": epoch, "slides": list(names)})
        raise MolfError(
            f"The {what} is not finite on {', '.join(names)} in epoch {epoch + 1}. Check the counts and features there, or lower "
            f"training.{self._stage.name}.learning_rate. The weights before that step are in {file}."
        )

    def _weights(self) -> dict[str, Any]:
        return {
            "network": self._stage.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "average": self.average.module.state_dict(),
        }

    def _write(self, file: Path, values: dict[str, Any]) -> None:
        with atomic_path(file) as beside:
            torch.save(values, beside)


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

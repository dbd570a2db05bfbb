"""The training loop that the networks among the rivals share.

A step shows a few sections, or a part of each where they are large, and moves the weights once; an average of the weights
(EMA) is what is judged on the held-out sections, and what is kept.  Everything random is drawn from generators keyed by
seed, step and section.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from molf_engine.baselines.neighbourhood import Neighbours, nearest
from molf_engine.progress import Progress, ProgressCallback

_GRADIENT_NORM = 1.0
_WARM_UP = 50
_VALIDATION, _ORDER, _PART, _LOSS = range(4)
_DRAWS_TO_JUDGE = 2


@dataclass(frozen=True)
class Budget:
    """How long a network learns, and from how much at once."""

    steps: int = 600
    """Steps at most, unless there are so many sections that ``passes`` over them take more."""
    passes: int = 4
    slides_per_step: int = 2
    spots_per_slide: int = 512
    """Of a larger section a different part, all near one spot, is shown each time."""
    check_every: int = 40
    """Steps between two looks at the held-out sections, or a pass over the sections if that is longer."""
    patience: int = 6
    """Looks without improvement after which learning stops."""
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    ema: float = 0.98


@dataclass(frozen=True)
class Batch:
    """Spots of one section as a network sees them (``S`` spots, ``D`` features, ``C``: genes, then the log total)."""

    features: Tensor
    """``(S, D)`` standardised."""
    values: Tensor
    """``(S, C)`` standardised; 0 where unmeasured."""
    counted: Tensor
    """``(C,)`` 1 where the section measured the gene, else 0."""
    positions_um: np.ndarray
    """``(S, 2)``"""
    organ: int = 0
    """Number of the organ; 0: unknown."""
    technology: int = 0
    """Number of the technology; 0: unknown."""

    def neighbours(self, k: int) -> Neighbours:
        """Nearest neighbours of each spot, within this batch."""
        return nearest(self.positions_um, k)

    def part(self, most: int, generator: Generator) -> Batch:
        """At most ``most`` spots: a random one and those nearest to it."""
        if len(self.features) <= most:
            return self
        centre = int(torch.randint(len(self.features), (1,), generator=generator))
        away = ((self.positions_um - self.positions_um[centre]) ** 2).sum(axis=1)
        chosen = np.sort(np.argsort(away, kind="stable")[:most])
        rows = torch.from_numpy(chosen)
        return Batch(
            self.features[rows],
            self.values[rows],
            self.counted,
            self.positions_um[chosen],
            self.organ,
            self.technology,
        )


class Learner(Protocol):
    """What the loop asks of a rival."""

    def loss(self, network: nn.Module, batch: Batch, generator: Generator) -> Tensor:
        """Loss on a batch, everything random drawn from the generator."""
        ...

    def estimate(self, network: nn.Module, batch: Batch, draws: int) -> Tensor:
        """``(S, C)`` prediction for a batch, the mean of ``draws`` where the rival draws at all; never looks at its values."""
        ...


def keyed(*key: int) -> Generator:
    """Generator whose numbers depend on the key alone."""
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state >> 1)


def masked_error(predicted: Tensor, batch: Batch, spots: Tensor | None = None) -> Tensor:
    """Mean squared error over the measured genes; ``(S,)`` 0 or 1 leaves out spots."""
    weight = batch.counted.expand_as(predicted)
    if spots is not None:
        weight = weight * spots[:, None]
    return ((predicted - batch.values) ** 2 * weight).sum() / weight.sum().clamp(min=1)


def learning_rate(step: int, steps: int, highest: float) -> float:
    """Rate of a step: rises over the first ones, then falls along half a cosine to a hundredth."""
    if step < _WARM_UP:
        return highest * (step + 1) / _WARM_UP
    along = (step - _WARM_UP) / max(1, steps - _WARM_UP)
    return highest * float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * min(along, 1.0))))


def train(
    network: nn.Module,
    learner: Learner,
    sections: Sequence[Batch],
    held_out: Sequence[Batch],
    budget: Budget,
    seed: int,
    progress: ProgressCallback,
    phase: str,
) -> nn.Module:
    """Train a network; return its averaged weights at the best look, or the last ones if nothing is held out.

    Parameters
    ----------
    network
        Trained in place.
    learner
        Gives the loss, and the prediction whose squared error on the held-out sections decides when to stop.
    sections, held_out
        May read each from disk as it is asked for.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=budget.learning_rate, weight_decay=budget.weight_decay)
    average = copy.deepcopy(network).requires_grad_(False).eval()
    rounds = -(-len(sections) // budget.slides_per_step)
    steps = max(budget.steps, budget.passes * rounds)
    check_every = max(budget.check_every, rounds)
    best, best_error, waited = copy.deepcopy(average), float("inf"), 0
    order = _Order(len(sections), seed)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, budget.learning_rate)
        optimiser.zero_grad(set_to_none=True)
        for index in order.next(budget.slides_per_step):
            part = sections[index].part(budget.spots_per_slide, keyed(seed, _PART, step, index))
            if not len(part.features):
                continue
            loss = learner.loss(network, part, keyed(seed, _LOSS, step, index))
            (loss / budget.slides_per_step).backward()
        nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_NORM)
        optimiser.step()
        _follow(average, network, min(budget.ema, (1 + step) / (10 + step)))
        if (step + 1) % check_every == 0 or step + 1 == steps:
            progress(Progress(phase, step + 1, steps, "steps"))
            error = _error(learner, average, held_out, budget, seed)
            if error is None:
                best = copy.deepcopy(average)
            elif error < best_error:
                best, best_error, waited = copy.deepcopy(average), error, 0
            elif (waited := waited + 1) >= budget.patience:
                break
    progress(Progress(phase, steps, steps, "steps"))
    return best


class _Order:
    """Sections in an order drawn anew for every pass."""

    def __init__(self, count: int, seed: int) -> None:
        self._count, self._seed, self._passes = count, seed, 0
        self._left: list[int] = []

    def next(self, count: int) -> list[int]:
        """Give the next sections; a small set comes round more than once."""
        while len(self._left) < count:
            self._left += torch.randperm(self._count, generator=keyed(self._seed, _ORDER, self._passes)).tolist()
            self._passes += 1
        chosen, self._left = self._left[:count], self._left[count:]
        return chosen


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module, decay: float) -> None:
    for slow, fast in zip(average.parameters(), network.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


@torch.no_grad()
def _error(learner: Learner, network: nn.Module, held_out: Sequence[Batch], budget: Budget, seed: int) -> float | None:
    """Mean squared error of the prediction over the held-out sections, if any; of a large one the same part each time."""
    errors = []
    for index in range(len(held_out)):
        part = held_out[index].part(4 * budget.spots_per_slide, keyed(seed, _VALIDATION, index))
        if len(part.features):
            errors.append(float(masked_error(learner.estimate(network, part, _DRAWS_TO_JUDGE), part)))
    return float(np.mean(errors)) if errors else None

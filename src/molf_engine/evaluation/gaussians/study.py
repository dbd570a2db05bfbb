"""Train every network on the same draws, and judge it on the same conditions."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from molf_engine.evaluation.gaussians.models import EXPERTS, Variant, VelocityNetwork
from molf_engine.evaluation.gaussians.problem import Draw, EightGaussians
from molf_engine.evaluation.gaussians.scores import shared_information, stray_share, w2_per_dimension
from molf_engine.flow.losses import balance_loss, flow_matching_loss
from molf_engine.flow.path import draw_times, interpolate
from molf_engine.flow.solver import VelocityFunction, euler
from molf_engine.progress import Progress, ProgressCallback, silent

TEST_SEED = 20_260_202
"""Of the test conditions: one set for every network and every seed, so that only training differs."""
ROWS = 1_024
"""Points that are followed at once."""


@dataclass(frozen=True)
class Training:
    """How a network is trained: Adam, its rate rising for ``warm_up`` steps and then falling to 0 along a cosine.

    One setting for all networks but for the rate, which belongs to each.  ``balance`` weighs the balance loss.
    """

    steps: int = 5_000
    batch: int = 256
    warm_up: int = 500
    gate_share: float = 0.2
    """Rate of the gate over that of the rest, as in the released code."""
    balance: float = 0.01


@dataclass(frozen=True)
class Score:
    """W2 per dimension and share of stray points after ``steps`` Euler steps."""

    steps: int
    w2: float
    stray: float


@dataclass(frozen=True)
class RoutingScore:
    """What the experts do along the paths from noise to the true values, all times alike.

    ``used``: experts in charge of at least 1 % of the points; ``information``: what the expert tells about the peak, 0 to 1.
    """

    used: int
    information: float


@dataclass(frozen=True)
class Run:
    """One network, trained from one seed."""

    variant: Variant
    seed: int
    network: VelocityNetwork
    scores: tuple[Score, ...]
    points: dict[int, Tensor]
    """Predictions by number of steps, (N, 2)."""
    routing: RoutingScore | None


@dataclass(frozen=True)
class Floors:
    """What training aims at: a second draw of the truth for the same conditions, and the exact velocity at each number of steps.

    One step along the exact velocity ends in the exact conditional mean, which is best in squared error, not in W2: what a
    network leaves of the noise it started from can bring its spread, and so its W2, nearer to the truth.
    """

    second_draw: Score
    exact: tuple[Score, ...]
    points: dict[int, Tensor]


@dataclass(frozen=True)
class Study:
    """Everything that came out."""

    problem: EightGaussians
    test: Draw
    floors: Floors
    runs: list[Run] = field(default_factory=list)

    def of(self, variant: Variant) -> list[Run]:
        """Runs of one network, one per seed."""
        return [run for run in self.runs if run.variant == variant]


def run_study(
    variants: Sequence[Variant],
    *,
    seeds: Sequence[int],
    steps: Sequence[int],
    conditions: int,
    training: Training,
    problem: EightGaussians | None = None,
    workers: int = 1,
    progress: ProgressCallback = silent,
) -> Study:
    """Train and judge ``variants``.

    Parameters
    ----------
    variants : sequence of Variant
        The networks.
    seeds : sequence of int
        Each gives one start, one series of training draws and one set of noise for sampling, the same for all networks.
    steps : sequence of int
        Numbers of Euler steps to sample with.
    conditions : int
        Test conditions, shared by truth and prediction: peaks drawn anew would differ in size by chance, which alone costs more
        than a good network does.
    training : Training
        How each is trained.
    problem : EightGaussians, optional
        The distribution.
    workers : int
        Processes that train, each one network at a time on one thread; 1 works in this process, on its threads.
    progress : callable
        Told of each network that is done.
    """
    problem = problem or EightGaussians()
    test, generator = draw_test(problem, conditions)
    study = Study(problem, test, floors(problem, test, steps, generator))
    tasks = [Task(variant, seed, problem, training, conditions, tuple(steps)) for variant in variants for seed in seeds]
    for run in _in_order(tasks, workers):
        study.runs.append(run)
        progress(Progress("training", len(study.runs), len(tasks), "networks"))
    return study


@dataclass(frozen=True)
class Task:
    """All that a worker must know to train and judge one network."""

    variant: Variant
    seed: int
    problem: EightGaussians
    training: Training
    conditions: int
    steps: tuple[int, ...]


def draw_test(problem: EightGaussians, conditions: int) -> tuple[Draw, torch.Generator]:
    """Draw the test set, the same each time, and return the generator that drew it."""
    generator = torch.Generator().manual_seed(TEST_SEED)
    return problem.draw(conditions, generator), generator


def _in_order(tasks: Sequence[Task], workers: int) -> Iterator[Run]:
    if workers == 1:
        yield from map(train_and_judge, tasks)
        return
    # Started anew, not forked: a fork of a process that has used its threads may hang.
    start = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(tasks)), start, initializer=_use_one_thread) as pool:
        try:
            yield from pool.map(train_and_judge, tasks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _use_one_thread() -> None:
    torch.set_num_threads(1)


def train_and_judge(task: Task) -> Run:
    """Train one network and score it."""
    test, _ = draw_test(task.problem, task.conditions)
    network = train(task.variant, task.problem, task.training, task.seed)
    return judge(task, network, test)


def floors(problem: EightGaussians, test: Draw, steps: Sequence[int], generator: torch.Generator) -> Floors:
    """Score what is known exactly on the conditions of ``test``."""
    second = problem.conditional_draw(test.condition, generator)
    start = torch.randn(test.value.shape, generator=generator)

    def exact(condition: Tensor) -> VelocityFunction:
        return lambda z, t: problem.velocity(z, t, condition)

    points = {count: follow(exact, start, test.condition, count) for count in steps}
    return Floors(
        score(second, problem, test, steps=0),
        tuple(score(found, problem, test, count) for count, found in points.items()),
        points,
    )


def train(variant: Variant, problem: EightGaussians, training: Training, seed: int) -> VelocityNetwork:
    """Train one network by flow matching (paper, eq. 6), with the balance loss if it has experts."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = variant.build()
    generator = torch.Generator().manual_seed(seed)
    groups: list[dict[str, Any]] = [{"params": list(network.norm.parameters()) + list(network.head.parameters())}]
    if network.gate is not None:
        groups.append({"params": list(network.gate.parameters()), "lr": variant.rate * training.gate_share})
    optimizer = torch.optim.Adam(groups, lr=variant.rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_factor(step, training))
    for _ in range(training.steps):
        loss = training_loss(network, problem, training, generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


def rate_factor(step: int, training: Training) -> float:
    """Share of the full learning rate: a linear rise, then half a cosine down to 0."""
    if step < training.warm_up:
        return (step + 1) / (training.warm_up + 1)
    done = (step - training.warm_up) / max(1, training.steps - training.warm_up)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def training_loss(
    network: VelocityNetwork, problem: EightGaussians, training: Training, generator: torch.Generator
) -> Tensor:
    """Loss of one fresh batch."""
    value, condition, _ = problem.draw(training.batch, generator)
    start = torch.randn(value.shape, generator=generator)
    t = draw_times(training.batch, per_patch=True, zero_share=0.0, generator=generator)
    # Drawn for all, so that networks with and without experts see the same batches.
    gate_noise = torch.randn((training.batch, EXPERTS), generator=generator)
    velocity = network(interpolate(start, value, t), t, condition, gate_noise)
    loss = flow_matching_loss(velocity.value, start, value)
    if velocity.routing is not None:
        loss = loss + training.balance * balance_loss(velocity.routing.logits, velocity.routing.chosen)
    return loss


@torch.no_grad()
def judge(task: Task, network: VelocityNetwork, test: Draw) -> Run:
    """Sample one value per test condition with each number of steps, and score it."""
    start = torch.randn(test.value.shape, generator=torch.Generator().manual_seed(TEST_SEED + task.seed))

    def learned(condition: Tensor) -> VelocityFunction:
        return lambda z, t: network(z, t, condition).value

    points = {count: follow(learned, start, test.condition, count) for count in task.steps}
    return Run(
        task.variant,
        task.seed,
        network,
        tuple(score(found, task.problem, test, count) for count, found in points.items()),
        points,
        None if task.variant.gate is None else routing_score(network, start, test),
    )


def routing_score(network: VelocityNetwork, start: Tensor, test: Draw) -> RoutingScore:
    """Score the choice of experts on one point of each path."""
    t = torch.linspace(0, 1, len(start))
    expert = network.choose(interpolate(start, test.value, t), t, test.condition)
    share = torch.bincount(expert, minlength=EXPERTS) / len(expert)
    return RoutingScore(int((share >= 0.01).sum()), shared_information(expert, test.peak, EXPERTS))


def follow(velocity: Callable[[Tensor], VelocityFunction], start: Tensor, condition: Tensor, steps: int) -> Tensor:
    """Euler's method from ``start`` (N, 2), some rows at a time."""
    blocks = zip(start.split(ROWS), condition.split(ROWS), strict=True)
    return torch.cat([euler(velocity(part), z, steps) for z, part in blocks])


def score(points: Tensor, problem: EightGaussians, test: Draw, steps: int) -> Score:
    """Score predictions for the conditions of ``test``."""
    return Score(steps, w2_per_dimension(points, test.value), stray_share(points, problem))

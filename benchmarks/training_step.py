"""How long one step of stage 2 takes at the released size, on one slide.

    python benchmarks/training_step.py [--patches 2000] [--repeats 5]

By turns in one run: plain PyTorch (``plain_network.py`` in training mode, dropout 0.1, AdamW as it comes, gradients clipped at 1) and
what ``molf-engine train`` runs, with its moving average and its checks, in float32 and in bfloat16.  In both the frozen VAE encodes in
evaluation mode, and all three losses count.  Weights and data are random.

Beside each time: what its own matrix products would take at this machine's peak, backward pass included.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from peak import context_operations, decoder_operations, describe, experts_operations, peaks
from plain_network import RELEASED, PlainModel, training_loss

from molf_engine.config import RunConfig, validate
from molf_engine.data.expression import Expression
from molf_engine.training.devices import make_fabric
from molf_engine.training.loop import _Run
from molf_engine.training.slides import TrainingSlide
from molf_engine.training.stages import flow_stage, fresh_vae, fresh_velocity

Step = Callable[[], object]


def plain_step(patches: int) -> Step:
    """A step as anyone would write it."""
    torch.manual_seed(0)
    model = PlainModel(replace(RELEASED, rows=max(patches, 140))).train()
    model.gene_autoencoder.eval().requires_grad_(False)
    gate = list(model.velocity_predictor.gating.parameters())
    others = [p for p in model.parameters() if p.requires_grad and all(p is not g for g in gate)]
    optimizer = torch.optim.AdamW([{"params": others, "lr": 5e-5}, {"params": gate, "lr": 1e-5}], weight_decay=0.01)
    features, expression = torch.randn(1, patches, RELEASED.features), torch.rand(1, patches, RELEASED.genes)
    mask = torch.ones_like(expression)
    onehot = torch.nn.functional.one_hot(torch.tensor([[3]]), RELEASED.codes).float()

    def step() -> float:
        optimizer.zero_grad()
        loss = training_loss(model, features, expression, mask, onehot)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def settings(precision: str) -> RunConfig:
    """Ours, at the released widths."""
    return validate(
        {
            "vae": {"latent": RELEASED.latent, "width": RELEASED.vae_width, "feedforward": RELEASED.feedforward},
            "flow": {
                "expert_width": RELEASED.expert_width,
                "expert_feedforward": RELEASED.feedforward,
                "context_heads": RELEASED.context_heads,
                "context_feedforward": RELEASED.feedforward,
            },
            "training": {"device": "cpu", "precision": precision},
        }
    )


def our_step(patches: int, precision: str, folder: Path) -> Step:
    """An epoch of the training loop over one slide: one step."""
    config, columns = settings(precision), RELEASED.genes + 1
    rng = np.random.default_rng(0)
    measured = np.ones(columns, np.float32)
    counts = rng.random((patches, RELEASED.genes)).astype(np.float32)
    positions = rng.uniform(0, 1e4, (patches, 2)).astype(np.float32)
    slide = TrainingSlide(
        "slide",
        "patient",
        torch.from_numpy(rng.normal(size=(patches, RELEASED.features)).astype(np.float32)),
        torch.from_numpy(positions),
        torch.from_numpy(rng.random((patches, columns)).astype(np.float32)),
        torch.from_numpy(measured),
        3,
        Expression("slide", (), (), counts, counts.sum(1), measured[:-1] > 0, positions, 0),
        0.5,
    )
    vae, field = fresh_vae(config, [slide]), fresh_velocity(config, RELEASED.features, RELEASED.codes, 0)
    training = config.training
    run = _Run(
        flow_stage(config, field, vae, [], 0),
        [slide],
        training.flow,
        training,
        folder,
        make_fabric(training),
        training.ema,
    )
    epochs = itertools.count()
    return lambda: run.epoch(next(epochs), [0])


def operations(patches: int) -> tuple[float, float]:
    """Of the matrix products of a plain step and of ours: forwards, and twice that backwards where weights are learned."""
    width = RELEASED.vae_width
    frozen = (
        2.0 * patches * RELEASED.genes * width
        + context_operations(patches, width, RELEASED.feedforward)
        + 2 * decoder_operations(patches)
    )
    learned = context_operations(patches) + experts_operations(patches)
    to_code = 2.0 * 2 * patches * RELEASED.features**2
    return 3 * (learned + to_code) + frozen, 3 * learned + frozen


def main() -> None:
    """Print one row per way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning_fabric")
    peak = peaks()
    theirs, own = operations(arguments.patches)
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "plain PyTorch, float32": (plain_step(arguments.patches), theirs / peak[torch.float32]),
            "ours, float32": (our_step(arguments.patches, "float32", Path(folder)), own / peak[torch.float32]),
            "ours, bfloat16": (our_step(arguments.patches, "bfloat16", Path(folder)), own / peak[torch.bfloat16]),
        }
        times: dict[str, list[float]] = {name: [] for name in ways}
        # The first round, in which the optimizer makes its state, is not counted.
        for number in range(arguments.repeats + 1):
            for name, (step, _) in ways.items():
                began = time.perf_counter()
                step()
                if number:
                    times[name].append(time.perf_counter() - began)
    print(describe(peak))
    print(f"one step on {arguments.patches:,} patches, released size, dropout 0.1, median of {arguments.repeats}")
    print(f"{'':<24} {'seconds':>8} {'ratio':>7} {'products alone':>15} {'ratio':>7}")
    middles = {name: statistics.median(values) for name, values in times.items()}
    baseline, least = next(iter(middles.values())), next(iter(ways.values()))[1]
    for name, (_, bound) in ways.items():
        middle = middles[name]
        print(f"{name:<24} {middle:>8.2f} {baseline / middle:>6.2f}x {bound:>13.2f} s {least / bound:>6.1f}x")


if __name__ == "__main__":
    main()

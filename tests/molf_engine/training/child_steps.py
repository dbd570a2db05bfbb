"""A few steps of both stages on invented slides, in as many processes as asked for: child_steps.py FOLDER DEVICES [SETTINGS].

Writes ``vae.pt`` and ``flow.pt`` into FOLDER.  Slides differ in size, and five of them in pairs leave one process without a slide.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

from molf_engine.config import RunConfig, validate
from molf_engine.data.expression import Expression
from molf_engine.progress import silent
from molf_engine.training.devices import make_fabric
from molf_engine.training.networks import train_networks
from molf_engine.training.slides import TrainingSlide

GENES, FEATURES = 30, 12


def settings(devices: int, **training: object) -> RunConfig:
    """Small networks without dropout; two epochs of three steps."""
    stage = {"epochs": 2, "learning_rate": 1e-3}
    return validate(
        {
            "vae": {"latent": 4, "width": 16, "feedforward": 16, "dropout": 0.0},
            "flow": {"expert_width": 8, "expert_feedforward": 16, "context_feedforward": 16, "dropout": 0.0},
            "training": {
                "vae": stage,
                "flow": stage,
                "device": "cpu",
                "devices": devices,
                "batch_slides": 2,
                "checkpoint_every": 1,
                **training,
            },
        }
    )


def slides(count: int = 5, seed: int = 0) -> list[TrainingSlide]:
    """Slides of 7, 10, 13.. spots; every gene is measured but for one gene of the second."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        spots = 7 + 3 * number
        measured = np.ones(GENES + 1, dtype=np.float32)
        measured[3] = number != 1
        values = rng.gamma(1.0, 1.0, (spots, GENES + 1)).astype(np.float32)
        positions = (200 * np.argwhere(np.ones((1, spots)))).astype(np.float32)
        counts = rng.poisson(3, (spots, GENES)).astype(np.float32)
        expression = Expression(
            section_id=f"S{number}",
            genes=tuple(f"G{i}" for i in range(GENES)),
            names=tuple(map(str, range(spots))),
            counts_log1p=np.log1p(counts),
            total=counts.sum(1),
            measured=measured[:-1] > 0,
            positions=positions,
            left_out=0,
        )
        made.append(
            TrainingSlide(
                f"S{number}",
                f"P{number}",
                torch.from_numpy(rng.normal(size=(spots, FEATURES)).astype(np.float32)),
                torch.from_numpy(positions),
                torch.from_numpy(values * measured),
                torch.from_numpy(measured),
                number % 2,
                expression,
                0.5,
            )
        )
    return made


def main() -> None:
    """Train."""
    folder, devices = Path(sys.argv[1]), int(sys.argv[2])
    extra = json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}
    torch.set_num_threads(1)
    config = settings(devices, **extra)
    folder.mkdir(parents=True, exist_ok=True)
    fabric = make_fabric(config.training)
    train_networks(config, slides(), slides(1, seed=1), ("A", "Unknown"), folder, fabric, silent)
    fabric.barrier()


if __name__ == "__main__":
    main()

"""Where training runs: device, precision and number of processes, through Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from molf_engine.config import TrainingConfig
from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


def make_fabric(training: TrainingConfig) -> Fabric:
    """Fabric of a run, launched: under DDP, every process of the run returns from here.

    Processes are those that SLURM or ``torchrun`` has started, or else Fabric starts them by running the same command again.

    Raises
    ------
    ConfigError
        If the device is not to be had, or the cluster has started another number of processes than the settings say.
    """
    from lightning_fabric import Fabric

    kind, _, index = training.device.partition(":")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    several = training.devices * training.nodes > 1
    try:
        torch.empty(0, device=training.device if index else kind)
        fabric = Fabric(
            accelerator=kind,
            devices=[int(index)] if index else training.devices,
            num_nodes=training.nodes,
            precision=PRECISIONS[training.precision],  # type: ignore[arg-type]
            strategy="ddp" if several else "auto",
        )
        fabric.launch()
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"training.device {training.device!r} with {training.devices} devices on {training.nodes} nodes cannot be used here: "
            f"{error} `molf-engine doctor` lists devices."
        ) from error
    return fabric


def is_main_process() -> bool:
    """Whether this process is the one that writes and speaks; only one is, under DDP."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) in (0, None)

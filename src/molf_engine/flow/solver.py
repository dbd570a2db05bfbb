"""Euler's method for dz/dt = v(z, t), from t = 0 to t = 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

VelocityFunction = Callable[[Tensor, float], Tensor]


def euler(
    velocity: VelocityFunction,
    z0: Tensor,
    steps: int,
    callback: Callable[[int, Tensor], None] | None = None,
) -> Tensor:
    """Follow the velocity in ``steps`` equal steps.

    Parameters
    ----------
    velocity : callable
        (z (P, L), t) -> (P, L).
    z0 : Tensor
        Start, (P, L).
    steps : int
        At least 1; one step from ``z0`` is ``z0 + v(z0, 0)``.
    callback : callable, optional
        Called after each step with its number and the latent.
    """
    if steps < 1:
        raise ValueError(f"Euler's method needs at least one step, not {steps}")
    z = z0
    for step in range(steps):
        z = z + velocity(z, step / steps) / steps
        if callback is not None:
            callback(step + 1, z)
    return z


def keyed_noise(seed: int, keys: Sequence[int] | np.ndarray, width: int, draw: int = 0) -> Tensor:
    """Standard normal noise that belongs to a patch: the same whatever the batch, the order or the process.

    Parameters
    ----------
    seed : int
        Seed of the run.
    keys : sequence of int
        One number per patch, (P,).
    width : int
        L.
    draw : int
        Number of the draw.

    Returns
    -------
    Tensor
        (P, L) float32.
    """
    rows = [np.random.Generator(np.random.Philox(key=[seed, draw], counter=int(key) << 64)) for key in keys]
    return torch.from_numpy(np.stack([row.standard_normal(width, dtype=np.float32) for row in rows]))

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


# SplitMix64: the increment of its counter (2^64 over the golden ratio), then the shifts and factors of its finaliser.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIXING = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def keyed_noise(seed: int, keys: Sequence[int] | np.ndarray, width: int, draw: int = 0) -> Tensor:
    """Standard normal noise that belongs to a patch: the same whatever the batch, the order or the process.

    Seed, draw, key and column are hashed, one after the other, into 64 bits that are a uniform number, and that through the inverse
    of the normal distribution function: nothing is drawn in sequence, so nothing depends on what was drawn before.

    Parameters
    ----------
    seed : int
        Seed of the run, 0 to 2^64 - 1.
    keys : sequence of int
        One number per patch, (P,), 0 to 2^64 - 1.
    width : int
        L.
    draw : int
        Number of the draw.

    Returns
    -------
    Tensor
        (P, L) float32 on the CPU; nothing is beyond +-8.21.

    References
    ----------
    The hash is the generator SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195) with its counter at a given place.
    """
    # For one seed and draw the hash of a patch is one-to-one: no two patches can share their noise.
    origin = _mixed(_mixed(np.array([seed], dtype=np.uint64)) + _GOLDEN * np.array([draw], dtype=np.uint64))
    rows = _mixed(origin ^ np.asarray(keys, dtype=np.uint64))
    bits = _mixed(rows[:, None] + _GOLDEN * np.arange(1, width + 1, dtype=np.uint64))
    # 52 of the 64 bits, in the middle of their cell: then neither 0 nor 1 can come out, whose normal quantiles are infinite.
    bits >>= np.uint64(12)
    uniform = (bits + 0.5) * 2.0**-52
    return torch.special.ndtri(torch.from_numpy(uniform)).float()


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64: a one-to-one map of uint64 in which every input bit flips half of the output bits."""
    for shift, factor in _MIXING:
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    mixed: np.ndarray = bits ^ (bits >> np.uint64(31))
    return mixed

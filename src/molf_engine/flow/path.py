"""The straight path from noise to data (paper, eq. 4-5) and the times at which it is learned."""

from __future__ import annotations

import torch
from torch import Tensor


def interpolate(z0: Tensor, z1: Tensor, t: Tensor) -> Tensor:
    """Point on the path, (1 - t) z0 + t z1.

    Parameters
    ----------
    z0, z1 : Tensor
        Start and end, (P, L).
    t : Tensor
        Time, () or (P,).
    """
    t = t[..., None]
    return (1 - t) * z0 + t * z1


def end_point(z: Tensor, velocity: Tensor, t: Tensor) -> Tensor:
    """Where the straight line through ``z`` at time ``t`` ends: z + (1 - t) v, (P, L)."""
    return z + (1 - t[..., None]) * velocity


def draw_times(count: int, *, per_patch: bool, zero_share: float, generator: torch.Generator) -> Tensor:
    """Times for ``count`` patches, (P,), uniform in 0..1 but for a share that is exactly 0.

    One Euler step visits only t = 0, so that time deserves more than its measure of zero.
    """
    draws = 2 if per_patch is False else 2 * count
    uniform = torch.rand(draws, generator=generator).view(2, -1)
    return torch.where(uniform[0] < zero_share, torch.zeros(()), uniform[1]).expand(count).clone()

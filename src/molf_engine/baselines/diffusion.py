"""Denoising diffusion: how much of the clean values is left at each time, and deterministic steps back (DDPM, DDIM).

Ho et al. 2020 (the chain and its linear schedule); Song et al. 2021 (steps that skip times).
"""

from __future__ import annotations

import torch
from torch import Tensor


def remaining(times: int) -> Tensor:
    """``(times,)`` share of the variance of the clean values that is left: products of 1 - beta, beta linear from 1e-4 to 0.02.

    For another number of times than 1000 the betas are scaled, so that as little is left at the end.
    """
    scale = 1000 / times
    betas = torch.linspace(1e-4 * scale, min(0.02 * scale, 0.999), times, dtype=torch.float64)
    return (1 - betas).cumprod(0).float()


def noised(clean: Tensor, noise: Tensor, left: Tensor) -> Tensor:
    """Mix ``(S, C)`` clean values with noise; ``left (S,)`` of the clean variance remains."""
    return left.sqrt()[:, None] * clean + (1 - left).sqrt()[:, None] * noise


def times_back(times: int, steps: int) -> list[int]:
    """``steps`` times from the last to the first, evenly spaced."""
    return [round(time) for time in torch.linspace(times - 1, 0, steps, dtype=torch.float64).tolist()]


def step_back(values: Tensor, clean: Tensor, left: Tensor, next_left: Tensor) -> Tensor:
    """DDIM step without new noise, from the time where ``left`` remains to the one where ``next_left`` does.

    Parameters
    ----------
    values
        ``(S, C)`` at this time.
    clean
        ``(S, C)`` estimate of the clean values.
    left, next_left
        Scalars.
    """
    noise = (values - left.sqrt() * clean) / (1 - left).sqrt()
    return next_left.sqrt() * clean + (1 - next_left).sqrt() * noise

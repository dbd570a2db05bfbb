"""Classifier-free guidance (paper, eq. 9), and when along the path it is applied."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from molf_engine.errors import ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from molf_engine.flow.solver import VelocityFunction

Array = TypeVar("Array")

WHOLE = (0.0, 1.0)
"""Interval of times that covers the whole path."""


def guide(conditional: Array, unconditional: Array, scale: float) -> Array:
    """Extrapolate from the unconditional to the conditional: u + w (c - u).

    With one Euler step from a common start it holds for velocities and for end points alike, so a new guidance scale needs no
    network.  Works on torch tensors and numpy arrays, (P, L).
    """
    return unconditional + scale * (conditional - unconditional)  # type: ignore[operator]


def guided_velocity(
    conditional: VelocityFunction,
    unconditional: VelocityFunction,
    scale: float,
    interval: tuple[float, float] = WHOLE,
) -> VelocityFunction:
    """Velocity that is guided while ``t`` is inside an interval, and plainly conditional (w = 1) outside it.

    A branch that does not count is not evaluated: the unconditional one outside the interval and at w = 1, the conditional one at
    w = 0 inside it.

    Parameters
    ----------
    conditional, unconditional : callable
        (z (P, L), t) -> (P, L).
    scale : float
        w, 0 or more.
    interval : tuple of float
        Lowest and highest time that is guided, both included.

    References
    ----------
    Kynkaanniemi et al. 2024, Applying guidance in a limited interval improves sample and distribution quality in diffusion models,
    arXiv:2404.07724.  Their interval is one of noise levels; here t = 0 is noise and t = 1 is data.
    """
    low, high = interval

    def velocity(z: Tensor, t: float) -> Tensor:
        if scale == 1 or not low <= t <= high:
            return conditional(z, t)
        if scale == 0:
            return unconditional(z, t)
        return guide(conditional(z, t), unconditional(z, t), scale)

    return velocity


def check_scale(scale: float) -> float:
    """Return a guidance scale that can be used.  Raises :class:`ConfigError` if it is not finite or below 0."""
    if not math.isfinite(scale) or scale < 0:
        raise ConfigError(f"The guidance scale must be 0 or more, not {scale}.")
    return float(scale)


def check_interval(interval: tuple[float, float], steps: int) -> None:
    """Raise :class:`ConfigError` unless 0 <= low < high <= 1 and one of the ``steps`` times of Euler's method is inside."""
    low, high = interval
    if not 0 <= low < high <= 1:
        raise ConfigError(f"The guidance interval must have 0 <= low < high <= 1, not {low:g} to {high:g}.")
    if not any(low <= step / steps <= high for step in range(steps)):
        raise ConfigError(
            f"The guidance interval {low:g} to {high:g} has none of the {steps} times 0, 1/{steps}, ... that are visited: widen it, "
            "or take more steps."
        )

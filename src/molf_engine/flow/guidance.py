"""Classifier-free guidance (paper, eq. 9)."""

from __future__ import annotations

from typing import TypeVar

Array = TypeVar("Array")


def guide(conditional: Array, unconditional: Array, scale: float) -> Array:
    """Extrapolate from the unconditional to the conditional: u + w (c - u).

    With one Euler step from a common start it holds for velocities and for end points alike, so a new guidance scale needs no
    network.  Works on torch tensors and numpy arrays, (P, L).
    """
    return unconditional + scale * (conditional - unconditional)  # type: ignore[operator]

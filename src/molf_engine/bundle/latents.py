"""From the features of a slide's patches to latents: the velocity field at work, no images and no genes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.flow.guidance import WHOLE

if TYPE_CHECKING:
    from torch import Tensor

    from molf_engine.nn.context import Context
    from molf_engine.nn.velocity import VelocityField

Precision = Literal["float32", "bfloat16"]
"""Of the matrix products of context and experts.  Gate, norms, sums, latents and decoding are float32 in both."""


@dataclass(frozen=True)
class SlideLatents:
    """End points of one Euler step from z0 = 0, and the gate there.

    Attributes
    ----------
    conditional, unconditional : ndarray
        (P, L) float32.
    gate_logits, routing : ndarray
        (P, E) float32: logits of the conditional branch at t = 0, z0 = 0 without noise, and the weights used.
    """

    conditional: np.ndarray
    unconditional: np.ndarray
    gate_logits: np.ndarray
    routing: np.ndarray


def centred(positions: np.ndarray) -> np.ndarray:
    """Positions about the middle of their bounding box, (P, 2) float32: what a network may know of them.

    The same tissue elsewhere on the glass is the same tissue; and not every device has float64.
    """
    if not len(positions):
        return np.zeros((0, 2), dtype=np.float32)
    exact = np.asarray(positions, dtype=np.float64)
    return (exact - (exact.min(axis=0) + exact.max(axis=0)) / 2).astype(np.float32)


class Branches:
    """Contexts of a slide with its image and without it, each computed once, and only if it is asked for.

    Parameters
    ----------
    field : VelocityField
        In evaluation mode.
    features : ndarray
        Image features, (P, D).
    positions : ndarray
        Patch centres in um, (P, 2).
    code : int
        Row of the cancer code.
    precision : str
        `float32` or `bfloat16`, see :data:`Precision`.
    """

    def __init__(
        self,
        field: VelocityField,
        features: np.ndarray,
        positions: np.ndarray,
        code: int,
        precision: Precision = "float32",
    ) -> None:
        import torch

        self.device = next(field.parameters()).device
        self.precision = precision
        self._context, self._code = field.context, code
        self._features = torch.as_tensor(np.asarray(features, dtype=np.float32), device=self.device)
        self._positions = torch.as_tensor(centred(positions), device=self.device)

    def reduced(self) -> AbstractContextManager[object]:
        """Block in which matrix products run in the chosen precision."""
        import torch

        # A cache of converted weights would outlive them: what runs here keeps no gradient, and converts each weight once.
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bfloat16", cache_enabled=False
        )

    @cached_property
    def conditional(self) -> Tensor:
        """(P, D)."""
        with self.reduced():
            context: Tensor = self._context(self._features, self._positions, self._code)
        return context.float()

    @cached_property
    def unconditional(self) -> Tensor:
        """(1, D) or (P, D), see :meth:`molf_engine.nn.context.Context.unconditional`."""

        def compute() -> Tensor:
            with self.reduced():
                return self._context.unconditional(self._positions, self._code).float()

        if not _independent_of_slide(self._context):
            return compute()
        key = (_digest(self._context), len(self._positions), self._code, self.precision, str(self.device))
        return _KEPT.get(key, compute)


def _independent_of_slide(context: Context) -> bool:
    """Whether the unconditional context costs as much as the conditional one, yet is the same for every slide of one size."""
    return context.null_form == "slide-features" and context.position in ("row-order", "none")


def _digest(context: Context) -> str:
    """Of the weights: networks are loaded anew for each slide, and may be trained between two calls."""
    found = hashlib.sha256(f"{context.position} {context.unknown} {context.layer.attention.heads}".encode())
    for weight in context.state_dict().values():
        found.update(weight.cpu().contiguous().numpy())
    return found.hexdigest()


class _Latest:
    """The few values that were asked for last."""

    def __init__(self, size: int) -> None:
        self._size, self._lock = size, Lock()
        self._values: dict[tuple[object, ...], Tensor] = {}

    def get(self, key: tuple[object, ...], compute: Callable[[], Tensor]) -> Tensor:
        """The value kept for a key, computed if there is none."""
        with self._lock:
            found = self._values.pop(key, None)
        value = compute() if found is None else found
        with self._lock:
            self._values[key] = value
            for oldest in list(self._values)[: -self._size]:
                del self._values[oldest]
        return value

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._values.clear()


_KEPT = _Latest(2)


def forget() -> None:
    """Drop the unconditional contexts that are kept from slide to slide."""
    _KEPT.clear()


def slide_latents(
    field: VelocityField,
    features: np.ndarray,
    positions: np.ndarray,
    code: int,
    *,
    branches: Branches | None = None,
    precision: Precision = "float32",
) -> SlideLatents:
    """Two network evaluations, which serve every guidance scale.

    Parameters
    ----------
    field : VelocityField
        In evaluation mode.
    features : ndarray
        Image features, (P, D).
    positions : ndarray
        Patch centres in um, (P, 2).
    code : int
        Row of the cancer code.
    branches : Branches, optional
        Contexts of these patches, where they are shared with other calls.  Their precision then counts, not ``precision``.
    precision : str
        `float32` or `bfloat16`, see :data:`Precision`.
    """
    import torch

    branches = branches or Branches(field, features, positions, code, precision)
    with torch.inference_mode(), branches.reduced():
        start = branches.conditional.new_zeros((len(features), field.latent))
        towards = field(start, 0.0, branches.conditional)
        # Without an image all patches are alike: one row stands for all of them.
        away = field(start[: len(branches.unconditional)], 0.0, branches.unconditional).value.expand_as(start)
        if towards.routing is None:
            logits, routing = np.zeros((len(features), 1)), np.ones((len(features), 1))
        else:
            logits = towards.routing.logits.cpu().numpy()
            routing = towards.routing.dense().cpu().numpy()
    return SlideLatents(
        towards.value.float().cpu().numpy(),
        np.ascontiguousarray(away.float().cpu().numpy()),
        logits.astype(np.float32),
        routing.astype(np.float32),
    )


def sample_latents(
    field: VelocityField,
    features: np.ndarray,
    positions: np.ndarray,
    code: int,
    *,
    guidance: float,
    steps: int,
    seed: int,
    draws: int,
    keys: Sequence[int] | np.ndarray | None = None,
    interval: tuple[float, float] = WHOLE,
    branches: Branches | None = None,
    callback: Callable[[int], None] | None = None,
    precision: Precision = "float32",
) -> list[np.ndarray]:
    """End points of ``draws`` guided paths from noise, (P, L) float32 each.

    The noise belongs to (seed, draw, patch): it does not change with the guidance scale, the batch or the order.

    Parameters
    ----------
    field : VelocityField
        In evaluation mode.
    features : ndarray
        Image features, (P, D).
    positions : ndarray
        Patch centres in um, (P, 2).
    code : int
        Row of the cancer code.
    guidance : float
        w, 0 or more.
    steps : int
        Of Euler's method, 1 or more.
    seed : int
        Of the noise.
    draws : int
        Number of paths.
    keys : sequence of int, optional
        One number per patch that its noise belongs to, see :func:`noise_keys`; its row if not given.
    interval : tuple of float
        Times between which guidance is applied, see :func:`molf_engine.flow.guidance.guided_velocity`.
    branches : Branches, optional
        Contexts of these patches, where they are shared with other calls.  Their precision then counts, not ``precision``.
    callback : callable, optional
        Called with the number of finished draws.
    precision : str
        `float32` or `bfloat16`, see :data:`Precision`.
    """
    import torch

    from molf_engine.flow.guidance import guided_velocity
    from molf_engine.flow.solver import euler, keyed_noise

    branches = branches or Branches(field, features, positions, code, precision)
    velocity = guided_velocity(
        lambda z, t: field(z, t, branches.conditional).value,
        lambda z, t: field(z, t, branches.unconditional).value,
        guidance,
        interval,
    )
    results = []
    with torch.inference_mode(), branches.reduced():
        for draw in range(draws):
            start = keyed_noise(seed, range(len(features)) if keys is None else keys, field.latent, draw)
            results.append(euler(velocity, start.to(branches.device), steps).cpu().numpy())
            if callback is not None:
                callback(draw + 1)
    return results


def noise_keys(centres: np.ndarray) -> np.ndarray:
    """A number for each patch that stays the same when the region or the order changes: its place on the slide.

    Parameters
    ----------
    centres : ndarray
        Patch centres x, y in level-0 pixels, (P, 2).

    Returns
    -------
    ndarray
        (P,) uint64.
    """
    place = np.rint(np.maximum(centres, 0)).astype(np.uint64)
    return place[:, 0] << np.uint64(32) | place[:, 1]

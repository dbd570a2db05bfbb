"""From the features of a slide's patches to latents: the velocity field at work, no images and no genes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

    from molf_engine.nn.velocity import VelocityField


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


def slide_latents(field: VelocityField, features: np.ndarray, positions: np.ndarray, code: int) -> SlideLatents:
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
    """
    import torch

    with torch.inference_mode():
        conditional, unconditional = _contexts(field, features, positions, code)
        start = conditional.new_zeros((len(features), field.latent))
        towards = field(start, 0.0, conditional)
        # Without an image all patches are alike: one row stands for all of them.
        away = field(start[: len(unconditional)], 0.0, unconditional).value.expand_as(start)
        if towards.routing is None:
            logits, routing = np.zeros((len(features), 1)), np.ones((len(features), 1))
        else:
            logits = towards.routing.logits.cpu().numpy()
            routing = towards.routing.dense().cpu().numpy()
    return SlideLatents(
        towards.value.cpu().numpy(),
        np.ascontiguousarray(away.cpu().numpy()),
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
    keys: Sequence[int] | None = None,
    callback: Callable[[int], None] | None = None,
) -> list[np.ndarray]:
    """End points of ``draws`` guided paths from noise, (P, L) each.

    The noise belongs to (seed, draw, patch): it does not change with the guidance scale, the batch or the order.

    Parameters
    ----------
    keys : sequence of int, optional
        One number per patch that its noise belongs to; its row if not given.
    callback : callable, optional
        Called with the number of finished draws.
    """
    import torch

    from molf_engine.flow.guidance import guide
    from molf_engine.flow.solver import euler, keyed_noise

    results = []
    with torch.inference_mode():
        conditional, unconditional = _contexts(field, features, positions, code)

        def velocity(z: Tensor, t: float) -> Tensor:
            towards = field(z, t, conditional).value
            return towards if guidance == 1 else guide(towards, field(z, t, unconditional).value, guidance)

        for draw in range(draws):
            start = keyed_noise(seed, range(len(features)) if keys is None else keys, field.latent, draw)
            results.append(euler(velocity, start.to(conditional.device), steps).cpu().numpy())
            if callback is not None:
                callback(draw + 1)
    return results


def _contexts(field: VelocityField, features: np.ndarray, positions: np.ndarray, code: int) -> tuple[Tensor, Tensor]:
    import torch

    device = next(field.parameters()).device
    at = torch.as_tensor(centred(positions), device=device)
    images = torch.as_tensor(np.asarray(features, dtype=np.float32), device=device)
    return field.context(images, at, code), field.context.unconditional(at, code)

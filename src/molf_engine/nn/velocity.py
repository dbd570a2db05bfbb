"""Velocity field in the latent space (paper, stage 2), conditioned on the context of each patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from molf_engine.nn.context import Context
from molf_engine.nn.experts import Expert, Experts, Gate, PatchMixer, Routing
from molf_engine.nn.rowwise import row_blocks


class Velocity(NamedTuple):
    """Velocity (P, L), and how its patches were routed (none without experts)."""

    value: Tensor
    routing: Routing | None


class VelocityField(nn.Module):
    """v(z, t | context): layer norm over [z, t, context], then experts.

    Parameters
    ----------
    latent : int
        L.
    context : Context
        The module that makes the context, (P, D).
    features : int
        D.
    kind : str
        `moe`; `dense`, one expert with as many parameters as all together; `attention`, the paper's control.
    experts, active : int
        E and k.
    width, feedforward, heads : int
        Of an expert (``heads`` only for `attention`).
    """

    def __init__(
        self,
        latent: int,
        context: Context,
        features: int,
        kind: str = "moe",
        experts: int = 6,
        active: int = 2,
        width: int = 256,
        feedforward: int = 2048,
        heads: int = 4,
        gate_noise: float = 0.01,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.latent = latent
        self.context = context
        joined = latent + 1 + features
        self.norm = nn.LayerNorm(joined)
        self.gate = Gate(joined, experts, active, gate_noise) if kind == "moe" else None
        self.head: nn.Module
        match kind:
            case "moe":
                self.head = Experts(experts, joined, width, feedforward, latent, dropout)
            case "dense":
                self.head = Expert(joined, *_dense_widths(joined, width, feedforward, latent, experts), latent, dropout)
            case "attention":
                self.head = PatchMixer(joined, width, heads, feedforward, latent, dropout)
            case _:
                raise ValueError(f"unknown kind of velocity field {kind!r}")

    def forward(
        self,
        z: Tensor,
        t: Tensor | float,
        context: Tensor,
        gate_noise: Tensor | None = None,
        lengths: Sequence[int] | None = None,
    ) -> Velocity:
        """Velocity at time ``t``.

        Parameters
        ----------
        z : Tensor
            Latent, (P, L).
        t : Tensor or float
            Time in 0..1: one for all patches, or (P,).
        context : Tensor
            (P, D), or (1, D) where it is the same for all.
        gate_noise : Tensor, optional
            See :meth:`Gate.forward`.
        lengths : sequence of int, optional
            Patches of each slide, where there are several (only `attention` looks across patches).
        """
        count = z.shape[0]
        time = torch.as_tensor(t, dtype=z.dtype, device=z.device).expand(count)
        context = context.expand(count, -1)
        if self.kind == "attention":
            return Velocity(self.head(self._joined(z, time, context), lengths), None)
        parts = [
            self._patches(z[rows], time[rows], context[rows], None if gate_noise is None else gate_noise[rows])
            for rows in row_blocks(count)
        ]
        return parts[0] if len(parts) == 1 else _concatenated(parts)

    def _patches(self, z: Tensor, time: Tensor, context: Tensor, gate_noise: Tensor | None) -> Velocity:
        """Velocity of patches that do not look at each other."""
        joined = self._joined(z, time, context)
        if self.gate is None:
            return Velocity(self.head(joined), None)
        routing = self.gate(joined, gate_noise)
        return Velocity(self.head(joined, routing), routing)

    def _joined(self, z: Tensor, time: Tensor, context: Tensor) -> Tensor:
        joined: Tensor = self.norm(torch.cat([z, time[:, None], context.to(z.dtype)], dim=1))
        return joined


def _concatenated(parts: Sequence[Velocity]) -> Velocity:
    value = torch.cat([part.value for part in parts])
    routings = [part.routing for part in parts if part.routing is not None]
    return Velocity(value, Routing(*map(torch.cat, zip(*routings, strict=True))) if routings else None)


def _dense_widths(joined: int, width: int, feedforward: int, latent: int, experts: int) -> tuple[int, int]:
    """Width and feed-forward of one expert that has about as many parameters as ``experts`` of them."""

    def parameters(w: int, f: int) -> int:
        return joined * w + w * w + 2 * w * f + w * latent

    target = experts * parameters(width, feedforward)
    factor = 1.0
    while parameters(round(width * factor), round(feedforward * factor)) < target:
        factor += 0.01
    return round(width * factor), round(feedforward * factor)

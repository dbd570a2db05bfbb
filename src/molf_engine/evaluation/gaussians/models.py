"""The networks that are compared, built from the parts of the real model.

A transformer layer over a sequence of one is what :class:`~molf_engine.nn.layers.TokenLayer` computes, whatever the number of heads:
a softmax over one key is 1, so queries and keys have no say, and values and output map fold into one linear map.  Parameters are
counted after folding.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from molf_engine.nn.experts import Expert, Experts, Gate, Routing
from molf_engine.nn.velocity import Velocity

INPUTS = 5
"""z (2), t (1), condition (2)."""
VALUES = 2
EXPERTS = 8
EXPERT_WIDTH = 32
CONTROL_WIDTH = 256
CONTROL_RATE = 2e-3
"""Chosen on seed 0, without input norm, out of 1e-3, 2e-3, 3e-3 and 5e-3: at 5e-3 so wide a network learns little."""

GateWeight = Literal["kept", "probability"]


@dataclass(frozen=True)
class Variant:
    """One network of the comparison.

    ``gate`` is how a chosen expert's output is weighted: `kept`, by the softmax over the kept logits (published; with one expert
    kept it is always 1, and the gate learns from the balance loss alone), `probability`, by the softmax over all logits (Switch
    Transformer, arXiv 2101.03961), through which the gate learns what the experts are good at; None without experts.
    ``input_norm`` puts the published LayerNorm over the five inputs.  ``rate`` is the highest learning rate.
    """

    name: str
    width: int
    feedforward: int
    gate: GateWeight | None
    input_norm: bool
    rate: float = 5e-3

    def build(self) -> VelocityNetwork:
        """Build the network, untrained."""
        return VelocityNetwork(self)

    def parameters(self) -> int:
        """Count all parameters."""
        return sum(parameter.numel() for parameter in self.build().parameters())


class VelocityNetwork(nn.Module):
    """v(z, t | condition) of one variant.  Time is the bare number, as published."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.weighting = variant.gate
        self.norm = nn.LayerNorm(INPUTS) if variant.input_norm else nn.Identity()
        sizes = (INPUTS, variant.width, variant.feedforward, VALUES)
        # Every batch is drawn afresh: there is nothing to overfit, so nothing is dropped.
        self.gate = None if variant.gate is None else Gate(INPUTS, EXPERTS, active=1)
        self.head = Expert(*sizes, dropout=0.0) if variant.gate is None else Experts(EXPERTS, *sizes, dropout=0.0)

    def forward(self, z: Tensor, t: Tensor | float, condition: Tensor, gate_noise: Tensor | None = None) -> Velocity:
        """Velocity of ``z`` (N, 2) at time ``t``, () or (N,), given ``condition`` (N, 2); ``gate_noise`` as for the gate."""
        inputs = self.inputs(z, t, condition)
        if self.gate is None:
            return Velocity(self.head(inputs), None)
        routing: Routing = self.gate(inputs, gate_noise)
        if self.weighting == "probability":
            routing = routing._replace(weights=routing.logits.softmax(dim=1).gather(1, routing.chosen))
        return Velocity(self.head(inputs, routing), routing)

    def inputs(self, z: Tensor, t: Tensor | float, condition: Tensor) -> Tensor:
        """[z, t, condition] as gate and experts see them, (N, 5)."""
        time = torch.as_tensor(t, dtype=z.dtype).expand(z.shape[0])[:, None]
        return self.norm(torch.cat([z, time, condition], dim=1))

    def choose(self, z: Tensor, t: Tensor | float, condition: Tensor) -> Tensor:
        """Index of the expert in charge, (N,).

        Raises
        ------
        ValueError
            If the network has no experts.
        """
        if self.gate is None:
            raise ValueError("a network without experts routes nothing")
        return self.gate(self.inputs(z, t, condition)).chosen[:, 0]


def variants(feedforward: int = 4 * EXPERT_WIDTH) -> tuple[Variant, ...]:
    """All networks of the study, each with and without the norm over its inputs.

    Parameters
    ----------
    feedforward : int
        Of an expert.  The paper does not say; released code leaves PyTorch's 2048, 64 times the width.  Ours is 4 times the width, as the
        released control is built.
    """
    found = []
    for norm in (False, True):
        mixture = Variant("MoE", EXPERT_WIDTH, feedforward, "kept", norm)
        width = width_with_parameters(mixture.parameters(), norm)
        found += [
            mixture,
            Variant("MoE, gate learns", EXPERT_WIDTH, feedforward, "probability", norm),
            Variant("dense (control)", CONTROL_WIDTH, 4 * CONTROL_WIDTH, None, norm, CONTROL_RATE),
            Variant("dense, as large as MoE", width, 4 * width, None, norm),
        ]
    return tuple(found)


def width_with_parameters(target: int, input_norm: bool) -> int:
    """Width at which a dense network has the number of parameters nearest to ``target``."""

    def parameters(width: int) -> int:
        return Variant("", width, 4 * width, None, input_norm).parameters()

    # Most are in the feed-forward, 8 width^2: the answer is near this, and below it.
    widest = 1 + math.isqrt(target // 8)
    enough = bisect_left(range(widest), target, key=lambda width: parameters(width + 1)) + 1
    return min((enough - 1, enough), key=lambda width: abs(parameters(width) - target)) if enough > 1 else 1

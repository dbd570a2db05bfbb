"""Sparse mixture of experts (paper, section 3): a linear gate picks k of E small networks for each patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from molf_engine.nn.layers import EncoderLayer, TokenLayer


class Routing(NamedTuple):
    """Which experts each patch uses.

    ``logits`` (P, E) before the choice, without noise; ``chosen`` (P, k) indices, best first; ``weights`` (P, k), a softmax over
    the kept logits.
    """

    logits: Tensor
    chosen: Tensor
    weights: Tensor

    def dense(self) -> Tensor:
        """Weights of all experts, (P, E), 0 where not chosen."""
        return torch.zeros_like(self.logits).scatter(1, self.chosen, self.weights.to(self.logits.dtype))


class Gate(nn.Module):
    """Linear gate with top-k choice."""

    def __init__(self, width: int, experts: int, active: int, noise: float = 0.01) -> None:
        super().__init__()
        if not 1 <= active <= experts:
            raise ValueError(f"{active} active of {experts} experts")
        self.active = active
        self.noise = noise
        self.linear = nn.Linear(width, experts)

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Routing:
        """Route patches.

        Parameters
        ----------
        x : Tensor
            (P, width).
        noise : Tensor, optional
            Standard normal noise, (P, E), scaled by ``self.noise`` and added before the choice (training only).
        """
        # Routing is a choice between near equals: it is made in full precision whatever the rest runs in.
        with torch.autocast(x.device.type, enabled=False):
            logits = self.linear(x.float())
        noisy = logits if noise is None else logits + self.noise * noise
        kept, chosen = noisy.topk(self.active, dim=1)
        return Routing(logits, chosen, kept.softmax(dim=1))


class Expert(nn.Module):
    """One expert: Linear, LayerNorm, a transformer layer over the single patch, Linear."""

    def __init__(self, width_in: int, width: int, feedforward: int, width_out: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.embed = nn.Linear(width_in, width)
        self.embed_norm = nn.LayerNorm(width)
        self.layer = TokenLayer(width, feedforward, dropout)
        self.out = nn.Linear(width, width_out)

    def forward(self, x: Tensor) -> Tensor:
        """(P, width_in) -> (P, width_out), each row by itself."""
        return self.out(self.layer(self.embed_norm(self.embed(x))))


class Experts(nn.Module):
    """E experts; each works once, on the patches routed to it."""

    def __init__(
        self, count: int, width_in: int, width: int, feedforward: int, width_out: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.experts = nn.ModuleList(Expert(width_in, width, feedforward, width_out, dropout) for _ in range(count))

    def forward(self, x: Tensor, routing: Routing) -> Tensor:
        """Weighted sum of the chosen experts' outputs, (P, width_in) -> (P, width_out)."""
        active = routing.chosen.shape[1]
        # Sorted by expert, each expert's patches are one contiguous block: one matrix product instead of scattered rows.
        order = routing.chosen.flatten().argsort(stable=True)
        counts = torch.bincount(routing.chosen.flatten(), minlength=len(self.experts)).tolist()
        rows = order.div(active, rounding_mode="floor")
        weights = routing.weights.flatten()[order]
        # An expert without a patch works on no rows: its gradient is then 0, not missing, as processes that share a step must agree.
        parts = x.index_select(0, rows).split(counts)
        blocks = [expert(part) for expert, part in zip(self.experts, parts, strict=True)]
        outputs = torch.cat(blocks) * weights[:, None]
        result = outputs.new_zeros((x.shape[0], outputs.shape[1]))
        return result.index_add(0, rows, outputs)


class PatchMixer(nn.Module):
    """The paper's control without experts: one attention layer across the patches."""

    def __init__(
        self, width_in: int, width: int, heads: int, feedforward: int, width_out: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(width_in, width)
        self.embed_norm = nn.LayerNorm(width)
        self.layer = EncoderLayer(width, heads, feedforward, dropout)
        self.out = nn.Linear(width, width_out)

    def forward(self, x: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """(P, width_in) -> (P, width_out)."""
        return self.out(self.layer(self.embed_norm(self.embed(x)), lengths=lengths))

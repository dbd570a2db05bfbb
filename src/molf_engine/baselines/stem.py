"""Stem: expression of a patch by diffusion, conditioned on its image features (Zhu et al., ICLR 2025).

A transformer whose tokens are groups of genes takes the noise away; image features and time steer its layers (adaptive LayerNorm).
A prediction is the mean of several samples.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from molf_engine.baselines.attention import dropped, time_features
from molf_engine.baselines.diffusion import noised, remaining, step_back, times_back
from molf_engine.baselines.fitting import Batch, Budget, keyed, masked_error
from molf_engine.baselines.network_rival import Labels, NetworkRival
from molf_engine.baselines.stflow import by_features

_BLOCK = 1024


@dataclass(frozen=True)
class STEMSettings:
    """Size of the network and way of sampling."""

    width: int = 64
    heads: int = 4
    layers: int = 2
    tokens: int = 8
    dropout: float = 0.2
    times: int = 1000
    steps: int = 10


@dataclass
class STEM(NetworkRival):
    """Conditional diffusion, patch by patch.  See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""

    settings: STEMSettings = field(default_factory=STEMSettings)
    budget: Budget = field(default_factory=Budget)
    draws: int = 8

    name: ClassVar[str] = "stem"
    title: ClassVar[str] = "Stem (Zhu et al., ICLR 2025), written anew from its description"
    reduced: ClassVar[str] = (
        "2 layers of width 64 instead of 12 of 384; 8 samples of 10 deterministic steps instead of 20 of 1000; genes in 8 tokens; "
        "the network estimates the clean expression; features of this benchmark's encoder; the log total count is one more gene."
    )

    def configure(self, settings: dict[str, Any]) -> None:
        """Take the settings of a stored rival."""
        self.settings = STEMSettings(**settings)

    def build(self, width: int, channels: int, labels: Labels) -> nn.Module:
        """Network of these settings."""
        return GeneDenoiser(width, channels, self.settings)

    def loss(self, network: nn.Module, batch: Batch, generator: Generator) -> Tensor:
        """Error of the estimated clean values, each spot at a time of its own."""
        spots, settings = len(batch.features), self.settings
        time = torch.randint(settings.times, (spots,), generator=generator)
        noise = torch.randn(batch.values.shape, generator=generator)
        mixed = noised(batch.values, noise, remaining(settings.times)[time])
        drop = generator if network.training else None
        return masked_error(network(batch.features, mixed, time / settings.times, drop), batch)

    def estimate(self, network: nn.Module, batch: Batch, draws: int) -> Tensor:
        """Mean of the samples."""
        order = by_features(batch.features)
        total = torch.zeros_like(batch.values)
        for sample in range(draws):
            noise = torch.empty_like(total)
            noise[order] = torch.randn(total.shape, generator=keyed(self.seed, sample))
            for start in range(0, len(total), _BLOCK):
                block = slice(start, start + _BLOCK)
                total[block] += self._sample(network, batch.features[block], noise[block])
        return total / draws

    def _sample(self, network: nn.Module, features: Tensor, values: Tensor) -> Tensor:
        left, times = remaining(self.settings.times), times_back(self.settings.times, self.settings.steps)
        for place, time in enumerate(times):
            clean = network(features, values, torch.full((len(values),), time / self.settings.times))
            last = place + 1 == len(times)
            values = clean if last else step_back(values, clean, left[time], left[times[place + 1]])
        return values


class GeneDenoiser(nn.Module):
    """Image features, noisy values and times of spots to the values without noise, each spot alone."""

    def __init__(self, width: int, channels: int, settings: STEMSettings) -> None:
        super().__init__()
        inner, tokens = settings.width, min(settings.tokens, channels)
        self.channels, self.tokens, self.dropout = channels, tokens, settings.dropout
        per_token = -(-channels // tokens)
        self.into = nn.Parameter(torch.randn(tokens, per_token, inner) * per_token**-0.5)
        self.place = nn.Parameter(torch.randn(tokens, inner) * 0.02)
        self.image = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, inner))
        self.time = nn.Sequential(nn.Linear(inner, inner), nn.SiLU(), nn.Linear(inner, inner))
        self.layers = nn.ModuleList(SteeredLayer(inner, settings.heads) for _ in range(settings.layers))
        self.norm, self.steer = nn.LayerNorm(inner, elementwise_affine=False), nn.Linear(inner, 2 * inner)
        self.out_of = nn.Parameter(torch.randn(tokens, inner, per_token) * inner**-0.5)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, features: Tensor, values: Tensor, time: Tensor, generator: Generator | None = None) -> Tensor:
        """``(S, D)``, ``(S, C)``, ``(S,)`` to ``(S, C)``; with a generator, dropout is drawn from it."""
        spots, per_token = len(values), self.into.shape[1]
        condition = self.time(time_features(time, self.place.shape[1]))
        condition = F.silu(condition + dropped(self.image(features), self.dropout, generator))
        padded = F.pad(values, (0, self.tokens * per_token - self.channels)).view(spots, self.tokens, per_token)
        x = torch.einsum("stp,tpw->stw", padded, self.into) + self.place
        for layer in self.layers:
            x = layer(x, condition)
        shift, scale = self.steer(condition)[:, None].chunk(2, dim=-1)
        x = self.norm(x) * (1 + scale) + shift
        return torch.einsum("stw,twp->stp", x, self.out_of).flatten(1)[:, : self.channels] + self.bias


class SteeredLayer(nn.Module):
    """Transformer layer over tokens; the condition shifts and scales after each LayerNorm and gates what is added."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width, elementwise_affine=False)
        self.between = nn.LayerNorm(width, elementwise_affine=False)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.steer = nn.Linear(width, 6 * width)
        # Gates start closed: the layer begins as the identity (Peebles and Xie 2023).
        nn.init.zeros_(self.steer.weight)
        nn.init.zeros_(self.steer.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """``(S, T, width)`` tokens and ``(S, width)`` condition to ``(S, T, width)``."""
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate = self.steer(condition)[:, None].chunk(6, dim=-1)
        x = x + gate * self._attended(self.before(x) * (1 + scale) + shift)
        mixed: Tensor = self.mlp(self.between(x) * (1 + mlp_scale) + mlp_shift)
        return x + mlp_gate * mixed

    def _attended(self, x: Tensor) -> Tensor:
        spots, tokens, width = x.shape
        parts = self.query_key_value(x).view(spots, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        out: Tensor = self.out(attended.transpose(1, 2).reshape(spots, tokens, width))
        return out

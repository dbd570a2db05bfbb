"""STFlow: the expression of a whole section by flow matching in gene space (Huang et al., ICML 2025).

Noise that looks like counts is moved towards expression along straight lines.  The network sees the noisy expression of all spots,
their image features and the time, attends between neighbours, and says where the lines end; a few steps follow them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Generator, Tensor, nn

from molf_engine.baselines.attention import Edges, LocalAttention, Places, dropped, time_features
from molf_engine.baselines.count_noise import DRAWS, count_noise
from molf_engine.baselines.fitting import Batch, Budget, keyed, masked_error
from molf_engine.baselines.network_rival import Labels, NetworkRival, Units
from molf_engine.baselines.whole_slide import SpotRows

_BLOCK = 2048


@dataclass(frozen=True)
class STFlowSettings:
    """Size of the network and way of sampling."""

    width: int = 128
    heads: int = 4
    layers: int = 2
    edge_width: int = 16
    neighbours: int = 8
    dropout: float = 0.2
    steps: int = 5


@dataclass
class STFlow(NetworkRival):
    """Flow matching over a section.  See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""

    settings: STFlowSettings = field(default_factory=STFlowSettings)
    budget: Budget = field(default_factory=Budget)
    draws: int = 4

    name: ClassVar[str] = "stflow"
    title: ClassVar[str] = "STFlow (Huang et al., ICML 2025), written anew from its description"
    reduced: ClassVar[str] = (
        "2 layers of width 128; features of this benchmark's encoder; one model for all sections instead of one per organ; all "
        "genes of the panel at once; noise matched gene by gene; the log total count is generated as one more gene; the mean "
        "of 4 draws of 5 steps."
    )

    def configure(self, settings: dict[str, Any]) -> None:
        """Take the settings of a stored rival."""
        self.settings = STFlowSettings(**settings)

    def build(self, width: int, channels: int, labels: Labels) -> nn.Module:
        """Network with room for the noise."""
        return Denoiser(width, channels, self.settings)

    def prepare(self, network: nn.Module, sections: Iterator[SpotRows], units: Units) -> nn.Module:
        """Draw the noise, in the units of the network."""
        assert isinstance(network, Denoiser)
        genes = count_noise(sections, self.seed)
        depth = np.random.default_rng([self.seed, 1]).normal(size=(DRAWS, 1)).astype(np.float32)
        varying = units.sd[:-1] > 0
        standardised = np.where(varying, (genes - units.mean[:-1]) / np.where(varying, units.sd[:-1], 1), 0)
        # A few extreme counts would drown what the first layer sees of the other genes.
        clipped = np.clip(np.column_stack([standardised, depth]), -5, 5)
        network.noise.copy_(torch.from_numpy(clipped.astype(np.float32)))
        return network

    def loss(self, network: nn.Module, batch: Batch, generator: Generator) -> Tensor:
        """Error of the predicted end of the line, seen from a random time on it."""
        assert isinstance(network, Denoiser)
        spots = len(batch.features)
        time = torch.rand(1, generator=generator)
        noise = network.draw(spots, generator)
        between = (1 - time) * noise + time * batch.values
        edges = network.places(batch.neighbours(self.settings.neighbours))
        drop = generator if network.training else None
        return masked_error(network(batch.features, between, time.expand(spots), edges, drop), batch)

    def estimate(self, network: nn.Module, batch: Batch, draws: int) -> Tensor:
        """Mean of a few draws, each by a few steps along the predicted lines."""
        assert isinstance(network, Denoiser)
        spots = len(batch.features)
        edges = network.places(batch.neighbours(self.settings.neighbours))
        order = by_features(batch.features)
        total = torch.zeros_like(batch.values)
        for draw in range(draws):
            values = torch.empty_like(batch.values)
            values[order] = network.draw(spots, keyed(self.seed, draw))
            for step in range(self.settings.steps):
                time = torch.full((spots,), step / self.settings.steps)
                end = network(batch.features, values, time, edges)
                values += (end - values) / (self.settings.steps - step)
            total += values
        return total / draws


def by_features(features: Tensor) -> Tensor:
    """Order of the spots by their features: noise is dealt in it, so that the order of the rows changes no prediction."""
    return torch.from_numpy(np.lexsort(features[:, :8].numpy().T))


class Denoiser(nn.Module):
    """Image features, noisy values and time of all spots to the values without noise."""

    noise: Tensor

    def __init__(self, width: int, channels: int, settings: STFlowSettings) -> None:
        super().__init__()
        inner = settings.width
        self.dropout = settings.dropout
        self.image = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, inner))
        self.values = nn.Linear(channels, inner)
        # What is noise at first must not drown the image before the network knows better.
        nn.init.zeros_(self.values.weight)
        self.time = nn.Sequential(nn.Linear(inner, inner), nn.SiLU(), nn.Linear(inner, inner))
        self.places = Places(settings.edge_width)
        self.layers = nn.ModuleList(
            LocalAttention(inner, settings.heads, settings.edge_width, settings.dropout) for _ in range(settings.layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(inner), nn.Linear(inner, channels))
        self.register_buffer("noise", torch.zeros(DRAWS, channels))

    def forward(
        self, features: Tensor, values: Tensor, time: Tensor, edges: Edges, generator: Generator | None = None
    ) -> Tensor:
        """``(S, D)``, ``(S, C)``, ``(S,)`` to ``(S, C)``; with a generator, dropout is drawn from it."""
        x = dropped(self.image(features), self.dropout, generator) + self.values(values)
        x = x + self.time(time_features(time[:1], x.shape[1]))
        for layer in self.layers:
            x = layer(x, edges, generator)
        ended: Tensor = self.last(x)
        return ended

    def draw(self, spots: int, generator: Generator) -> Tensor:
        """``(spots, C)`` noise: each entry one of the kept draws of its gene."""
        channels = self.noise.shape[1]
        blocks = []
        for start in range(0, spots, _BLOCK):
            count = min(_BLOCK, spots - start)
            blocks.append(self.noise.gather(0, torch.randint(DRAWS, (count, channels), generator=generator)))
        return torch.cat(blocks) if blocks else self.noise[:0]

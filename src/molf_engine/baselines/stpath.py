"""STPath: masked expression of a section's spots, filled in from images, neighbours, organ and technology (Huang et al. 2025).

Training hides the expression of a share of the spots, which the others help to fill in; prediction hides all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from molf_engine.baselines.attention import LocalAttention, Places, dropped
from molf_engine.baselines.fitting import Batch, Budget, masked_error
from molf_engine.baselines.network_rival import Labels, NetworkRival


@dataclass(frozen=True)
class STPathSettings:
    """Size of the network, and what training hides."""

    width: int = 128
    heads: int = 4
    layers: int = 3
    edge_width: int = 16
    neighbours: int = 16
    dropout: float = 0.2
    all_hidden: float = 0.5
    """Share of the training steps that hide every spot, as prediction does; others hide a share drawn evenly from 0 to 1."""
    unknown: float = 0.15
    """Share of the training steps that hide the organ, and likewise the technology."""


@dataclass
class STPath(NetworkRival):
    """Masked transformer over a section.  See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""

    settings: STPathSettings = field(default_factory=STPathSettings)
    budget: Budget = field(default_factory=Budget)

    name: ClassVar[str] = "stpath"
    title: ClassVar[str] = "STPath (Huang et al., npj Digital Medicine 2025), written anew from its description"
    reduced: ClassVar[str] = (
        "3 layers of width 128; trained on this benchmark's sections and genes instead of about 1,000 slides and 38,984 genes; "
        "features of this benchmark's encoder instead of GigaPath; attention to the 16 nearest spots instead of the whole slide; "
        "half of the training steps hide every spot; the log total count is predicted too."
    )

    def configure(self, settings: dict[str, Any]) -> None:
        """Take the settings of a stored rival."""
        self.settings = STPathSettings(**settings)

    def build(self, width: int, channels: int, labels: Labels) -> nn.Module:
        """Network with a token for every organ and technology of the training sections, and for unknown ones."""
        return MaskedTransformer(width, channels, len(labels.organs), len(labels.technologies), self.settings)

    def loss(self, network: nn.Module, batch: Batch, generator: Generator) -> Tensor:
        """Error where expression was hidden."""
        settings, spots = self.settings, len(batch.features)
        every, share, no_organ, no_technology = torch.rand(4, generator=generator).tolist()
        hidden = torch.rand(spots, generator=generator) < (1.0 if every < settings.all_hidden else share)
        drop = generator if network.training else None
        organ = 0 if drop and no_organ < settings.unknown else batch.organ
        technology = 0 if drop and no_technology < settings.unknown else batch.technology
        edges = network.get_submodule("places")(batch.neighbours(settings.neighbours))
        predicted = network(batch.features, batch.values, hidden, organ, technology, edges, drop)
        return masked_error(predicted, batch, hidden.float())

    def estimate(self, network: nn.Module, batch: Batch, draws: int = 1) -> Tensor:
        """One pass with all expression hidden."""
        edges = network.get_submodule("places")(batch.neighbours(self.settings.neighbours))
        hidden = torch.ones(len(batch.features), dtype=torch.bool)
        filled: Tensor = network(batch.features, batch.values, hidden, batch.organ, batch.technology, edges)
        return filled


class MaskedTransformer(nn.Module):
    """Image features, partly hidden values, organ and technology of a section's spots to their values."""

    def __init__(self, width: int, channels: int, organs: int, technologies: int, settings: STPathSettings) -> None:
        super().__init__()
        inner = settings.width
        self.dropout = settings.dropout
        self.image = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, inner))
        self.values = nn.Linear(channels, inner)
        self.hidden = nn.Parameter(torch.randn(inner) * 0.02)
        self.organ, self.technology = nn.Embedding(1 + organs, inner), nn.Embedding(1 + technologies, inner)
        for table in (self.organ, self.technology):
            nn.init.normal_(table.weight, std=0.02)
        self.places = Places(settings.edge_width)
        self.layers = nn.ModuleList(
            LocalAttention(inner, settings.heads, settings.edge_width, settings.dropout) for _ in range(settings.layers)
        )
        self.last = nn.Sequential(nn.LayerNorm(inner), nn.Linear(inner, channels))

    def forward(
        self,
        features: Tensor,
        values: Tensor,
        hidden: Tensor,
        organ: int,
        technology: int,
        edges: Any,
        generator: Generator | None = None,
    ) -> Tensor:
        """``(S, D)``, ``(S, C)``, ``(S,)`` bool to ``(S, C)``; with a generator, dropout is drawn from it."""
        seen = torch.where(hidden[:, None], self.hidden, self.values(values))
        labels = self.organ.weight[organ] + self.technology.weight[technology]
        x = dropped(self.image(features), self.dropout, generator) + seen + labels
        for layer in self.layers:
            x = layer(x, edges, generator)
        filled: Tensor = self.last(x)
        return filled

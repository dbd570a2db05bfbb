"""Attention of each spot to its nearest neighbours, which sees where they lie but not how the section is turned.

Memory grows with spots times neighbours, never with the square of the spots.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from molf_engine.baselines.neighbourhood import Neighbours

_BLOCK = 2048
"""Spots whose neighbours are gathered at once."""


class Edges(NamedTuple):
    """Spots and their neighbours: ``rows (S, N)``, ``known (S, N)`` and what their places say, ``features (S, N, E)``."""

    rows: Tensor
    known: Tensor
    features: Tensor


class Places(nn.Module):
    """Features of a neighbour's place: a small network averaged over the four frames."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(3, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, neighbours: Neighbours) -> Edges:
        """Neighbours to edges with ``width`` features."""
        axes, distance = torch.from_numpy(neighbours.axes), torch.from_numpy(neighbours.distance)
        parts = [self._averaged(*block) for block in zip(axes.split(_BLOCK), distance.split(_BLOCK), strict=True)]
        return Edges(torch.from_numpy(neighbours.index), torch.from_numpy(neighbours.known), torch.cat(parts))

    def _averaged(self, axes: Tensor, distance: Tensor) -> Tensor:
        signs = axes.new_tensor([[1, 1], [1, -1], [-1, 1], [-1, -1]])
        flipped = axes[..., None, :] * signs
        far = distance[..., None, None].expand(*distance.shape, len(signs), 1)
        features: Tensor = self.network(torch.cat([flipped, far], dim=-1)).mean(dim=-2)
        return features


class LocalAttention(nn.Module):
    """Transformer layer over spots: attention to neighbours, then a network per spot, both after a LayerNorm."""

    def __init__(self, width: int, heads: int, edge_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key_value = nn.Linear(width, width), nn.Linear(width, 2 * width)
        self.edge_bias = nn.Linear(edge_width, heads)
        self.edge_value = nn.Parameter(torch.randn(heads, edge_width, width // heads) * edge_width**-0.5)
        self.out = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x: Tensor, edges: Edges, generator: Generator | None = None) -> Tensor:
        """``(S, width)`` tokens to ``(S, width)``; with a generator, dropout is drawn from it."""
        normed = self.before(x)
        query, key_value = self.query(normed), self.key_value(normed)
        blocks = zip(query.split(_BLOCK), *(part.split(_BLOCK) for part in edges), strict=True)
        attended = torch.cat([self._attend(own, key_value, Edges(*edge)) for own, *edge in blocks])
        x = x + dropped(self.out(attended), self.dropout, generator)
        return x + dropped(self.mlp(self.between(x)), self.dropout, generator)

    def _attend(self, query: Tensor, key_value: Tensor, edges: Edges) -> Tensor:
        spots, neighbours = edges.rows.shape
        gathered = key_value.index_select(0, edges.rows.flatten())
        key, value = gathered.view(spots, neighbours, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        query = query.view(spots, self.heads, -1, 1) * key.shape[-1] ** -0.5
        logits = (key @ query).squeeze(-1) + self.edge_bias(edges.features).transpose(1, 2)
        weights = logits.masked_fill(~edges.known[:, None], -torch.inf).softmax(dim=-1)[:, :, None]
        # Places are linear in the values, so they are averaged before they are widened: (S, H, E) instead of (S, N, width).
        places = (weights.squeeze(2) @ edges.features).transpose(0, 1) @ self.edge_value
        return ((weights @ value).squeeze(2) + places.transpose(0, 1)).flatten(1)


def dropped(x: Tensor, share: float, generator: Generator | None) -> Tensor:
    """Dropout drawn from a generator; without one, in prediction, ``x`` as it is."""
    if generator is None or not share:
        return x
    return x * (torch.rand(x.shape, generator=generator) >= share) / (1 - share)


def time_features(time: Tensor, width: int) -> Tensor:
    """``(S,)`` times in 0 to 1 to ``(S, width)`` sines and cosines."""
    frequencies = torch.pi * torch.logspace(0, 2, width // 2)
    angles = time[:, None] * frequencies
    return F.pad(torch.cat([angles.sin(), angles.cos()], dim=1), (0, width % 2))

"""Building blocks: a post-norm transformer layer over patches, and the same layer over a sequence of length one."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn


class PatchAttention(nn.Module):
    """Multi-head self-attention across the patches of one slide.

    Runs through ``scaled_dot_product_attention``, which never builds the (P, P) matrix of scores.  A width that the heads do not
    divide is rounded up inside: an encoder's features may have any width.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        inner = heads * math.ceil(width / heads)
        self.heads = heads
        self.dropout = dropout
        self.query_key_value = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor, keys: Tensor | None = None) -> Tensor:
        """Mix patches.

        Parameters
        ----------
        x : Tensor
            (P, width).
        keys : Tensor, optional
            (P,) bool: patches that may be looked at.  All may be left out of it; then nothing is mixed in.
        """
        count = x.shape[0]
        query, key, value = self.query_key_value(x).view(count, 3, self.heads, -1).permute(1, 2, 0, 3).unbind(0)
        if keys is not None:
            key, value = key[:, keys], value[:, keys]
        mixed = F.scaled_dot_product_attention(
            query[None], key[None], value[None], dropout_p=self.dropout if self.training else 0.0
        )
        return self.out(mixed[0].transpose(0, 1).reshape(count, -1))


class FeedForward(nn.Sequential):
    """Linear, exact GELU, dropout, Linear."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Post-norm transformer encoder layer over patches: norm(x + attention), norm(x + feed-forward)."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = PatchAttention(width, heads, dropout)
        self.feedforward = FeedForward(width, feedforward, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor, keys: Tensor | None = None) -> Tensor:
        """(P, width) -> (P, width)."""
        x = self.norm1(x + self.drop(self.attention(x, keys)))
        return self.norm2(x + self.drop(self.feedforward(x)))


class TokenLayer(nn.Module):
    """:class:`EncoderLayer` over a sequence of length one.

    A softmax over one key is 1, so its attention is one linear map of the token: ``mix`` is W_o W_v with their biases folded in.
    """

    def __init__(self, width: int, feedforward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)
        self.feedforward = FeedForward(width, feedforward, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(P, width) -> (P, width), each row by itself."""
        x = self.norm1(x + self.drop(self.mix(x)))
        return self.norm2(x + self.drop(self.feedforward(x)))

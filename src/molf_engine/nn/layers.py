"""Building blocks: a post-norm transformer layer over patches, and the same layer over a sequence of length one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molf_engine.nn.attention import attention
from molf_engine.nn.dropout import Dropout
from molf_engine.nn.rowwise import by_rows


class PatchAttention(nn.Module):
    """Multi-head self-attention across the patches of one slide.

    A width that the heads do not divide is rounded up inside: an encoder's features may have any width.  Several slides are rows of
    one tensor, one after the other: every linear layer works on all of them at once, attention on one slide after the other, and
    nothing is padded.
    """

    def __init__(self, width: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        inner = heads * math.ceil(width / heads)
        self.heads = heads
        self.dropout = dropout
        self.query_key_value = nn.Linear(width, 3 * inner)
        self.out = nn.Linear(inner, width)

    def forward(self, x: Tensor, keys: Tensor | None = None, lengths: Sequence[int] | None = None) -> Tensor:
        """Mix patches.

        Parameters
        ----------
        x : Tensor
            (P, width).
        keys : Tensor, optional
            (P,) bool: patches that may be looked at.  All may be left out of it; then nothing is mixed in.
        lengths : sequence of int, optional
            Patches of each slide, where there are several; their sum is P.
        """
        count = x.shape[0]
        query, key, value = self.query_key_value.bias.chunk(3)
        # A bias of the keys shifts all scores of a query alike, which softmax does not see.  Its gradient is nothing but rounding
        # error, and Adam would make steps of full size of that.
        bias = torch.cat([query, key.detach(), value])
        projected = F.linear(x, self.query_key_value.weight, bias).view(count, 3, self.heads, -1)
        if lengths is None:
            mixed = self._mix(projected, keys)
        else:
            shown = [None] * len(lengths) if keys is None else keys.split(list(lengths))
            parts = zip(projected.split(list(lengths)), shown, strict=True)
            mixed = torch.cat([self._mix(part, some) for part, some in parts])
        return self.out(mixed.reshape(count, -1))

    def _mix(self, projected: Tensor, keys: Tensor | None) -> Tensor:
        """Attention within one slide, (P, 3, heads, width / heads) -> (P, heads, width / heads)."""
        query, key, value = projected.unbind(1)
        if keys is not None:
            key, value = key[keys], value[keys]
        return attention(query, key, value, self.dropout if self.training else 0.0)


class FeedForward(nn.Sequential):
    """Linear, exact GELU, dropout, Linear."""

    def __init__(self, width: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, hidden), nn.GELU(), Dropout(dropout), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Post-norm transformer encoder layer over patches: norm(x + attention), norm(x + feed-forward)."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = PatchAttention(width, heads, dropout)
        self.feedforward = FeedForward(width, feedforward, dropout)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor, keys: Tensor | None = None, lengths: Sequence[int] | None = None) -> Tensor:
        """(P, width) -> (P, width), see :meth:`PatchAttention.forward`."""
        return by_rows(self._after, x, self.attention(x, keys, lengths))

    def _after(self, x: Tensor, attended: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(attended))
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
        self.drop = Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(P, width) -> (P, width), each row by itself."""
        x = self.norm1(x + self.drop(self.mix(x)))
        return self.norm2(x + self.drop(self.feedforward(x)))

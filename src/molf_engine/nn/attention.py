"""Softmax attention across the patches of a slide, in memory that grows with their number and not with its square."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from molf_engine.nn.dropout import keep_mask

_BLOCK_ROWS = 512


def attention(query: Tensor, key: Tensor, value: Tensor, dropout: float = 0.0) -> Tensor:
    """Softmax of the scaled scores times the values, each head by itself.

    On the CPU it runs in blocks of queries: torch's own kernel there multiplies matrices at half the speed that it could in float32 and at
    a quarter in bfloat16, and with dropout falls back to a (P, P) matrix for each head.

    Parameters
    ----------
    query : Tensor
        (P, heads, width).
    key, value : Tensor
        (Q, heads, width).  Without any key nothing is mixed in, and the result is 0.
    dropout : float
        Share of the probabilities that is set to 0, while the others grow to make up for it.  Drawn from torch's global generator.

    Returns
    -------
    Tensor
        (P, heads, width).
    """
    if query.device.type == "cpu":
        mixed: Tensor = _Blocks.apply(query, key, value, dropout)
        return mixed
    return _fused(query, key, value, dropout)


def _fused(query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
    query, key, value = (part.transpose(0, 1)[None] for part in (query, key, value))
    return F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)[0].transpose(0, 1)


class _Blocks(torch.autograd.Function):
    """:func:`attention` on the CPU.  Probabilities and masks are computed again on the way back, not kept."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, dropout: float) -> Tensor:
        """Attend."""
        seed = int(torch.randint(2**62, ())) if dropout else 0
        generator = torch.Generator().manual_seed(seed)
        mixed = query.new_empty(query.shape)
        # Matrix products read a head that was copied out of the rows of all heads a tenth faster.
        for head in range(query.shape[1]):
            queries, keys, values = _scaled(query[:, head]), key[:, head].contiguous(), value[:, head].contiguous()
            for rows in _blocks(query):
                probability = (queries[rows] @ keys.t()).softmax(dim=-1)
                if dropout:
                    probability *= keep_mask(probability, dropout, generator)
                torch.mm(probability, values, out=mixed[rows, head])
        if dropout:
            mixed /= 1 - dropout
        ctx.save_for_backward(query, key, value, mixed)
        ctx.seed, ctx.dropout = seed, dropout
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        """Gradients of query, key and value."""
        query, key, value, mixed = ctx.saved_tensors
        generator = torch.Generator().manual_seed(ctx.seed)
        # What softmax takes away from each score's gradient: the sum over keys of probability times its gradient.
        common = (gradient * mixed).sum(-1, keepdim=True)
        if ctx.dropout:
            gradient = gradient / (1 - ctx.dropout)
        to_query, to_key, to_value = (torch.empty_like(part) for part in (query, key, value))
        for head in range(query.shape[1]):
            queries, keys, values = _scaled(query[:, head]), key[:, head].contiguous(), value[:, head].contiguous()
            back, to_keys, to_values = gradient[:, head].contiguous(), torch.zeros_like(keys), torch.zeros_like(values)
            for rows in _blocks(query):
                used = probability = (queries[rows] @ keys.t()).softmax(dim=-1)
                if ctx.dropout:
                    used = probability * keep_mask(probability, ctx.dropout, generator)
                scores = back[rows] @ values.t()
                scores *= used
                scores.addcmul_(probability, common[rows, head], value=-1)
                to_values.addmm_(used.t(), back[rows])
                to_keys.addmm_(scores.t(), queries[rows])
                torch.mm(scores, keys, out=to_query[rows, head])
            to_key[:, head], to_value[:, head] = to_keys, to_values
        return _scaled(to_query), to_key, to_value, None


def _scaled(query: Tensor) -> Tensor:
    return query * query.shape[-1] ** -0.5


def _blocks(query: Tensor) -> Iterator[slice]:
    return (slice(start, start + _BLOCK_ROWS) for start in range(0, query.shape[0], _BLOCK_ROWS))

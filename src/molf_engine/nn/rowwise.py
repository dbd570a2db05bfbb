"""Functions of each patch by itself, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_BLOCK_ROWS = 2048


def row_blocks(count: int) -> Iterator[slice]:
    """All rows at once where gradients are on, which keep every layer's input anyway; else block by block."""
    size = max(count, 1) if torch.is_grad_enabled() else _BLOCK_ROWS
    yield from (slice(start, start + size) for start in range(0, max(count, 1), size))


def by_rows(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """``function(*inputs)`` for a function that treats each row by itself, in the blocks of :func:`row_blocks`.

    Hidden layers, several times as wide as what goes in and comes out, then exist for one block at a time.

    Parameters
    ----------
    function : callable
        (P, ...) for each input -> (P, width).
    inputs : Tensor
        (P, ...) each.
    """
    count = len(inputs[0])
    result = None
    for rows in row_blocks(count):
        block = function(*(part[rows] for part in inputs))
        if len(block) == count:
            return block
        if result is None:
            result = block.new_empty((count, *block.shape[1:]))
        result[rows] = block
    assert result is not None
    return result

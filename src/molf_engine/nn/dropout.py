"""Dropout from bytes: on a CPU, drawing each entry of a mask as torch does costs more than the layer that it follows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

_LEVELS = 256


def keep_mask(like: Tensor, dropout: float, generator: Generator | None = None) -> Tensor:
    """1 where an entry of ``like`` (rows, columns) is kept, 0 where it is dropped, with probability ``dropout``; on the CPU.

    A random byte decides on an entry, and is compared with ``dropout`` times 256.  What this number has after its point is the chance
    that a row is compared with the next integer, so that the probability is exact; the price is a correlation below 1e-4 in a row.
    """
    rows, columns = like.shape
    words = torch.empty(-(-rows * columns // 8), dtype=torch.int64).random_(-(2**63), None, generator=generator)
    uniform = words.view(torch.int8)[: rows * columns].view(rows, columns)
    lowest = (dropout * _LEVELS + torch.rand(rows, 1, generator=generator)).floor() - _LEVELS // 2
    # Straight into the type of what it is multiplied with: a mask of bools would be converted again, at several times the cost.
    mask: Tensor = torch.ge(uniform, lowest.clamp(max=_LEVELS // 2 - 1).to(torch.int8), out=torch.empty_like(like))
    return mask


class Dropout(nn.Dropout):
    """``nn.Dropout`` of a matrix, (P, width), drawn from torch's global generator."""

    def forward(self, x: Tensor) -> Tensor:
        """(P, width) -> (P, width)."""
        if not self.training or not self.p:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p)
        return x * keep_mask(x.detach(), self.p).div_(1 - self.p)

"""Sinusoidal positions of patches: by their row in the file (published) or by their true place in um (ours)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

LONGEST_UM = 20_000.0
"""Longest wavelength of :func:`grid_sinusoids`, about the width of a tissue section."""

SHORTEST_UM = 1_000.0
"""Shortest wavelength of :func:`grid_sinusoids`.

Several times the pitch of the coarsest arrays (200 um): training must see every phase of a wave, or maps on a finer grid show stripes.
"""


def row_sinusoids(rows: Tensor, width: int) -> Tensor:
    """Interleaved sine and cosine of the row number, base 10000 (as in the released network).

    Parameters
    ----------
    rows : Tensor
        Row numbers, (P,).
    width : int
        Columns of the table, even.

    Returns
    -------
    Tensor
        (P, width) float32.
    """
    exponents = torch.arange(0, width, 2, device=rows.device, dtype=torch.float32) / width
    angles = rows.to(torch.float32)[:, None] * torch.pow(10_000.0, -exponents)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]


def grid_sinusoids(positions: Tensor, width: int) -> Tensor:
    """Sines and cosines of x and of y, from some patches to a whole section in wavelength.

    The origin is the middle of the patches' bounding box: the same tissue scanned elsewhere on the glass is the same tissue.  A region
    has a middle of its own, so its patches are placed a little differently than on the whole slide.

    Parameters
    ----------
    positions : Tensor
        Patch centres x, y in um, (P, 2).
    width : int
        Columns of the table; those beyond a multiple of 4 stay 0.

    Returns
    -------
    Tensor
        (P, width) float32.
    """
    count = width // 4
    table = positions.new_zeros((positions.shape[0], width), dtype=torch.float32)
    if count == 0 or positions.shape[0] == 0:
        return table
    centred = (positions - (positions.amin(0) + positions.amax(0)) / 2).to(torch.float32)
    ramp = torch.linspace(0, 1, count, device=positions.device)
    wavelengths = SHORTEST_UM * (LONGEST_UM / SHORTEST_UM) ** ramp
    angles = centred[:, :, None] * (2 * torch.pi / wavelengths)
    table[:, : 4 * count] = torch.cat([angles.sin(), angles.cos()], dim=-1).flatten(1)
    return table


def position_table(kind: str, positions: Tensor, width: int, lengths: Sequence[int] | None = None) -> Tensor | None:
    """Table of one of the three kinds `grid-2d`, `row-order` and `none` (no table).

    Parameters
    ----------
    kind : str
        Name of the option.
    positions : Tensor
        Patch centres x, y in um, (P, 2); `row-order` reads only their number.
    width : int
        Columns of the table.
    lengths : sequence of int, optional
        Patches of each slide, where there are several: every slide has a table of its own.
    """
    if lengths is not None and kind != "none":
        return torch.cat([_table(kind, part, width) for part in positions.split(list(lengths))])
    return None if kind == "none" else _table(kind, positions, width)


def _table(kind: str, positions: Tensor, width: int) -> Tensor:
    match kind:
        case "grid-2d":
            return grid_sinusoids(positions, width)
        case "row-order":
            return row_sinusoids(torch.arange(positions.shape[0], device=positions.device), width)
    raise ValueError(f"unknown kind of position {kind!r}")

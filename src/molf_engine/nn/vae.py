"""Transformer gene VAE (paper, stage 1): the expression of a slide's patches in a small latent space."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from molf_engine.nn.dropout import Dropout
from molf_engine.nn.layers import EncoderLayer
from molf_engine.nn.position import position_table


class GeneVAE(nn.Module):
    """Encoder over the patches of one slide, decoder for each patch alone.

    G columns are the panel's genes and, where depth is learned apart, one more column for the log of the total count.

    Parameters
    ----------
    columns : int
        G.
    latent : int
        L, width of the latent space.
    width : int
        Width of the encoder layer and of the first decoder layer; the second is twice as wide.
    heads, feedforward, dropout
        Of the encoder layer.
    position : str
        `grid-2d`, `row-order` or `none`, see :mod:`molf_engine.nn.position`.
    standardise : bool
        Whether columns are learned in units of their mean and sd (buffers ``centre`` and ``scale``).  If not, the decoder ends in
        a GELU, as published.
    """

    centre: Tensor
    scale: Tensor

    def __init__(
        self,
        columns: int,
        latent: int,
        width: int,
        heads: int,
        feedforward: int,
        dropout: float = 0.1,
        position: str = "grid-2d",
        standardise: bool = True,
    ) -> None:
        super().__init__()
        self.position = position
        self.standardise = standardise
        self.register_buffer("centre", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))
        self.embed = nn.Linear(columns, width)
        self.embed_norm = nn.LayerNorm(width)
        self.drop = Dropout(dropout)
        self.layer = EncoderLayer(width, heads, feedforward, dropout)
        self.head = nn.Linear(width, 2 * latent)
        self.mean_norm = nn.LayerNorm(latent)
        self.decoder = nn.Sequential(
            nn.Linear(latent, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, 2 * width),
            nn.LayerNorm(2 * width),
            nn.GELU(),
            nn.Linear(2 * width, columns),
        )

    def encode(
        self, x: Tensor, mask: Tensor, positions: Tensor, lengths: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latent.

        Parameters
        ----------
        x : Tensor
            Expression in the model's units, (P, G).
        mask : Tensor
            1 where measured, (P, G) or (G,).
        positions : Tensor
            Patch centres in um, (P, 2).
        lengths : sequence of int, optional
            Patches of each slide, where there are several.

        Returns
        -------
        tuple of Tensor
            (P, L) each.  The mean has passed a layer norm: its entries are of order one.
        """
        mask = mask.expand_as(x)
        hidden = self.embed_norm(self.embed((x - self.centre) / self.scale * mask))
        table = position_table(self.position, positions, hidden.shape[1], lengths)
        if table is not None:
            hidden = hidden + table
        # A patch in which nothing was measured has nothing to tell the others.
        hidden = self.layer(self.drop(hidden), keys=mask.any(1), lengths=lengths)
        mean, logvar = self.head(hidden).chunk(2, dim=1)
        return self.mean_norm(mean), logvar

    def decode(self, latent: Tensor) -> Tensor:
        """Expression in the model's units, (P, L) -> (P, G); not clipped at 0, so that gradients reach every entry."""
        out = self.decoder(latent)
        return self.centre + self.scale * out if self.standardise else F.gelu(out)

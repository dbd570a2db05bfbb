"""Principal components in place of the gene VAE: the control that asks what the transformer is worth."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

NO_NOISE = -30.0
"""Log-variance of a latent that is known exactly."""


class LinearVAE(nn.Module):
    """Linear encoder and decoder with the calls of :class:`molf_engine.nn.vae.GeneVAE`, fitted in closed form.

    Parameters
    ----------
    columns : int
        G, as in :class:`molf_engine.nn.vae.GeneVAE`.
    latent : int
        L, number of components.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, columns: int, latent: int) -> None:
        super().__init__()
        self.register_buffer("centre", torch.zeros(columns))
        self.register_buffer("scale", torch.ones(columns))
        self.encoder = nn.Linear(columns, latent, bias=False)
        # The name of the transformer VAE's last layer: whoever decodes needs to know one name.
        self.decoder = nn.Sequential(OrderedDict({"6": nn.Linear(latent, columns)}))
        self.requires_grad_(False)

    @torch.no_grad()
    def fit(self, slides: Iterable[tuple[Tensor, Tensor]], weight: Tensor) -> None:
        """Components of the training spots, each scaled to unit variance.

        Parameters
        ----------
        slides : iterable of (Tensor, Tensor)
            Of each slide its expression, (S, G), and 1 where it was measured, (G,) or (S, G).
        weight : Tensor
            Weight of each column in units of its sd, (G,).
        """
        gain = weight.sqrt().double().cpu()
        products, spots = torch.zeros(len(gain), len(gain), dtype=torch.float64), 0
        for x, mask in slides:
            rows = ((x - self.centre) / self.scale * mask).double().cpu() * gain
            products += rows.T @ rows
            spots += len(rows)
        count = self.encoder.out_features
        if min(spots, len(gain)) < count:
            raise ValueError(f"{count} components need at least as many spots, not {min(spots, len(gain))}")
        variances, vectors = torch.linalg.eigh(products)
        directions = vectors.T.flip(0)[:count]
        # An eigenvector's sign is arbitrary; fixing it makes the fit the same on every machine.
        largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
        directions = directions * largest.sign()
        spread = (variances.flip(0)[:count].clamp(min=0) / spots).sqrt().clamp(min=1e-6)[:, None]
        last = self.decoder[0]
        assert isinstance(last, nn.Linear)
        self.encoder.weight.copy_(gain * directions / spread)
        last.weight.copy_((spread * directions / gain).T)
        last.bias.zero_()

    def encode(
        self, x: Tensor, mask: Tensor, positions: Tensor, lengths: Sequence[int] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Scores (P, L) and their log-variance, next to nothing; ``positions`` and ``lengths`` change nothing."""
        mean = self.encoder((x - self.centre) / self.scale * mask)
        return mean, torch.full_like(mean, NO_NOISE)

    def decode(self, latent: Tensor) -> Tensor:
        """Expression in the model's units, (P, L) -> (P, G)."""
        return self.centre + self.scale * self.decoder(latent)

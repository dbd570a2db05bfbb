"""Losses of both stages (paper, eq. 3 and 6-8).  Each is for the patches of one slide."""

from __future__ import annotations

import torch
from torch import Tensor


def flow_matching_loss(velocity: Tensor, z0: Tensor, z1: Tensor) -> Tensor:
    """Conditional flow-matching loss (paper, eq. 6): mean squared distance to z1 - z0, all (P, L)."""
    return (velocity - (z1 - z0)).square().mean()


def masked_mse(predicted: Tensor, measured: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean squared error over measured entries (reconstruction, eq. 3, and gene consistency, eq. 7).

    Parameters
    ----------
    predicted, measured : Tensor
        Expression, (P, G).
    weight : Tensor
        (P, G) or (G,); 0 where a gene was not measured.
    """
    weight = weight.expand_as(predicted)
    return (weight * (predicted - measured).square()).sum() / (weight > 0).sum().clamp(min=1)


def kl_divergence(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL divergence from a standard normal, summed over patches and dimensions (as released), of (P, L) inputs."""
    return -0.5 * (1 + logvar - mean.square() - logvar.exp()).sum()


def balance_loss(logits: Tensor, chosen: Tensor, form: str = "switch") -> Tensor:
    """Load-balancing loss.

    Parameters
    ----------
    logits : Tensor
        Gate logits, (P, E).
    chosen : Tensor
        Indices of the active experts, (P, k).
    form : str
        `switch`: E times the sum over experts of mean probability times share of patches (released; its optimum is k);
        `cv`: squared coefficient of variation of the experts' mean probability (the paper's words; its optimum is 0).
    """
    experts = logits.shape[1]
    probability = logits.softmax(dim=1).mean(dim=0)
    if form == "cv":
        return probability.var(unbiased=False) / probability.mean().square()
    load = torch.bincount(chosen.flatten(), minlength=experts).to(logits.dtype) / logits.shape[0]
    return experts * (probability * load).sum()

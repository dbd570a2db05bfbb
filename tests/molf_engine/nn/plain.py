"""Models and inputs for the plain network of ``benchmarks/plain_network.py``, and what it computes from them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.plain_network import PlainModel, Sizes

__all__ = ["Inputs", "PlainModel", "Sizes", "outputs", "random_inputs", "random_model"]


def random_model(sizes: Sizes, seed: int = 0) -> PlainModel:
    """A model in which no weight, bias or norm is at its usual starting value."""
    torch.manual_seed(seed)
    model = PlainModel(sizes)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model.eval()


@dataclass(frozen=True)
class Inputs:
    """Random input of one slide, each with a leading axis of one."""

    features: Tensor
    expression: Tensor
    mask: Tensor
    onehot: Tensor
    z0: Tensor


def random_inputs(sizes: Sizes, patches: int, seed: int = 1, unmeasured: int = 0, empty: int = 0) -> Inputs:
    """``unmeasured`` genes are missing everywhere; the last ``empty`` patches have no gene at all."""
    torch.manual_seed(seed)
    mask = torch.ones(1, patches, sizes.genes)
    mask[:, :, :unmeasured] = 0
    mask[:, patches - empty :] = 0
    counts = torch.randint(0, 30, mask.shape).float()
    onehot = F.one_hot(torch.tensor([[int(torch.randint(sizes.codes, ()))]]), sizes.codes).float()
    return Inputs(
        torch.randn(1, patches, sizes.features),
        counts.log1p() * mask,
        mask,
        onehot,
        torch.randn(1, patches, sizes.latent),
    )


def outputs(model: PlainModel, given: Inputs) -> dict[str, Tensor]:
    """What the reference vectors hold of one case, under their names, without losses."""
    mean, logvar = model.gene_autoencoder.encode(given.expression, given.mask)
    decode = model.gene_autoencoder.decoder
    found = {
        "vae_mean": mean,
        "vae_logvar": logvar,
        "decoded_from_mean": decode(mean) * given.mask,
        "decoded_from_mean_unmasked": decode(mean),
    }
    for t in (0.0, 0.3, 0.9):
        towards, logits = model.velocity(given.z0, t, given.features, given.onehot)
        away, _ = model.velocity(given.z0, t, model.without_image(given.features), given.onehot)
        found |= {f"velocity_cond_t{t}": towards, f"velocity_uncond_t{t}": away}
        if logits is not None:
            found[f"gate_logits_t{t}"] = logits
    for scale in (1.0, 2.0, 3.5):
        for steps in (1, 2, 4):
            latent = model.sample(given.z0, given.features, given.onehot, scale, steps)
            found[f"sample_latent_w{scale}_steps{steps}"] = latent
            found[f"sample_genes_w{scale}_steps{steps}"] = decode(latent) * given.mask
    return found

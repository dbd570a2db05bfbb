"""The networks of a bundle: built from its settings, read from and written to plain arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.config import FlowConfig, VAEConfig
from molf_engine.errors import BundleError

if TYPE_CHECKING:
    from torch import nn

    from molf_engine.nn.linear_vae import LinearVAE
    from molf_engine.nn.vae import GeneVAE
    from molf_engine.nn.velocity import VelocityField


def build_vae(config: VAEConfig, columns: int, position: str) -> GeneVAE | LinearVAE:
    """Gene VAE with fresh weights for ``columns`` columns."""
    from molf_engine.nn.linear_vae import LinearVAE
    from molf_engine.nn.vae import GeneVAE

    if config.kind == "pca":
        return LinearVAE(columns, config.latent)
    return GeneVAE(
        columns,
        config.latent,
        config.width,
        config.heads,
        config.feedforward,
        config.dropout,
        position,
        config.standardise,
    )


def build_velocity(config: FlowConfig, latent: int, features: int, codes: int, unknown: int = -1) -> VelocityField:
    """Velocity field with fresh weights for D = ``features`` and K = ``codes``; ``unknown`` is the row of the code `Unknown`."""
    from molf_engine.nn.context import Context
    from molf_engine.nn.velocity import VelocityField

    context = Context(
        features,
        codes,
        config.context_heads,
        config.context_feedforward,
        config.dropout,
        config.position,
        config.guidance_dropout,
        unknown if config.guidance_drops_code else None,
    )
    return VelocityField(
        latent,
        context,
        features,
        config.velocity,
        config.experts,
        config.active,
        config.expert_width,
        config.expert_feedforward,
        config.expert_heads,
        config.gate_noise,
        config.dropout,
    )


def state_arrays(module: nn.Module, prefix: str) -> dict[str, np.ndarray]:
    """Weights and buffers as float32 arrays, names prefixed with ``prefix`` and a dot."""
    return {f"{prefix}.{name}": value.detach().cpu().float().numpy() for name, value in module.state_dict().items()}


def load_arrays(module: nn.Module, tensors: Mapping[str, np.ndarray], prefix: str) -> None:
    """Put arrays named ``prefix``.* into ``module``.

    Raises
    ------
    BundleError
        If a weight is missing, left over, or of another shape.
    """
    import torch

    found = {
        name.removeprefix(f"{prefix}."): torch.from_numpy(np.array(value, dtype=np.float32))
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }
    try:
        module.load_state_dict(found)
    except RuntimeError as error:
        details = " ".join(str(error).split())
        raise BundleError(f"The weights do not fit the settings in config.json: {details}") from error

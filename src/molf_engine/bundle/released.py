"""A checkpoint of the released network in the terms of ours: its settings, and its tensors under our modules' names.

Widths and counts are read from the tensors; what no tensor says is :class:`Unwritten`.  Three parts of the network are stored in
simpler forms that compute the same: attention to the one token of the cancer code (a vector for each code), attention over a
sequence of length one (a linear map), and the tables of positions (a formula).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from torch import Tensor

from molf_engine.bundle import released_layout as layout
from molf_engine.bundle.networks import build_vae, build_velocity
from molf_engine.bundle.released_layout import State
from molf_engine.config import FlowConfig, VAEConfig
from molf_engine.errors import BundleError, ConfigError
from molf_engine.nn.vae import GeneVAE

if TYPE_CHECKING:
    from molf_engine.nn.velocity import VelocityField


VAE_PREFIX = "gene_autoencoder."


@dataclass(frozen=True)
class Unwritten:
    """What the tensors of a checkpoint do not say, with the values of the released network.

    Attributes
    ----------
    active : int
        k, experts that each patch uses.
    context_heads, vae_heads, expert_heads, cancer_heads : int
        Attention heads over patches in the context and in the VAE, in an expert, and towards the cancer code.  Those of the experts
        and of the cancer code change nothing where there is one key to attend to, but must divide their width all the same.
    """

    active: int = 2
    context_heads: int = 12
    vae_heads: int = 4
    expert_heads: int = 4
    cancer_heads: int = 4


@dataclass(frozen=True)
class ReleasedVAE:
    """The gene VAE of a checkpoint: its settings, G, and the state of :class:`molf_engine.nn.vae.GeneVAE`."""

    config: VAEConfig
    columns: int
    state: dict[str, Tensor]

    def network(self) -> GeneVAE:
        """The VAE, in evaluation mode."""
        network = build_vae(self.config, self.columns, "row-order")
        assert isinstance(network, GeneVAE)
        network.load_state_dict(self.state)
        return network.eval()


@dataclass(frozen=True)
class ReleasedVelocity:
    """The velocity field of a checkpoint: its settings, L, D, K, and the state of :class:`molf_engine.nn.velocity.VelocityField`."""

    config: FlowConfig
    latent: int
    features: int
    codes: int
    state: dict[str, Tensor]

    def network(self) -> VelocityField:
        """The velocity field, in evaluation mode."""
        network = build_velocity(self.config, self.latent, self.features, self.codes)
        network.load_state_dict(self.state)
        return network.eval()


def split_state(state: State) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The tensors of the gene VAE, without their prefix, and all others.

    Raises
    ------
    BundleError
        If ``state`` is that of a gene VAE alone.
    """
    if "gene_input_proj.weight" in state:
        raise BundleError(
            "this is a gene VAE alone, and a bundle needs a velocity field too. Give the checkpoint of the whole model, "
            "and this file with --vae if it should replace the VAE in there."
        )
    inside = {name.removeprefix(VAE_PREFIX): value for name, value in state.items() if name.startswith(VAE_PREFIX)}
    return inside, {name: value for name, value in state.items() if not name.startswith(VAE_PREFIX)}


def read_vae(state: State, unwritten: Unwritten) -> ReleasedVAE:
    """Read the gene VAE.

    Parameters
    ----------
    state : mapping
        Tensors under the names of the released network, without the prefix ``gene_autoencoder.``.
    unwritten : Unwritten
        What the tensors do not say.

    Raises
    ------
    BundleError
        If tensors are missing, left over, of other shapes, or not finite; the message names them.
    ConfigError
        If the heads do not divide the width.
    """
    if any(name.startswith((VAE_PREFIX, "velocity_predictor.")) for name in state):
        raise BundleError("this is a whole model, not a gene VAE alone: give it as the checkpoint.")
    layout.check_layers(state)
    layout.check_names(state, layout.vae_shapes(0, 0, 0, 0))
    width, columns = layout.rows_columns(state, "gene_input_proj.weight")
    (latent,) = layout.lengths(state, "latent_norm.weight")
    feedforward, _ = layout.rows_columns(state, "transformer_encoder.layers.0.linear1.weight")
    layout.check_tensors(state, layout.vae_shapes(columns, latent, width, feedforward))
    layout.check_table(state, "pos_encoder.pe")
    layout.check_heads("--vae-heads", unwritten.vae_heads, width, "the gene VAE")
    try:
        config = VAEConfig(
            latent=latent,
            width=width,
            heads=unwritten.vae_heads,
            feedforward=feedforward,
            dropout=0.1,
            gene_dropout=0.15,
            latent_noise=0.1,
            kl_weight=1e-7,
            standardise=False,
        )
    except ValidationError as error:
        raise BundleError(f"its widths cannot be used: {layout.first_mistake(error)}.") from error
    ours = {
        **_linear(state, "gene_input_proj", "embed"),
        **_linear(state, "input_norm", "embed_norm"),
        **_layer(state, "transformer_encoder.layers.0", "layer"),
        **_linear(state, "latent_head", "head"),
        **_linear(state, "latent_norm", "mean_norm"),
        "centre": torch.zeros(columns),
        "scale": torch.ones(columns),
    }
    for number in (0, 1, 3, 4, 6):
        ours.update(_linear(state, f"decoder.{number}", f"decoder.{number}"))
    return ReleasedVAE(config, columns, _as_float(ours))


def read_velocity(state: State, unwritten: Unwritten) -> ReleasedVelocity:
    """Read the velocity field with its context.

    Two forms are known: with experts, and the paper's control without them, in which one attention layer looks across patches.

    Parameters
    ----------
    state : mapping
        Tensors under the names of the released network, those of the gene VAE left out.
    unwritten : Unwritten
        What the tensors do not say.

    Raises
    ------
    BundleError
        If tensors are missing, left over, of other shapes, or not finite; the message names them.
    ConfigError
        If heads do not divide their width, or there are fewer experts than each patch should use.
    """
    if "velocity_input_norm.weight" in state and not any(name.startswith("spatial_") for name in state):
        raise BundleError(
            "it has no tensors spatial_*: it is of the variant in which no patch sees another, which this program does not have."
        )
    layout.check_layers(state)
    experts = len({match[1] for name in state if (match := re.match(rf"{layout.EXPERTS}\.(\d+)\.", name))})
    mixer = not experts and any(name.startswith(f"{layout.MIXER}.") for name in state)
    experts = max(experts, 1)
    layout.check_names(state, layout.velocity_shapes(0, 0, 0, 0, 0, 0, experts, mixer))
    features, codes = layout.rows_columns(state, "onco_embedder.weight")
    head = "velocity_predictor" if mixer else f"{layout.EXPERTS}.0"
    inner = layout.MIXER if mixer else f"{layout.EXPERTS}.0.transformer.layers.0"
    latent, width = layout.rows_columns(state, f"{head}.output_proj.weight")
    feedforward, _ = layout.rows_columns(state, f"{inner}.linear1.weight")
    context_feedforward, _ = layout.rows_columns(state, "spatial_transformer.layers.0.linear1.weight")
    layout.check_tensors(
        state, layout.velocity_shapes(latent, features, codes, context_feedforward, width, feedforward, experts, mixer)
    )
    layout.check_table(state, "spatial_pos_encoder.pe")
    layout.check_heads("--context-heads", unwritten.context_heads, features, "the context")
    layout.check_heads("--cancer-heads", unwritten.cancer_heads, features, "the attention to the cancer code")
    layout.check_heads("--expert-heads", unwritten.expert_heads, width, "the velocity field" if mixer else "an expert")
    if not mixer and not 1 <= unwritten.active <= experts:
        raise ConfigError(f"--top-k {unwritten.active} cannot be: the checkpoint has {experts} experts.")
    try:
        config = FlowConfig(
            velocity="attention" if mixer else "moe",
            experts=experts,
            active=1 if mixer else unwritten.active,
            expert_width=width,
            expert_heads=unwritten.expert_heads,
            expert_feedforward=feedforward,
            context_heads=unwritten.context_heads,
            context_feedforward=context_feedforward,
            dropout=0.1,
            position="row-order",
            guidance_dropout="slide-features",
            guidance_dropout_rate=0.1,
            code_dropout_rate=0.0,
            gate_noise=0.01,
            balance="switch",
            per_patch_time=False,
            source="matched",
            zero_time_share=0.0,
            path_noise=0.001,
            vae_dropout=True,
        )
    except ValidationError as error:
        raise BundleError(f"its widths cannot be used: {layout.first_mistake(error)}.") from error
    ours = {
        "context.null": state["unconditional_embedding"].flatten(),
        "context.code.weight": _code_table(state),
        **_layer(state, "spatial_transformer.layers.0", "context.layer"),
        **_linear(state, "conditioner.norm", "context.norm"),
        **_linear(state, "velocity_input_norm", "norm"),
    }
    if mixer:
        ours |= {**_ends(state, "velocity_predictor", "head"), **_layer(state, layout.MIXER, "head.layer")}
    else:
        ours |= _linear(state, "velocity_predictor.gating.linear", "gate.linear")
        for number in range(experts):
            ours |= _expert(state, f"{layout.EXPERTS}.{number}", f"head.experts.{number}")
    return ReleasedVelocity(config, latent, features, codes, _as_float(ours))


def _code_table(state: State) -> Tensor:
    """What the cross-attention adds for each cancer code, (K, D).

    There is one key, so every patch attends to it alone: the result is W_o (W_v e + b_v) + b_o for the embedding e of the code.
    """
    embedded = (state["onco_embedder.weight"].double().T + state["onco_embedder.bias"].double())[:, :, None]
    weight, bias = _folded(state, "conditioner.attention")
    return (weight @ embedded)[:, :, 0] + bias


def _folded(state: State, attention: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of the linear map that attention to a single key is, in float64: two float32 products would round twice."""
    weight, bias = state[f"{attention}.in_proj_weight"].double(), state[f"{attention}.in_proj_bias"].double()
    out, out_bias = state[f"{attention}.out_proj.weight"].double(), state[f"{attention}.out_proj.bias"].double()
    width = out.shape[0]
    return out @ weight[2 * width :], out @ bias[2 * width :] + out_bias


def _expert(state: State, there: str, here: str) -> dict[str, Tensor]:
    layer = f"{there}.transformer.layers.0"
    weight, bias = _folded(state, f"{layer}.self_attn")
    return {
        **_ends(state, there, here),
        f"{here}.layer.mix.weight": weight,
        f"{here}.layer.mix.bias": bias,
        **_rest_of_layer(state, layer, f"{here}.layer"),
    }


def _ends(state: State, there: str, here: str) -> dict[str, Tensor]:
    return {
        **_linear(state, f"{there}.input_proj", f"{here}.embed"),
        **_linear(state, f"{there}.input_norm", f"{here}.embed_norm"),
        **_linear(state, f"{there}.output_proj", f"{here}.out"),
    }


def _layer(state: State, there: str, here: str) -> dict[str, Tensor]:
    return {
        f"{here}.attention.query_key_value.weight": state[f"{there}.self_attn.in_proj_weight"],
        f"{here}.attention.query_key_value.bias": state[f"{there}.self_attn.in_proj_bias"],
        **_linear(state, f"{there}.self_attn.out_proj", f"{here}.attention.out"),
        **_rest_of_layer(state, there, here),
    }


def _rest_of_layer(state: State, there: str, here: str) -> dict[str, Tensor]:
    return {
        **_linear(state, f"{there}.linear1", f"{here}.feedforward.0"),
        **_linear(state, f"{there}.linear2", f"{here}.feedforward.3"),
        **_linear(state, f"{there}.norm1", f"{here}.norm1"),
        **_linear(state, f"{there}.norm2", f"{here}.norm2"),
    }


def _linear(state: State, there: str, here: str) -> dict[str, Tensor]:
    return {f"{here}.{part}": state[f"{there}.{part}"] for part in ("weight", "bias")}


def _as_float(state: State) -> dict[str, Tensor]:
    return {name: value.detach().to(torch.float32).contiguous() for name, value in state.items()}

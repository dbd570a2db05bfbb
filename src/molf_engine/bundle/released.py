"""A checkpoint of the released network in the terms of ours: its settings, and its tensors under our modules' names.

Widths and counts are read from the tensors; what no tensor says is :class:`Unwritten`.  Three parts of the network are stored in
simpler forms that compute the same: attention to the one token of the cancer code (a vector for each code), attention over a
sequence of length one (a linear map), and the tables of positions (a formula).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from torch import Tensor

from molf_engine.bundle.networks import build_vae, build_velocity
from molf_engine.config import FlowConfig, VAEConfig
from molf_engine.errors import BundleError, ConfigError
from molf_engine.nn.position import row_sinusoids
from molf_engine.nn.vae import GeneVAE

if TYPE_CHECKING:
    from molf_engine.nn.velocity import VelocityField

State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

VAE_PREFIX = "gene_autoencoder."
_EXPERTS = "velocity_predictor.experts"
_MIXER = "velocity_predictor.attn_layer"
_ANY = -1
_NAMED = 6
_TABLE_ROWS = 128


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
    _check_layers(state)
    _check_names(state, _vae_shapes(0, 0, 0, 0))
    width, columns = _rows_columns(state, "gene_input_proj.weight")
    (latent,) = _lengths(state, "latent_norm.weight")
    feedforward, _ = _rows_columns(state, "transformer_encoder.layers.0.linear1.weight")
    _check_tensors(state, _vae_shapes(columns, latent, width, feedforward))
    _check_table(state, "pos_encoder.pe")
    _check_heads("--vae-heads", unwritten.vae_heads, width, "the gene VAE")
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
        raise BundleError(f"its widths cannot be used: {_first(error)}.") from error
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
    _check_layers(state)
    experts = len({match[1] for name in state if (match := re.match(rf"{_EXPERTS}\.(\d+)\.", name))})
    mixer = not experts and any(name.startswith(f"{_MIXER}.") for name in state)
    experts = max(experts, 1)
    _check_names(state, _velocity_shapes(0, 0, 0, 0, 0, 0, experts, mixer))
    features, codes = _rows_columns(state, "onco_embedder.weight")
    head = "velocity_predictor" if mixer else f"{_EXPERTS}.0"
    inner = _MIXER if mixer else f"{_EXPERTS}.0.transformer.layers.0"
    latent, width = _rows_columns(state, f"{head}.output_proj.weight")
    feedforward, _ = _rows_columns(state, f"{inner}.linear1.weight")
    context_feedforward, _ = _rows_columns(state, "spatial_transformer.layers.0.linear1.weight")
    _check_tensors(
        state, _velocity_shapes(latent, features, codes, context_feedforward, width, feedforward, experts, mixer)
    )
    _check_table(state, "spatial_pos_encoder.pe")
    _check_heads("--context-heads", unwritten.context_heads, features, "the context")
    _check_heads("--cancer-heads", unwritten.cancer_heads, features, "the attention to the cancer code")
    _check_heads("--expert-heads", unwritten.expert_heads, width, "the velocity field" if mixer else "an expert")
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
        raise BundleError(f"its widths cannot be used: {_first(error)}.") from error
    ours = {
        "context.null": state["unconditional_embedding"].flatten(),
        "context.code.weight": _code_table(state),
        **_layer(state, "spatial_transformer.layers.0", "context.layer"),
        **_linear(state, "conditioner.norm", "context.norm"),
        **_linear(state, "velocity_input_norm", "norm"),
    }
    if mixer:
        ours |= {**_ends(state, "velocity_predictor", "head"), **_layer(state, _MIXER, "head.layer")}
    else:
        ours |= _linear(state, "velocity_predictor.gating.linear", "gate.linear")
        for number in range(experts):
            ours |= _expert(state, f"{_EXPERTS}.{number}", f"head.experts.{number}")
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


def _vae_shapes(columns: int, latent: int, width: int, feedforward: int) -> Shapes:
    return {
        **_linear_shapes("gene_input_proj", columns, width),
        **_norm_shapes("input_norm", width),
        "pos_encoder.pe": (_ANY, 1, width),
        **_layer_shapes("transformer_encoder.layers.0", width, feedforward),
        **_linear_shapes("latent_head", width, 2 * latent),
        **_norm_shapes("latent_norm", latent),
        **_linear_shapes("decoder.0", latent, width),
        **_norm_shapes("decoder.1", width),
        **_linear_shapes("decoder.3", width, 2 * width),
        **_norm_shapes("decoder.4", 2 * width),
        **_linear_shapes("decoder.6", 2 * width, columns),
    }


def _velocity_shapes(
    latent: int,
    features: int,
    codes: int,
    context_feedforward: int,
    width: int,
    feedforward: int,
    experts: int,
    mixer: bool,
) -> Shapes:
    joined = latent + 1 + features
    shapes: Shapes = {
        "unconditional_embedding": (1, 1, features),
        "spatial_pos_encoder.pe": (_ANY, 1, features),
        **_layer_shapes("spatial_transformer.layers.0", features, context_feedforward),
        **_linear_shapes("onco_embedder", codes, features),
        **_attention_shapes("conditioner.attention", features),
        **_norm_shapes("conditioner.norm", features),
        **_norm_shapes("velocity_input_norm", joined),
    }
    if mixer:
        places = [("velocity_predictor", _MIXER)]
    else:
        shapes |= _linear_shapes("velocity_predictor.gating.linear", joined, experts)
        places = [(f"{_EXPERTS}.{n}", f"{_EXPERTS}.{n}.transformer.layers.0") for n in range(experts)]
    for head, layer in places:
        shapes |= {
            **_linear_shapes(f"{head}.input_proj", joined, width),
            **_norm_shapes(f"{head}.input_norm", width),
            **_layer_shapes(layer, width, feedforward),
            **_linear_shapes(f"{head}.output_proj", width, latent),
        }
    return shapes


def _layer_shapes(name: str, width: int, feedforward: int) -> Shapes:
    return {
        **_attention_shapes(f"{name}.self_attn", width),
        **_linear_shapes(f"{name}.linear1", width, feedforward),
        **_linear_shapes(f"{name}.linear2", feedforward, width),
        **_norm_shapes(f"{name}.norm1", width),
        **_norm_shapes(f"{name}.norm2", width),
    }


def _attention_shapes(name: str, width: int) -> Shapes:
    return {
        f"{name}.in_proj_weight": (3 * width, width),
        f"{name}.in_proj_bias": (3 * width,),
        **_linear_shapes(f"{name}.out_proj", width, width),
    }


def _linear_shapes(name: str, width_in: int, width_out: int) -> Shapes:
    return {f"{name}.weight": (width_out, width_in), f"{name}.bias": (width_out,)}


def _norm_shapes(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _check_layers(state: State) -> None:
    for name in state:
        if (match := re.match(r"(.+)\.layers\.(\d+)\.", name)) and int(match[2]) > 0:
            count = 1 + max(
                int(found[1]) for key in state if (found := re.match(rf"{re.escape(match[1])}\.layers\.(\d+)\.", key))
            )
            raise BundleError(f"{match[1]} has {count} layers; the network that this program runs has one there.")


def _check_names(state: State, expected: Shapes) -> None:
    missing, extra = [name for name in expected if name not in state], [name for name in state if name not in expected]
    if missing or extra:
        found = [f"missing: {_some(missing)}"] if missing else []
        found += [f"not known: {_some(extra)}"] if extra else []
        raise BundleError(f"its tensors are not those of the released network; {'; '.join(found)}.")


def _check_tensors(state: State, expected: Shapes) -> None:
    for name, shape in expected.items():
        value = state[name]
        if len(value.shape) != len(shape) or any(
            want not in (_ANY, size) for want, size in zip(shape, value.shape, strict=True)
        ):
            wanted = " x ".join("any" if size == _ANY else str(size) for size in shape)
            raise BundleError(
                f"{name} has the shape {_times(value)}, which does not fit the others: {wanted} was expected."
            )
        if not value.is_floating_point() or value.layout != torch.strided or value.device.type != "cpu":
            raise BundleError(f"{name} is a {value.dtype} tensor, not a plain array of floating-point numbers.")
        if not value.float().isfinite().all():
            raise BundleError(f"{name} holds values that are not finite. Get the checkpoint again.")


def _check_table(state: State, name: str) -> None:
    """A table of positions is not kept; it must be the one that our formula gives."""
    table = state[name][:_TABLE_ROWS, 0].float()
    ours = row_sinusoids(torch.arange(len(table)), table.shape[1])
    if not torch.allclose(table, ours, rtol=0, atol=1e-4):
        raise BundleError(f"{name} is another table of positions than the released network's: it cannot be run here.")


def _check_heads(option: str, heads: int, width: int, where: str) -> None:
    if heads < 1 or width % heads:
        raise ConfigError(f"{option} {heads} cannot be: {where} is {width} wide, which {heads} heads do not divide.")


def _rows_columns(state: State, name: str) -> tuple[int, int]:
    rows, columns = _sizes(state, name, 2)
    return rows, columns


def _lengths(state: State, name: str) -> tuple[int, ...]:
    return _sizes(state, name, 1)


def _sizes(state: State, name: str, axes: int) -> tuple[int, ...]:
    shape = tuple(state[name].shape)
    if len(shape) != axes or 0 in shape:
        raise BundleError(f"{name} has the shape {_times(state[name])}, where {axes} axes were expected.")
    return shape


def _times(value: Tensor) -> str:
    return " x ".join(map(str, value.shape)) or "of a single number"


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _first(error: ValidationError) -> str:
    item = error.errors()[0]
    return f"{'.'.join(map(str, item['loc']))} is {item['input']!r} ({item['msg']})"

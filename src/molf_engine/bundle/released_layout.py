"""Which tensors a checkpoint of the released network consists of, and the checks that a file is one."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from pydantic import ValidationError
from torch import Tensor

from molf_engine.errors import BundleError, ConfigError
from molf_engine.nn.position import row_sinusoids

State = Mapping[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

EXPERTS = "velocity_predictor.experts"
MIXER = "velocity_predictor.attn_layer"
_ANY = -1
_NAMED = 6
_TABLE_ROWS = 128


def vae_shapes(columns: int, latent: int, width: int, feedforward: int) -> Shapes:
    """Tensors of the gene VAE with G = ``columns`` and L = ``latent``."""
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


def velocity_shapes(
    latent: int,
    features: int,
    codes: int,
    context_feedforward: int,
    width: int,
    feedforward: int,
    experts: int,
    mixer: bool,
) -> Shapes:
    """Tensors of the velocity field; ``mixer``: the form without experts, in which one layer looks across patches."""
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
        places = [("velocity_predictor", MIXER)]
    else:
        shapes |= _linear_shapes("velocity_predictor.gating.linear", joined, experts)
        places = [(f"{EXPERTS}.{n}", f"{EXPERTS}.{n}.transformer.layers.0") for n in range(experts)]
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


def check_layers(state: State) -> None:
    """Raise :class:`BundleError` if a stack has more layers than the one that ours has."""
    for name in state:
        if (match := re.match(r"(.+)\.layers\.(\d+)\.", name)) and int(match[2]) > 0:
            count = 1 + max(
                int(found[1]) for key in state if (found := re.match(rf"{re.escape(match[1])}\.layers\.(\d+)\.", key))
            )
            raise BundleError(f"{match[1]} has {count} layers; the network that this program runs has one there.")


def check_names(state: State, expected: Shapes) -> None:
    """Raise :class:`BundleError`, naming them, if tensors are missing or left over."""
    missing, extra = [name for name in expected if name not in state], [name for name in state if name not in expected]
    if missing or extra:
        found = [f"missing: {_some(missing)}"] if missing else []
        found += [f"not known: {_some(extra)}"] if extra else []
        raise BundleError(f"its tensors are not those of the released network; {'; '.join(found)}.")


def check_tensors(state: State, expected: Shapes) -> None:
    """Raise :class:`BundleError` if a tensor has another shape, is no plain array of floating-point numbers, or is not finite."""
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


def check_table(state: State, name: str) -> None:
    """A table of positions is not kept; it must be the one that our formula gives."""
    table = state[name][:_TABLE_ROWS, 0].float()
    ours = row_sinusoids(torch.arange(len(table)), table.shape[1])
    if not torch.allclose(table, ours, rtol=0, atol=1e-4):
        raise BundleError(f"{name} is another table of positions than the released network's: it cannot be run here.")


def check_heads(option: str, heads: int, width: int, where: str) -> None:
    """Raise :class:`ConfigError` if the heads do not divide the width."""
    if heads < 1 or width % heads:
        raise ConfigError(f"{option} {heads} cannot be: {where} is {width} wide, which {heads} heads do not divide.")


def rows_columns(state: State, name: str) -> tuple[int, int]:
    """Shape of a matrix.  Raises :class:`BundleError` if it is none."""
    rows, columns = _sizes(state, name, 2)
    return rows, columns


def lengths(state: State, name: str) -> tuple[int, ...]:
    """Shape of a vector.  Raises :class:`BundleError` if it is none."""
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


def first_mistake(error: ValidationError) -> str:
    """The first mistake of a validation, in words."""
    item = error.errors()[0]
    return f"{'.'.join(map(str, item['loc']))} is {item['input']!r} ({item['msg']})"

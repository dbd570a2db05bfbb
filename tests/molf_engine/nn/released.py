"""A released checkpoint's tensors under the names of our modules, exact simplifications applied (`reference/README.md`)."""

from __future__ import annotations

import torch
from torch import Tensor

State = dict[str, Tensor]


def vae_state(released: State) -> State:
    """State of :class:`molf_engine.nn.vae.GeneVAE`."""
    own = {
        key.removeprefix("gene_autoencoder."): value for key, value in released.items() if "gene_autoencoder." in key
    }
    state = {
        **_linear(own, "gene_input_proj", "embed"),
        **_linear(own, "input_norm", "embed_norm"),
        **_layer(own, "transformer_encoder.layers.0", "layer"),
        **_linear(own, "latent_head", "head"),
        **_linear(own, "latent_norm", "mean_norm"),
    }
    for number in (0, 1, 3, 4, 6):
        state.update(_linear(own, f"decoder.{number}", f"decoder.{number}"))
    columns = own["decoder.6.bias"].shape[0]
    return {**state, "centre": torch.zeros(columns), "scale": torch.ones(columns)}


def velocity_state(released: State, experts: int) -> State:
    """State of :class:`molf_engine.nn.velocity.VelocityField`."""
    width = released["conditioner.attention.out_proj.weight"].shape[0]
    # One key and value: the attention is W_o (W_v e + b_v) + b_o for the embedding e of each code.
    embedded = released["onco_embedder.weight"].T + released["onco_embedder.bias"]
    value_weight = released["conditioner.attention.in_proj_weight"][2 * width :]
    value_bias = released["conditioner.attention.in_proj_bias"][2 * width :]
    values = embedded @ value_weight.T + value_bias
    codes = (
        values @ released["conditioner.attention.out_proj.weight"].T + released["conditioner.attention.out_proj.bias"]
    )
    state = {
        "context.null": released["unconditional_embedding"].flatten(),
        "context.code.weight": codes,
        **_layer(released, "spatial_transformer.layers.0", "context.layer"),
        **_linear(released, "conditioner.norm", "context.norm"),
        **_linear(released, "velocity_input_norm", "norm"),
        **_linear(released, "velocity_predictor.gating.linear", "gate.linear"),
    }
    for number in range(experts):
        there, here = f"velocity_predictor.experts.{number}", f"head.experts.{number}"
        attention = f"{there}.transformer.layers.0.self_attn"
        size = released[f"{attention}.out_proj.weight"].shape[0]
        out = released[f"{attention}.out_proj.weight"]
        state.update(_linear(released, f"{there}.input_proj", f"{here}.embed"))
        state.update(_linear(released, f"{there}.input_norm", f"{here}.embed_norm"))
        state.update(_linear(released, f"{there}.output_proj", f"{here}.out"))
        state[f"{here}.layer.mix.weight"] = out @ released[f"{attention}.in_proj_weight"][2 * size :]
        state[f"{here}.layer.mix.bias"] = (
            out @ released[f"{attention}.in_proj_bias"][2 * size :] + released[f"{attention}.out_proj.bias"]
        )
        state.update(_rest_of_layer(released, f"{there}.transformer.layers.0", f"{here}.layer"))
    return state


def _layer(state: State, there: str, here: str) -> State:
    return {
        f"{here}.attention.query_key_value.weight": state[f"{there}.self_attn.in_proj_weight"],
        f"{here}.attention.query_key_value.bias": state[f"{there}.self_attn.in_proj_bias"],
        **_linear(state, f"{there}.self_attn.out_proj", f"{here}.attention.out"),
        **_rest_of_layer(state, there, here),
    }


def _rest_of_layer(state: State, there: str, here: str) -> State:
    return {
        **_linear(state, f"{there}.linear1", f"{here}.feedforward.0"),
        **_linear(state, f"{there}.linear2", f"{here}.feedforward.3"),
        **_linear(state, f"{there}.norm1", f"{here}.norm1"),
        **_linear(state, f"{there}.norm2", f"{here}.norm2"),
    }


def _linear(state: State, there: str, here: str) -> State:
    return {f"{here}.{part}": state[f"{there}.{part}"] for part in ("weight", "bias")}

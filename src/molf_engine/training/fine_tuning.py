"""Going on from a trained bundle with a user's own sections."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.config import RunConfig
from molf_engine.errors import ConfigError
from molf_engine.nn.linear_vae import LinearVAE
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField

SHAPE = {
    "vae": ("kind", "latent", "width", "heads", "feedforward", "standardise"),
    "flow": (
        "velocity",
        "experts",
        "active",
        "expert_width",
        "expert_heads",
        "expert_feedforward",
        "context_heads",
        "context_feedforward",
        "position",
        "guidance_dropout",
        "guidance_drops_code",
    ),
    "patch": ("size_um",),
    "data": ("units",),
}
"""Settings that the weights were made for, by table; all others may change."""


def adopt(config: RunConfig, start: Bundle) -> RunConfig:
    """Settings of a run with everything that belongs to the weights of ``start`` taken from it.

    Raises
    ------
    ConfigError
        If a setting was given that the weights do not allow; the message names it.
    """
    trained: dict[str, Any] = {
        "vae": start.config.vae.model_dump(),
        "flow": start.config.flow.model_dump(),
        "patch": start.config.patch.model_dump(),
        "data": {"units": start.config.units},
    }
    changes = {}
    for table, names in SHAPE.items():
        given: BaseModel = getattr(config, table)
        wrong = [
            f"{table}.{name} is {trained[table][name]!r} there, {getattr(given, name)!r} here"
            for name in names
            if name in given.model_fields_set and getattr(given, name) != trained[table][name]
        ]
        if wrong:
            raise ConfigError(
                f"The weights of {start.name} were made with other settings: {'; '.join(wrong)}. Leave these out, and they are taken "
                "from the bundle."
            )
        changes[table] = given.model_copy(update={name: trained[table][name] for name in names})
    return config.model_copy(update=changes)


def joint_codes(start: Bundle, codes: tuple[str, ...]) -> tuple[str, ...]:
    """Codes of ``start`` in their order, then those that only the new sections have."""
    return (*start.config.codes, *(code for code in codes if code not in start.config.codes))


def take_vae(vae: GeneVAE | LinearVAE, start: Bundle) -> None:
    """Put the VAE of ``start`` into ``vae``."""
    vae.load_state_dict(start.vae().state_dict())


def take_velocity(field: VelocityField, start: Bundle) -> None:
    """Put the velocity field of ``start`` into ``field``; a cancer code that is new begins as `Unknown`."""
    state = start.velocity().state_dict()
    table = state["context.code.weight"]
    unknown = table[start.config.codes.index(UNKNOWN_CODE)]
    new = field.context.code.num_embeddings - len(table)
    state["context.code.weight"] = table.new_empty((len(table) + new, table.shape[1]))
    state["context.code.weight"][: len(table)] = table
    state["context.code.weight"][len(table) :] = unknown
    field.load_state_dict(state)

"""Changes to MoLF that the paper ablates, each as settings of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from molf_engine.config import RunConfig

MOLF = "molf"
SINGLE_TISSUE = "single-tissue"


@dataclass(frozen=True)
class Change:
    """One change: what it is called in tables, and the settings it replaces, by table."""

    label: str
    settings: dict[str, dict[str, Any]]


CHANGES: dict[str, Change] = {
    "attention": Change("velocity=attention", {"flow": {"velocity": "attention"}}),
    "dense": Change("velocity=dense", {"flow": {"velocity": "dense"}}),
    "no-position": Change("position=none", {"flow": {"position": "none"}}),
    "grid-2d": Change("position=grid-2d", {"flow": {"position": "grid-2d"}}),
    "row-order": Change("position=row-order", {"flow": {"position": "row-order"}}),
    "hallmark": Change("panel=hallmark", {"data": {"panel": "hallmark"}}),
}


def changed(config: RunConfig, variant: str) -> RunConfig | None:
    """Settings of a variant; none where the model is already like that."""
    updates = {
        table: getattr(config, table).model_copy(update=values) for table, values in CHANGES[variant].settings.items()
    }
    result = config.model_copy(update=updates)
    return None if result == config else result


def label(variant: str) -> str:
    """Name of a variant in tables."""
    return SINGLE_TISSUE if variant == SINGLE_TISSUE else CHANGES[variant].label

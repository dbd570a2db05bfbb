"""What the experts are called, and their colours, which every export shares with the screen."""

from __future__ import annotations

from molf_engine.export.palette import EXPERT_COLOURS, MAX_EXPERTS

__all__ = ["EXPERT_COLOURS", "MAX_EXPERTS", "expert_name"]


def expert_name(expert: int, names: dict[int, str] | None = None) -> str:
    """``E1`` for expert 0, or the name that a user gave it."""
    return (names or {}).get(expert, f"E{expert + 1}")

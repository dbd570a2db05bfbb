"""What the experts are called, and their colours, which every export shares with the screen."""

from __future__ import annotations

from molf_engine.export.palette import EXPERT_COLOURS, MAX_EXPERTS

__all__ = ["DIVERGING", "EXPERT_COLOURS", "MAX_EXPERTS", "ink_on"]

# Blue and orange differ for every kind of colour vision, and neither is a colour of H&E.  Both ends are dark and the middle light,
# so that the tissue shows where nothing differs.
DIVERGING: tuple[str, ...] = (
    "#053061",
    "#2166ac",
    "#6baed6",
    "#e9e9e4",
    "#f4a63a",
    "#c05a00",
    "#5e2a04",
)
UNLIKE_COLOURS: tuple[str, ...] = ("#0072b2", "#7fb8d8", "#f7f7f7", "#e9a070", "#b34700")
"""From like the training slides to unlike them; the limit is the pale middle, and both ends are dark."""


def ink_on(colour: str) -> str:
    """Black or white, whichever is read better on a colour ``#rrggbb`` (relative luminance, WCAG 2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if luminance > 0.179 else "#ffffff"

"""Colours of the experts: told apart by colour-blind eyes, and on pink tissue."""

from __future__ import annotations

MAX_EXPERTS = 20
"""More than these cannot be told apart on one map; the weight of a single expert still can be shown."""

# Neighbours in the list differ in lightness as well as in hue; the first eight are the palette of Okabe and Ito, with its black
# made a dark grey and its order changed to keep the reds away from the first places.
EXPERT_COLOURS: tuple[str, ...] = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#f0e442",
    "#56b4e9",
    "#d55e00",
    "#444444",
    "#cc79a7",
    "#332288",
    "#b3de69",
    "#117733",
    "#ddccff",
    "#882255",
    "#44dddd",
    "#806000",
    "#ffffff",
    "#6633ff",
    "#99ffbb",
    "#004d4d",
    "#bbbbbb",
)


def expert_colour(expert: int) -> str:
    """Colour ``#rrggbb`` of an expert counted from 0; from :data:`MAX_EXPERTS` on, they begin again."""
    return EXPERT_COLOURS[expert % MAX_EXPERTS]

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

UNLIKE_COLOURS: tuple[str, ...] = ("#0072b2", "#7fb8d8", "#f7f7f7", "#e9a070", "#b34700")
"""From like the training slides to unlike them; the limit is the pale middle, and both ends are dark."""


def expert_name(expert: int, names: dict[int, str] | None = None) -> str:
    """``E1`` for expert 0, or the name that a user gave it."""
    return (names or {}).get(expert, f"E{expert + 1}")

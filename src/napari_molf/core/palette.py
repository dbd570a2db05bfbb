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

"""Colours of experts, the same as in the viewer, and of cancer types, which no expert has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from molf_engine.data.sections import UNKNOWN

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXPERTS = (
    "#0072b2", "#e69f00", "#009e73", "#f0e442", "#56b4e9", "#d55e00", "#444444", "#cc79a7",
    "#332288", "#b3de69", "#117733", "#ddccff", "#882255", "#44dddd", "#806000",
)  # fmt: skip
"""After Okabe and Ito."""
TYPES = (
    "#332288", "#cc6677", "#44aa99", "#ddcc77", "#88ccee", "#882255", "#117733", "#aa4499", "#999933",
    "#6699cc", "#661100", "#aa4466", "#4477aa", "#228833", "#ee8866", "#bbcc33", "#aaaa00", "#77aadd",
)  # fmt: skip
"""After Paul Tol's muted scheme."""
NO_TYPE = "#b8b8b8"
EDGE = "#00000055"
"""Around points: the light colours would be lost on white."""
SOFT = "#8a8a8a"


def expert_colours(count: int) -> list[str]:
    """One per expert; they repeat beyond fifteen."""
    return [EXPERTS[number % len(EXPERTS)] for number in range(count)]


def type_colours(types: Sequence[str]) -> dict[str, str]:
    """One per cancer type, grey where it is unknown; they repeat beyond eighteen."""
    known = [name for name in dict.fromkeys(types) if name != UNKNOWN]
    colours = {name: TYPES[number % len(TYPES)] for number, name in enumerate(known)}
    return {**colours, UNKNOWN: NO_TYPE} if UNKNOWN in types else colours


def legend(axes: Axes, colours: dict[str, str], title: str = "", columns: int = 1) -> None:
    """Names with their colours, to the right of the axes."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=6, markerfacecolor=colour, markeredgecolor=EDGE, label=name)
        for name, colour in colours.items()
    ]
    axes.legend(
        handles=handles, title=title, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=8,
        title_fontsize=8, alignment="left", borderaxespad=0, handletextpad=0.3, ncols=columns,
    )  # fmt: skip

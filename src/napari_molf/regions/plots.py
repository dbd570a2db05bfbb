"""Pictures of a comparison, drawn in memory: any thread may make them, and the window only puts them on the screen.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from napari_molf.regions.comparing import Compared

SIGNIFICANT = 0.05
LABELLED = 6
"""Points with a name, on each side."""
_LEAST_Q = 1e-12
# Of groups A and B: blue and orange of Okabe and Ito, darker on a light ground.
_ON_DARK, _ON_LIGHT = ("#e69f00", "#56b4e9"), ("#b35900", "#0072b2")


@dataclass(frozen=True)
class Look:
    """Size and colours of a picture.

    Attributes
    ----------
    width, height
        Screen pixels.
    ratio
        Device pixels in a screen pixel.
    ground, text
        The theme's colours, ``#rrggbb``.
    """

    width: int
    height: int
    ratio: float
    ground: str
    text: str

    @property
    def dark(self) -> bool:
        """Whether the ground is dark."""
        return sum(int(self.ground[i : i + 2], 16) for i in (1, 3, 5)) < 3 * 128

    @property
    def colours(self) -> tuple[str, str]:
        """Of group A and of group B."""
        return _ON_DARK if self.dark else _ON_LIGHT


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn picture and where its points are.

    Attributes
    ----------
    pixels
        (height, width, 4) uint8 RGBA, device pixels.
    ratio
        Device pixels in a screen pixel.
    names
        (N,) scores of the points.
    points
        (N, 2) x, y from the top left, screen pixels.
    notes
        (N,) lines that tell more about each.
    """

    pixels: np.ndarray
    ratio: float
    names: tuple[str, ...] = ()
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    notes: tuple[str, ...] = ()


def volcano(compared: Compared, kind: str, look: Look, *, plain: bool = False) -> Picture:
    """Effect size against -log10 q; upward triangles are higher in A, downward ones in B, rings deserve distrust.

    Parameters
    ----------
    compared
        What is shown.
    kind
        ``gene`` or ``hallmark``.
    look
        Size and colours.
    plain
        Show the q of the plain test also where there is a spatial one.
    """
    comparison, doubts = compared.of(kind), np.array([bool(doubt) for doubt in compared.doubts_of(kind)])
    spatial = not plain and comparison.placement.reason is None
    q = comparison.spatial_q if spatial else comparison.q
    known = np.flatnonzero(np.isfinite(q) & np.isfinite(comparison.effect))
    x, y = comparison.effect[known], -np.log10(np.maximum(q[known], _LEAST_Q))
    doubted, significant = doubts[known], q[known] < SIGNIFICANT
    figure, axes = _figure(look)
    size = 26 if kind == "hallmark" else 16
    grey = "#8a8a8a"
    colour_a, colour_b = look.colours
    for chosen, colour, marker in (
        (~significant, grey, "o"),
        (significant & (x > 0), colour_a, "^"),
        (significant & (x <= 0), colour_b, "v"),
    ):
        axes.scatter(
            x[chosen & ~doubted], y[chosen & ~doubted], s=size, c=colour, marker=marker, linewidths=0, alpha=0.9
        )
        ring: dict[str, Any] = {"facecolors": "none", "edgecolors": colour, "linewidths": 0.8, "alpha": 0.6}
        axes.scatter(x[chosen & doubted], y[chosen & doubted], s=size, marker=marker, **ring)
    axes.axvline(0, color=look.text, linewidth=0.6, alpha=0.5)
    level = -np.log10(SIGNIFICANT)
    axes.axhline(level, color=look.text, linewidth=0.8, linestyle=(0, (4, 3)), alpha=0.7)
    axes.set_ylim(-0.03 * max(y.max(initial=0), level), max(y.max(initial=0), level) * 1.16)
    width = 1.08 * max(0.2, float(np.abs(x).max(initial=0)))
    axes.set_xlim(-width, width)
    axes.annotate(
        "q 0.05", (1, level), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=look.text, fontsize=7
    )
    axes.set_xlabel("effect size   ◂ higher in B   ·   higher in A ▸")
    axes.set_ylabel("-log10 spatial q" if spatial else "-log10 plain q (neighbours ignored)")
    _label_strongest(axes, x, y, [comparison.names[i] for i in known], doubted, look)
    return _draw(
        figure, look, axes, [comparison.names[i] for i in known], np.column_stack([x, y]), _notes(compared, kind, known)
    )


def distributions(a: np.ndarray, b: np.ndarray, name: str, labels: tuple[str, str], look: Look) -> Picture:
    """Shares of the patches of A (full line) and of B (dashed) at or below each value of the score on show."""
    figure, axes = _figure(look)
    for values, label, colour, style, letter in zip(
        (a, b), labels, look.colours, ("-", (0, (5, 2))), "AB", strict=True
    ):
        ordered = np.sort(values[np.isfinite(values)])
        if not len(ordered):
            continue
        middle = float(np.median(ordered))
        axes.step(
            np.concatenate([ordered[:1], ordered]),
            np.concatenate([[0], np.arange(1, len(ordered) + 1) / len(ordered)]),
            where="post",
            color=colour,
            linestyle=style,
            linewidth=2,
            label=f"{letter}  {_shortened(label, look.width // 7 - 32)}: {len(ordered):,} patches, median {middle:.3g}",
        )
        axes.plot([middle], [0.5], "o", color=colour, markersize=5)
    axes.set_ylim(0, 1)
    axes.set_xlabel(_shortened(name, 44))
    axes.set_ylabel("share of patches")
    # Beside no axes: a long name must not squeeze them.
    legend = figure.legend(loc="outside upper left", frameon=False, fontsize=8, handlelength=2.6)
    for text in legend.get_texts():
        text.set_color(look.text)
    return _draw(figure, look)


def _figure(look: Look) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    dpi = 96 * look.ratio
    figure = Figure((look.width / 96, look.height / 96), dpi=dpi, layout="constrained", facecolor=look.ground)
    axes = figure.add_subplot()
    axes.set_facecolor(look.ground)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(look.text)
    axes.tick_params(colors=look.text, labelsize=8)
    axes.xaxis.label.set(color=look.text, fontsize=9)
    axes.yaxis.label.set(color=look.text, fontsize=9)
    return figure, axes


def _draw(
    figure: Figure,
    look: Look,
    axes: Axes | None = None,
    names: list[str] | None = None,
    data: np.ndarray | None = None,
    notes: tuple[str, ...] = (),
) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba()).copy()
    if axes is None or data is None or names is None:
        return Picture(pixels, look.ratio)
    # Only after drawing does the layout stand.
    points = axes.transData.transform(data) if len(data) else np.zeros((0, 2))
    points = np.column_stack([points[:, 0], pixels.shape[0] - points[:, 1]]) / look.ratio
    return Picture(pixels, look.ratio, tuple(names), points, notes)


def _label_strongest(
    axes: Axes, x: np.ndarray, y: np.ndarray, names: list[str], doubted: np.ndarray, look: Look
) -> None:
    """Name the points that lie farthest out on each side, where there is room for the name."""
    scale_x, scale_y = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    # A character of the labels is about so many pixels; what they would cover of each other is left out.
    wide, high = 5.2 / look.width * 1.25 * scale_x, 13 / look.height * 1.25 * scale_y
    taken: list[tuple[float, float, float, float]] = []
    for side in (1, -1):
        mine = np.flatnonzero((np.sign(x) == side) & ~doubted)
        # What lies near the middle is not among the strongest, even if nothing lies farther out.
        mine = mine[np.abs(x[mine]) > 0.25 * scale_x / 2]
        score = np.abs(x[mine]) / scale_x + y[mine] / scale_y
        labelled = 0
        for i in mine[np.argsort(-score)][: 3 * LABELLED]:
            text = _shortened(names[i], 26)
            length = wide * len(text)
            left = x[i] - length if side > 0 else x[i]
            box = (left, left + length, y[i], y[i] + high)
            free = all(box[1] < t[0] or box[0] > t[1] or box[3] < t[2] or box[2] > t[3] for t in taken)
            if labelled < LABELLED and free:
                taken.append(box)
                labelled += 1
                axes.annotate(
                    text,
                    (x[i], y[i]),
                    xytext=(-4 * side, 3),
                    textcoords="offset points",
                    ha="right" if side > 0 else "left",
                    fontsize=7.5,
                    color=look.text,
                )


def _notes(compared: Compared, kind: str, known: np.ndarray) -> tuple[str, ...]:
    c, doubts = compared.of(kind), compared.doubts_of(kind)
    notes = []
    for i in known:
        spatial = f"spatial q {c.spatial_q[i]:.2g}" if np.isfinite(c.spatial_q[i]) else "no spatial q"
        note = f"effect {c.effect[i]:+.2f} · predicted difference {c.difference[i]:+.3g} · {spatial} · plain q {c.q[i]:.1e}"
        notes.append(f"{note}\n{doubts[i]}" if doubts[i] else note)
    return tuple(notes)


def _shortened(text: str, length: int = 28) -> str:
    length = max(length, 6)
    return text if len(text) <= length else text[: length - 1] + "…"

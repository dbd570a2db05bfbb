"""Figure of a map: slide, score or experts over it, colour bar with its unit, scale bar, title and provenance in small print.

Drawn without a window, from a prediction and its slide, or the thumbnail that the prediction keeps.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.errors import MolfError
from molf_engine.evaluation.report import new_figure
from molf_engine.export import provenance
from molf_engine.export.backdrop import backdrop, clipped
from molf_engine.export.palette import expert_colour
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

    from molf_engine.export.backdrop import Backdrop
    from molf_engine.export.shown import Box, ScoreName, Shown
    from molf_engine.slides import Slide

SUFFIXES = (".png", ".svg")
DPI = 200
_INCHES = 6.4
# A slide is a photograph, which SVG holds as PNG: this many pixels a side keep it under a few MB.
_SVG_PX = 900
_PNG_PX = 1280
_GROUND = 0.0
_LIMIT_PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Look:
    """How a map is drawn.

    Attributes
    ----------
    limits
        Values of the lowest and highest colour; the 1st and 99th percentile of the map if not given.
    colours
        Name of a matplotlib colour map, or its colours from low to high, each (r, g, b, a) in 0..1.
    opacity
        0 to 1.
    box
        Part of the slide; what the patches cover, and a little more, if not given.
    """

    limits: tuple[float, float] | None = None
    colours: str | Sequence[Sequence[float]] = "viridis"
    opacity: float = 0.7
    box: Box | None = None


def write_figure(
    shown: Shown,
    path: Path,
    score: ScoreName | None,
    look: Look | None = None,
    *,
    slide: Slide | None = None,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write a map as `.png` or `.svg`.

    Parameters
    ----------
    shown : Shown
        The prediction.
    path : Path
        File to write.
    score : ScoreName, optional
        What to show; the top expert of each patch if not given.
    look : Look, optional
        How to draw it.
    slide : Slide, optional
        The open slide; without it, the thumbnail is drawn.
    overwrite : bool
        Replace an existing file.
    progress : callable
        Told what is done.

    Raises
    ------
    MolfError
        If the ending is another one, or it cannot be written there.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise MolfError(f"{path}: a figure is a file that ends in {' or '.join(SUFFIXES)}.")
    progress(Progress("Drawing", 0, 0))
    figure = draw(shown, score, look, slide=slide, max_px=_SVG_PX if kind == ".svg" else _PNG_PX)
    progress(Progress("Writing", 0, 0))
    with atomic_path(path, overwrite=overwrite) as file:
        save(figure, file, kind.removeprefix("."), provenance.line(shown))


def picture(shown: Shown, score: ScoreName | None, look: Look | None = None, *, slide: Slide | None = None) -> bytes:
    """The same as PNG in memory, for a clipboard; parameters as in :func:`write_figure`."""
    png = io.BytesIO()
    save(draw(shown, score, look, slide=slide), png, "png", provenance.line(shown))
    return png.getvalue()


def save(figure: Figure, file: Any, kind: str, description: str) -> None:
    """Save a figure; in SVG, words stay words, which any program can edit and search."""
    import matplotlib as mpl
    from matplotlib.image import AxesImage

    told: dict[str, str | None] = {"Title": "Predicted expression", "Description": description}
    if kind == "svg":
        # Without a date, the same figure is the same file.
        told["Date"] = None
        for image in figure.findobj(AxesImage):
            if image.get_zorder() == _GROUND:
                # Held with its own pixels; drawn at the figure's resolution, the photograph would be twice as large.
                image.set_interpolation("none")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "molf", "image.composite_image": kind != "svg"}):
        figure.savefig(file, format=kind, dpi=DPI, metadata=told)


def draw(
    shown: Shown,
    score: ScoreName | None,
    look: Look | None = None,
    *,
    slide: Slide | None = None,
    max_px: int = _PNG_PX,
) -> Figure:
    """Draw a map on a page of its own, with everything that it takes to read it; parameters as in :func:`write_figure`."""
    look = look or Look()
    under = backdrop(shown, _box(shown, look), slide, max_px)
    tall = (under.box[3] - under.box[1]) / (under.box[2] - under.box[0])
    # Legends and small print need their room beside and below, however narrow or flat the tissue is.
    figure = new_figure(_INCHES + 1.5, min(max(_INCHES * tall, 2.4), 9.0) + 1.1)
    axes = figure.subplots()
    draw_map(shown, axes, score, look, under)
    axes.set_title(title_of(shown, score), loc="left", fontsize=11, fontweight="bold")
    note = f"{provenance.line(shown)}{' Slide drawn from its thumbnail.' if under.thumbnail else ''}"
    # As the label of the axis, it takes part in the layout and never lies on the map.
    axes.set_xlabel(_wrapped(note, 150), fontsize=6.5, color="#57606a", loc="left", linespacing=1.4)
    return figure


def draw_map(
    shown: Shown, axes: Axes, score: ScoreName | None, look: Look, under: Backdrop, *, label: str | None = None
) -> None:
    """Draw slide, map, scale bar, and colour bar or legend into axes; ``label`` stands at the colour bar in place of its own."""
    if score is None:
        _draw_experts(shown, axes, look)
    else:
        _draw_score(
            shown, axes, score, look, f"{shown.title_of(score)}, {shown.unit_of(score)}" if label is None else label
        )
    _draw_ground(shown, axes, under)


def draw_slide(shown: Shown, axes: Axes, under: Backdrop) -> None:
    """Draw the slide alone, with a frame around its patches."""
    from matplotlib.patches import Rectangle

    left, top, right, bottom = shown.box
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor="#0072b2", linewidth=1.2))
    _draw_ground(shown, axes, under)


def _draw_ground(shown: Shown, axes: Axes, under: Backdrop) -> None:
    """Draw the slide under what is there already, and the scale bar."""
    left, top, right, bottom = under.box
    axes.imshow(under.image, extent=(left, right, bottom, top), interpolation="antialiased", zorder=_GROUND)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color="#b0b7bf", linewidth=0.6)
    _draw_scale_bar(axes, under.box, shown.um_per_pixel)


def title_of(shown: Shown, score: ScoreName | None) -> str:
    """What a figure shows, of which slide."""
    return f"{'Top expert' if score is None else shown.title_of(score)} · {shown.slide_name}"


def limits_of(values: np.ndarray) -> tuple[float, float]:
    """Colour limits between two percentiles of the finite values, never empty."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, _LIMIT_PERCENTILES))
    return (low, high) if high - low > 1e-6 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)


def scale_bar_um(width_um: float) -> float:
    """Length of a scale bar: the longest of 1, 2 and 5 times a power of ten that is at most a quarter of the width."""
    reach = width_um / 4
    power = 10.0 ** math.floor(math.log10(reach))
    return max(step * power for step in (1, 2, 5) if step * power <= reach)


def _box(shown: Shown, look: Look) -> Box:
    if look.box is not None:
        return clipped(look.box, shown)
    left, top, right, bottom = shown.box
    return clipped(shown.box, shown, 0.04 * max(right - left, bottom - top))


def _draw_score(shown: Shown, axes: Axes, score: ScoreName, look: Look, label: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    values = shown.values(score)
    colours = _colour_map(look.colours)
    scale = Normalize(*(look.limits or limits_of(values)), clip=True)
    rgba = colours(scale(values))
    rgba[~np.isfinite(values), 3] = 0.0
    _draw_patches(shown, axes, rgba, look.opacity)
    figure = axes.get_figure()
    assert figure is not None
    beyond = _beyond(values, scale.vmin, scale.vmax)
    # As opaque as the map: its colours are those that are seen over white.
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=axes, shrink=0.6, pad=0.015, aspect=24, extend=beyond, alpha=look.opacity
    )
    bar.set_label(label, fontsize=8)
    bar.ax.tick_params(labelsize=7.5)
    bar.outline.set_linewidth(0.5)


def _beyond(values: np.ndarray, low: float | None, high: float | None) -> str:
    """Which ends of the colour bar stand for values past them, too."""
    finite = values[np.isfinite(values)]
    below = bool(finite.size) and low is not None and bool((finite < low).any())
    above = bool(finite.size) and high is not None and bool((finite > high).any())
    return {(True, True): "both", (True, False): "min", (False, True): "max", (False, False): "neither"}[below, above]


def _draw_experts(shown: Shown, axes: Axes, look: Look) -> None:
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    top = shown.top_expert
    colours = np.array([to_rgba(expert_colour(expert)) for expert in range(len(shown.experts))])
    _draw_patches(shown, axes, colours[top], look.opacity)
    shares = expert_shares(shown)
    handles = [
        Patch(
            facecolor=(*colours[expert][:3], look.opacity),
            edgecolor="#57606a",
            linewidth=0.4,
            label=f"{_short(shown.experts[expert])}  {share:.0%}",
        )
        for expert, share in shares
    ]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8,
        title="expert, share", title_fontsize=8, borderaxespad=0.0,
    )  # fmt: skip


def expert_shares(shown: Shown) -> list[tuple[int, float]]:
    """Experts that decided most somewhere, counted from 0, and the share of patches where each did; the largest first."""
    counts = np.bincount(shown.top_expert, minlength=len(shown.experts)) / shown.adata.n_obs
    return [(int(expert), float(counts[expert])) for expert in np.argsort(-counts, kind="stable") if counts[expert] > 0]


def _draw_patches(shown: Shown, axes: Axes, rgba: np.ndarray, opacity: float) -> None:
    """Draw (P, 4) colours where the patches are: as one image if they lie on a grid, else as squares."""
    rgba = rgba.copy()
    rgba[:, 3] *= opacity
    grid = shown.molf.get("grid")
    if grid is None:
        from matplotlib.collections import PolyCollection

        half = shown.patch_px / 2
        corners = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
        squares = list(shown.centres[:, None, :] + corners)
        axes.add_collection(PolyCollection(squares, facecolors=rgba, edgecolors="none", rasterized=True, zorder=1))
        return
    rows, cols = shown.adata.obs["row"].to_numpy(np.int64), shown.adata.obs["col"].to_numpy(np.int64)
    image = np.zeros((*(int(v) for v in grid["shape"]), 4))
    image[rows, cols] = rgba
    (x, y), stride = (float(v) for v in grid["origin"]), float(grid["stride"])
    left, top = x - stride / 2, y - stride / 2
    extent = (left, left + stride * image.shape[1], top + stride * image.shape[0], top)
    axes.imshow(image, extent=extent, interpolation="nearest", zorder=1)


def _draw_scale_bar(axes: Axes, box: Box, um_per_pixel: float) -> None:
    from matplotlib.offsetbox import AnchoredOffsetbox, AuxTransformBox, TextArea, VPacker
    from matplotlib.patches import Rectangle

    um = scale_bar_um((box[2] - box[0]) * um_per_pixel)
    bar = AuxTransformBox(axes.transData)
    bar.add_artist(Rectangle((0, 0), um / um_per_pixel, (box[3] - box[1]) * 0.008, facecolor="black", linewidth=0))
    name = f"{um / 1000:g} mm" if um >= 1000 else f"{um:g} µm"
    packed = VPacker(children=[bar, TextArea(name, textprops={"fontsize": 8})], align="center", pad=0, sep=3)
    anchored = AnchoredOffsetbox("lower right", child=packed, pad=0.4, borderpad=0.6, frameon=True)
    # On a plate of its own, it can be read on any tissue.
    anchored.patch.set(facecolor="white", alpha=0.8, linewidth=0)
    axes.add_artist(anchored)


def _colour_map(colours: str | Sequence[Sequence[float]]) -> Colormap:
    import matplotlib as mpl
    from matplotlib.colors import LinearSegmentedColormap

    if isinstance(colours, str):
        if colours not in mpl.colormaps:
            raise MolfError(
                f"There is no colour map {colours}. Names are those of matplotlib, such as viridis or magma."
            )
        return mpl.colormaps[colours]
    return LinearSegmentedColormap.from_list("as shown", [tuple(colour) for colour in colours])


def _short(name: str, most: int = 26) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _wrapped(text: str, width: int) -> str:
    import textwrap

    # A dollar sign would begin a formula.
    return "\n".join(textwrap.wrap(text.replace("$", r"\$"), width))

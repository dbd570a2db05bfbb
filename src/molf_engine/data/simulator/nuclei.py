"""Nuclei: where they lie, how large and how dark they are, and how they are drawn.

Each population sits on its own jittered lattice.  A lattice cell has a nucleus if the fields at its place say so, so a
nucleus belongs to one tissue and is whole wherever it is looked at from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from molf_engine.data.simulator.fields import WALL_UM, Fields, Layout
from molf_engine.data.simulator.noise import uniform

JITTER = 0.8
"""Width of the jitter, as a share of the pitch."""


@dataclass(frozen=True)
class Shapes:
    """N nuclei, or what nuclei would be at N places: all arrays (N,)."""

    share: np.ndarray
    """Probability that there is one."""
    long_um: np.ndarray
    """Half length."""
    short_um: np.ndarray
    """Half width."""
    darkness: np.ndarray
    """Haematoxylin in it."""
    vesicular: np.ndarray
    """0: evenly dark; 1: pale inside, with a nucleolus."""


@dataclass(frozen=True)
class Population:
    """One kind of nucleus."""

    name: str
    pitch_um: float
    largest_um: float
    """No nucleus reaches further from its centre."""
    shapes: Callable[[Fields, np.ndarray], Shapes]
    """(fields at the places, random numbers (4, N) in 0..1) -> shapes."""
    orient: str = ""
    """Field to whose contours the nuclei are parallel; empty: random directions."""
    across: bool = False
    """Perpendicular to the contours instead."""
    depth: str = ""
    """Field below 0 where there are none, so that a region without it is passed over quickly."""


def populations(layout: Layout) -> tuple[Population, ...]:
    """Return the populations of one slide, in drawing order."""
    arch = layout.architecture
    size, glandular = arch.nucleus_um, arch.growth == "glands"

    def tumour(f: Fields, r: np.ndarray) -> Shapes:
        zone = f["tumour_zone"]
        place = (f["tumour"] > 2.5) & (f["necrosis"] < 0) & (f["lumen"] < (-7 if glandular else 0)) & _solid(f)
        long = size * (0.86 + 0.30 * r[0] + 0.22 * zone)
        mitosis = r[3] > 0.985 + 0.02 * zone
        short = long * np.where(mitosis, 0.35, 0.68 + 0.28 * r[1])
        darkness = np.where(mitosis, 2.1, 1.55 - 0.55 * zone + 0.35 * (r[2] - 0.5))
        return Shapes(place * (0.97 - 0.55 * zone), long, short, darkness, np.where(mitosis, 0, 0.25 + 0.5 * zone))

    def fibroblast(f: Fields, r: np.ndarray) -> Shapes:
        zone = f["stroma_zone"]
        place = _in_stroma(f)
        long = 5.0 + 3.2 * r[0]
        return Shapes(
            place * (0.16 + 0.62 * zone), long, 1.2 + 0.8 * r[1] + 0.5 * zone, 1.35 + 0.3 * r[2], np.zeros_like(zone)
        )

    def lymphocyte(f: Fields, r: np.ndarray) -> Shapes:
        zone = f["lymphoid_zone"]
        aggregate = (f["lymphoid"] > 0) & _solid(f)
        within_tumour = (f["tumour"] > 0) & (f["necrosis"] < 0) & (f["lumen"] < 0) & _solid(f)
        share = aggregate * (0.93 - 0.42 * zone) + _in_stroma(f) * 0.75 * f["inflammation"] + 0.015 * within_tumour
        long = 2.65 + 0.45 * r[0] + 0.75 * zone
        return Shapes(share, long, long * (0.82 + 0.18 * r[1]), 1.85 + 0.3 * r[2] - 0.85 * zone, 0.45 * zone)

    def columnar(f: Fields, r: np.ndarray) -> Shapes:
        depth = f["epithelium"]
        # Nuclei line up near the base of the epithelium.
        place = (depth > 3.5) & (depth < 0.55 * WALL_UM) & _solid(f)
        long = 3.9 + 1.1 * r[0]
        return Shapes(place * 0.95, long, 2.2 + 0.5 * r[1], 1.5 + 0.3 * r[2], np.full_like(depth, 0.15))

    def debris(f: Fields, r: np.ndarray) -> Shapes:
        place = (f["necrosis"] > 0) & (f["lumen"] < 0) & _solid(f)
        long = 0.7 + 1.2 * r[0] * r[0]
        share = place * (0.08 + 0.55 * f["necrosis_zone"])
        return Shapes(share, long, long * (0.6 + 0.4 * r[1]), 1.3 + 0.5 * r[2], np.zeros_like(long))

    def fat_cell(f: Fields, r: np.ndarray) -> Shapes:
        place = (f["adipose"] > 4) & _solid(f) & (f["septum"] > -1.0)
        return Shapes(place * 0.30, 3.5 + r[0], 1.1 + 0.4 * r[1], 1.5 + 0.2 * r[2], np.zeros_like(r[0]))

    return (
        Population("fibroblast", 15.0, 8.3, fibroblast, orient="across"),
        Population("fat cell", 13.0, 4.6, fat_cell, orient="septum", depth="adipose"),
        Population("debris", 6.5, 2.0, debris, depth="necrosis"),
        Population("columnar", 6.2, 5.1, columnar, orient="epithelium", across=True, depth="epithelium"),
        Population(
            "tumour", arch.nucleus_pitch_um, 1.4 * size, tumour, "tumour" if glandular else "", True, depth="tumour"
        ),
        Population("lymphocyte", 6.6, 3.9, lymphocyte),
    )


def red_cells(fields: Fields, random: np.ndarray) -> Shapes:
    """Red blood cells, inside vessels."""
    place = (fields["vessel"] > 3.0) & (fields["outline"] > 0)
    long = 2.7 + 0.5 * random[0]
    return Shapes(place * 0.62, long, long * (0.8 + 0.2 * random[1]), np.ones_like(long), np.zeros_like(long))


RED_CELLS = Population("red cell", 6.4, 3.3, red_cells, depth="vessel")


def coverage(population: Population, fields: Fields) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of the area that nuclei cover, and their mean darkness, for pixels larger than nuclei."""
    shapes = population.shapes(fields, np.full((4, *fields["outline"].shape), 0.5))
    area = np.pi * shapes.long_um * shapes.short_um / population.pitch_um**2
    return np.clip(shapes.share * area * 0.9, 0, 0.85), shapes.darkness * (1 - 0.33 * shapes.vesicular)


@dataclass(frozen=True)
class Canvas:
    """What nuclei cover of a square of pixels: arrays with a margin on each side."""

    alpha: np.ndarray
    darkness: np.ndarray
    margin: int

    def trimmed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (alpha, darkness) without the margin."""
        cut = slice(self.margin, -self.margin)
        return self.alpha[cut, cut], self.darkness[cut, cut]


MARGIN_UM = 14.0


def blank(width: int, um_per_pixel: float) -> Canvas:
    """Return an empty canvas of ``width`` x ``width`` pixels."""
    margin = int(2 * MARGIN_UM / um_per_pixel) + 4
    shape = (width + 2 * margin, width + 2 * margin)
    return Canvas(np.zeros(shape, np.float32), np.zeros(shape, np.float32), margin)


Sampler = Callable[[np.ndarray, np.ndarray], Fields]


def draw(
    canvas: Canvas,
    population: Population,
    sample: Sampler,
    salt: int,
    left_um: float,
    top_um: float,
    um_per_pixel: float,
) -> None:
    """Draw one population on the canvas whose trimmed corner is at (left, top).

    ``sample`` returns the fields at given places, and the direction ``cos``, ``sin`` of contours to follow.
    """
    width_um = (canvas.alpha.shape[0] - 2 * canvas.margin) * um_per_pixel
    pitch, reach = population.pitch_um, population.largest_um + 1.0 + um_per_pixel
    first_x, last_x = _lattice_range(left_um - reach, left_um + width_um + reach, pitch)
    first_y, last_y = _lattice_range(top_um - reach, top_um + width_um + reach, pitch)
    for parity_y in (0, 1):
        for parity_x in (0, 1):
            # Nuclei of one parity are two pitches apart and do not overlap, so each parity is drawn in one go.
            i = np.arange(first_x + (first_x + parity_x) % 2, last_x + 1, 2)
            j = np.arange(first_y + (first_y + parity_y) % 2, last_y + 1, 2)
            i, j = (a.ravel() for a in np.meshgrid(i, j))
            if len(i):
                _draw_class(canvas, population, sample, salt, i, j, left_um, top_um, um_per_pixel)


def _lattice_range(low: float, high: float, pitch: float) -> tuple[int, int]:
    return int(np.floor(low / pitch)) - 1, int(np.floor(high / pitch)) + 1


def _draw_class(
    canvas: Canvas,
    population: Population,
    sample: Sampler,
    salt: int,
    i: np.ndarray,
    j: np.ndarray,
    left_um: float,
    top_um: float,
    um_per_pixel: float,
) -> None:
    x = (i + 0.5 * (j & 1) + 0.5 + JITTER * (uniform(i, j, salt) - 0.5)) * population.pitch_um
    y = (j + 0.5 + JITTER * (uniform(i, j, salt + 1) - 0.5)) * population.pitch_um
    fields = sample(x, y)
    shapes = population.shapes(fields, np.stack([uniform(i, j, salt + k) for k in (3, 4, 5, 6)]))
    kept = np.flatnonzero(uniform(i, j, salt + 2) < shapes.share)
    if not len(kept):
        return
    if population.orient:
        cos, sin = fields["cos"][kept], fields["sin"][kept]
        if population.across:
            cos, sin = -sin, cos
        # Neighbours are nearly, not exactly, parallel.
        lean = 0.7 * (uniform(i[kept], j[kept], salt + 7) - 0.5)
        cos, sin = cos - lean * sin, sin + lean * cos
    else:
        turn = uniform(i[kept], j[kept], salt + 7) * np.pi
        cos, sin = np.cos(turn), np.sin(turn)
    norm = np.sqrt(cos * cos + sin * sin) + 1e-9
    _stamp(
        canvas,
        (x[kept] - left_um) / um_per_pixel,
        (y[kept] - top_um) / um_per_pixel,
        cos / norm,
        sin / norm,
        shapes,
        kept,
        um_per_pixel,
    )


def _stamp(
    canvas: Canvas,
    px: np.ndarray,
    py: np.ndarray,
    cos: np.ndarray,
    sin: np.ndarray,
    shapes: Shapes,
    kept: np.ndarray,
    um_per_pixel: float,
) -> None:
    """Blend ellipses centred on (px, py) pixels into the canvas, the most opaque winning."""
    width = canvas.alpha.shape[0]
    soft = np.float32(max(1.0, um_per_pixel))
    long, short = (shapes.long_um[kept].astype(np.float32), shapes.short_um[kept].astype(np.float32))
    radius = int(np.ceil((float(long.max()) + 0.5 * float(soft)) / um_per_pixel))
    column, row = np.floor(px).astype(np.int64), np.floor(py).astype(np.int64)
    near = (column + canvas.margin - radius >= 0) & (column + canvas.margin + radius < width)
    near &= (row + canvas.margin - radius >= 0) & (row + canvas.margin + radius < width)
    if not near.all():
        column, row, px, py, cos, sin = (a[near] for a in (column, row, px, py, cos, sin))
        long, short, kept = long[near], short[near], kept[near]
    offset = np.arange(-radius, radius + 1)
    dx = ((column[:, None] + offset + 0.5 - px[:, None]) * um_per_pixel).astype(np.float32)[:, None, :]
    dy = ((row[:, None] + offset + 0.5 - py[:, None]) * um_per_pixel).astype(np.float32)[:, :, None]
    cos, sin = (a.astype(np.float32)[:, None, None] for a in (cos, sin))
    along = (dx * cos + dy * sin) / long[:, None, None]
    across = (dy * cos - dx * sin) / short[:, None, None]
    squared = along * along + across * across
    edge = np.sqrt(squared)
    alpha = np.clip((1 - edge) * (np.sqrt(long * short) / soft)[:, None, None] + np.float32(0.5), 0, 1)
    pale = shapes.vesicular[kept].astype(np.float32)[:, None, None]
    inside = np.clip(1 - squared, 0, 1)
    nucleolus = np.clip(1 - squared * 14, 0, 1)
    dark = shapes.darkness[kept].astype(np.float32)[:, None, None] * (1 - pale * (inside - np.float32(0.9) * nucleolus))
    flat = (
        (row[:, None, None] + canvas.margin + offset[:, None]) * width + column[:, None, None] + canvas.margin + offset
    )
    surface, tone = canvas.alpha.reshape(-1), canvas.darkness.reshape(-1)
    visible = alpha > 0
    flat, alpha, dark = flat[visible], alpha[visible], dark[visible]
    above = alpha > surface[flat]
    flat = flat[above]
    surface[flat], tone[flat] = alpha[above], dark[above]


def _solid(f: Fields) -> np.ndarray:
    return f["outline"] > 3


def _in_stroma(f: Fields) -> np.ndarray:
    inside = (f["tumour"] > -3) | (f["lymphoid"] > 0) | (f["adipose"] > 0) | (f["epithelium"] > -3) | (f["vessel"] > -2)
    return _solid(f) & ~inside & (f["lumen"] < 0)

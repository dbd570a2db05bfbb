"""Where each tissue is: smooth fields of the position, from which both the image and the expression are made.

A depth is a signed distance in um, roughly: above 0 inside the tissue, and no two tissues are inside at the same place.
A zone is a number in 0..1 that varies within a tissue and shows in the image; expression follows it:

==========  ===================================  ==============================================
tissue      zone 0                               zone 1
==========  ===================================  ==============================================
tumour      rim: crowded, dark nuclei            core: hypoxic; sparse, pale, eosinophilic
stroma      dense collagen, few cells            desmoplastic: loose, pale, many fibroblasts
lymphoid    small dark lymphocytes               germinal centre: larger, paler cells
adipose     large cells, thin membranes          shrunken cells in fibrous septa
epithelium  pink cytoplasm                       secreting: pale, mucinous cytoplasm
necrosis    pale pink, structureless             full of nuclear debris
==========  ===================================  ==============================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from molf_engine.data.simulator.architecture import (
    ADIPOSE,
    EPITHELIUM,
    LYMPHOID,
    NECROSIS,
    STROMA,
    TISSUES,
    TUMOUR,
    Architecture,
)
from molf_engine.data.simulator.noise import fractal_noise, gradient_noise, salt_of, uniform

TUMOUR_WALL_UM = 34.0
"""Height of the epithelium of a tumour gland."""
WALL_UM = 21.0
"""Height of the epithelium of a normal gland."""


@dataclass(frozen=True)
class Layout:
    """All that the fields of one slide depend on."""

    seed: int
    width_um: float
    height_um: float
    architecture: Architecture

    def salt(self, name: str) -> int:
        """Return the salt of one field of this slide."""
        return salt_of(self.seed, name)

    def draw(self, name: str) -> float:
        """Return one random number in 0..1 of this slide."""
        return salt_of(self.seed, "draw", name, 7) / 2**32


Fields = dict[str, np.ndarray]


def fields_at(layout: Layout, x: np.ndarray, y: np.ndarray) -> Fields:
    """Return every field at points (x, y) in um, arrays of any one shape.

    Keys: the depths ``outline`` (of the whole tissue), ``tumour``, ``lymphoid``, ``adipose``, ``epithelium``,
    ``necrosis`` (within the tumour), ``lumen``, ``vessel``; the zones ``<tissue>_zone``; ``inflammation`` (share of the
    stroma that is lymphocytes); ``across`` and ``along``, in um, the coordinates in which collagen fibres are straight.
    """
    arch = layout.architecture
    # A wobble shared by all contours: circles and noise thresholds turn into something grown.
    wx = (
        x
        + 14 * gradient_noise(x, y, 85, layout.salt("wobble x"))
        + 3 * gradient_noise(x, y, 28, layout.salt("rough x"))
    )
    wy = (
        y
        + 14 * gradient_noise(x, y, 85, layout.salt("wobble y"))
        + 3 * gradient_noise(x, y, 28, layout.salt("rough y"))
    )
    at = _regions(layout, wx, wy)
    slow = gradient_noise(x, y, 420, layout.salt("zone"))
    if arch.growth == "glands":
        tumour, lumen, necrosis = _tumour_glands(layout, wx, wy)
        tumour_zone = _smooth(0.42 + 1.05 * slow)
    else:
        tumour, lumen = at.tumour, np.full(x.shape, -1e3)
        necrosis = tumour - arch.necrosis_um + 25 * gradient_noise(x, y, 120, layout.salt("necrosis"))
        tumour_zone = _smooth(0.85 * np.clip(tumour, 0, None) / arch.necrosis_um + 0.30 * slow + 0.12)
    enclosed = np.maximum(at.tumour, tumour)
    glands = _round_cells(wx, wy, arch.gland_um, layout.salt("glands"), 26, 0.36 * arch.gland_um, _in_normal(layout))
    epithelium = np.minimum(glands, np.minimum(-enclosed - 6, -np.maximum(at.lymphoid, at.adipose) - 6))
    lumen = np.maximum(lumen, epithelium - WALL_UM)
    solid = np.maximum(np.maximum(enclosed, at.lymphoid), np.maximum(at.adipose, epithelium))
    vessel = np.minimum(_round_cells(wx, wy, 260, layout.salt("vessels"), 9, 34, _sometimes(layout, 0.45)), -solid - 10)

    near = np.clip(1 + enclosed / 260, 0, 1)
    stroma_zone = _smooth(0.22 + 0.75 * _field(layout, "stroma", x, y, 560, 2) + 0.45 * near)
    inflammation = (
        arch.inflammation * 2.2 * _smooth(0.35 + 0.9 * _field(layout, "inflammation", x, y, 480, 2) + 0.2 * near)
    )
    across, along = _fibres(layout, x, y, solid)
    return {
        "outline": _outline(layout, x, y),
        "tumour": tumour,
        "necrosis": np.minimum(necrosis, tumour),
        "lymphoid": at.lymphoid,
        "adipose": at.adipose,
        "epithelium": epithelium,
        "lumen": lumen,
        "vessel": vessel,
        "tumour_zone": tumour_zone,
        "stroma_zone": stroma_zone,
        "lymphoid_zone": at.germinal,
        "adipose_zone": _smooth(0.35 + 0.9 * gradient_noise(x, y, 520, layout.salt("septa"))),
        "epithelium_zone": _smooth(0.45 + 1.1 * gradient_noise(x, y, 450, layout.salt("secretion"))),
        "necrosis_zone": _smooth(0.5 + slow),
        "inflammation": np.clip(inflammation, 0, 0.6),
        "across": across,
        "along": along,
    }


def abundance(fields: Fields) -> np.ndarray:
    """Return how much of each tissue, at either end of its zone, is at each point, (N, T, 2).

    The entries of a point sum to 1 in tissue, to 0 elsewhere.  This is the truth that expression is
    computed from.  Lumens, vessels and bare glass hold nothing.
    """
    shape = fields["outline"].shape
    share = np.zeros((*shape, len(TISSUES)))
    solid = (fields["outline"] > 0) & (fields["lumen"] <= 0) & (fields["vessel"] <= 0)
    necrosis = solid & (fields["necrosis"] > 0)
    tumour = solid & (fields["tumour"] > 0) & ~necrosis
    others = {LYMPHOID: "lymphoid", ADIPOSE: "adipose", EPITHELIUM: "epithelium"}
    left = solid & ~necrosis & ~tumour
    share[..., NECROSIS], share[..., TUMOUR] = necrosis, tumour
    for tissue, name in others.items():
        inside = left & (fields[name] > 0)
        share[..., tissue] = inside
        left &= ~inside
    share[..., STROMA] = left * (1 - fields["inflammation"])
    share[..., LYMPHOID] += left * fields["inflammation"]
    zone = np.stack([fields[f"{name}_zone"] for name in TISSUES], axis=-1)
    return np.stack([share * (1 - zone), share * zone], axis=-1)


def _smooth(value: np.ndarray) -> np.ndarray:
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _field(layout: Layout, name: str, x: np.ndarray, y: np.ndarray, scale: float, octaves: int = 3) -> np.ndarray:
    return fractal_noise(x, y, scale, layout.salt(name), octaves)


def _outline(layout: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth inside the piece of tissue: a rounded, slightly tilted block with a wavy, finely frayed edge."""
    salt = layout.salt("outline")
    tilt = 0.5 * (layout.draw("tilt") - 0.5)
    half = 0.5 * min(layout.width_um, layout.height_um)
    u = (x - 0.5 * layout.width_um) / (0.5 * layout.width_um)
    v = (y - 0.5 * layout.height_um) / (0.5 * layout.height_um)
    u, v = u + tilt * v, v - tilt * u
    squared = u * u + v * v
    # Between a disc and a rounded square.
    depth = 0.80 - squared - (0.2 + 0.9 * layout.draw("square")) * (u * v) ** 2
    wave = fractal_noise(x, y, 0.8 * half, salt + 10, octaves=2)
    return half * depth * 0.62 + 0.16 * half * wave + 9 * fractal_noise(x, y, 90, salt + 20, octaves=2)


@dataclass(frozen=True)
class _Regions:
    """Depths inside the large parts of the tissue; none overlap."""

    tumour: np.ndarray
    lymphoid: np.ndarray
    germinal: np.ndarray
    adipose: np.ndarray
    normal: np.ndarray
    """Where normal glands may stand, in their stroma."""


def _regions(layout: Layout, x: np.ndarray, y: np.ndarray) -> _Regions:
    arch = layout.architecture
    bed = gradient_noise(x, y, 1700, layout.salt("bed"))
    tumour = _tumour_region(layout, x, y, bed)
    lymphoid, germinal = _aggregates(layout, x, y)
    lymphoid = np.minimum(lymphoid, -tumour - 6)
    # An aggregate that something else grew into keeps no germinal centre beyond its edge.
    germinal = germinal * np.clip(lymphoid / 15, 0, 1)
    adipose = (_field(layout, "adipose", x, y, 900) - arch.adipose_level - 0.35 * bed) * 430
    adipose = np.minimum(np.minimum(adipose, -tumour - 45), -lymphoid)
    normal = (_field(layout, "normal", x, y, 800) - arch.gland_level - 0.4 * bed) * 380
    normal = np.minimum(np.minimum(normal, -tumour - 40), np.minimum(-adipose - 8, -lymphoid - 8))
    return _Regions(tumour, lymphoid, germinal, adipose, normal)


def _tumour_region(layout: Layout, x: np.ndarray, y: np.ndarray, bed: np.ndarray) -> np.ndarray:
    arch = layout.architecture
    noise = _field(layout, "nests", x, y, arch.nest_um, 2)
    if arch.growth == "cords":
        # A band on either side of a zero of the noise; the bed widens bands into sheets.
        return (0.10 + 0.60 * bed - arch.nest_level - abs(noise)) * arch.nest_um * 0.5
    return (noise + 0.6 * bed - arch.nest_level) * arch.nest_um * 0.45


def _tumour_glands(layout: Layout, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depths inside tumour glands, their lumens and the dead cells that fill some of them."""
    x = x + 20 * gradient_noise(x, y, 62, layout.salt("crooked x"))
    y = y + 20 * gradient_noise(x, y, 62, layout.salt("crooked y"))
    pitch = layout.architecture.tumour_gland_um
    smallest, largest = 42 * (pitch / 158), 88 * (pitch / 158)
    gland = _round_cells(x, y, pitch, layout.salt("tumour glands"), smallest, largest, _in_tumour(layout))
    # Besides the lumen in the middle, holes between the cells: cribriform growth.
    holes = np.minimum(gland - 15, (gradient_noise(x, y, 46, layout.salt("holes")) - 0.42) * 44)
    lumen = np.maximum(gland - TUMOUR_WALL_UM, holes)
    dead = np.minimum(gland - TUMOUR_WALL_UM - 3, (gradient_noise(x, y, 330, layout.salt("dead")) - 0.12) * 90)
    return gland, np.minimum(lumen, -dead - 1), dead


Presence = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(i, j, x, y) of the centres of lattice cells -> whether there is something, bool."""


def _in_normal(layout: Layout) -> Presence:
    return lambda i, j, x, y: _regions(layout, x, y).normal > 22


def _in_tumour(layout: Layout) -> Presence:
    return lambda i, j, x, y: _tumour_region(layout, x, y, gradient_noise(x, y, 1700, layout.salt("bed"))) > 0


def _sometimes(layout: Layout, share: float) -> Presence:
    return lambda i, j, x, y: uniform(i, j, layout.salt("sometimes")) < share


def _round_cells(
    x: np.ndarray, y: np.ndarray, pitch: float, salt: int, smallest: float, largest: float, present: Presence
) -> np.ndarray:
    """Depth inside round shapes, at most one for each cell of a jittered lattice with shifted odd rows."""
    u, v = x / pitch, y / pitch
    j = np.floor(v).astype(np.int64)
    # The cells of the whole neighbourhood are made once, points then look them up.
    low_i, low_j = int(np.floor(u.min())) - 2, int(j.min()) - 1
    columns = np.arange(low_i, int(np.floor(u.max())) + 3)
    rows = np.arange(low_j, int(j.max()) + 2)
    ci, cj = np.meshgrid(columns, rows)
    cx = (ci + 0.5 * (cj & 1) + 0.5 + 0.5 * (uniform(ci, cj, salt) - 0.5)) * pitch
    cy = (cj + 0.5 + 0.5 * (uniform(ci, cj, salt + 1) - 0.5)) * pitch
    stretch = 0.80 + 0.45 * uniform(ci, cj, salt + 4)
    radius = smallest + (largest - smallest) * uniform(ci, cj, salt + 2)
    radius = np.where(present(ci, cj, cx, cy), radius, -1e3)
    cx, cy, radius, stretch = (a.reshape(-1) for a in (cx, cy, radius, stretch))
    depth = np.full(x.shape, -1e3)
    for dj in (-1, 0, 1):
        row = j + dj
        i = np.floor(u - 0.5 * (row & 1)).astype(np.int64)
        base = (row - low_j) * len(columns) + (i - low_i)
        for di in (-1, 0, 1):
            at = base + di
            dx, dy = (x - cx[at]) * stretch[at], (y - cy[at]) / stretch[at]
            depth = np.maximum(depth, radius[at] - np.sqrt(dx * dx + dy * dy))
    return depth


def _aggregates(layout: Layout, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth inside lymphoid aggregates, and how far a point is into a germinal centre (only large ones have one)."""
    pitch, salt = 560.0, layout.salt("aggregates")
    i, j = np.floor(x / pitch).astype(np.int64), np.floor(y / pitch).astype(np.int64)
    depth, germinal = np.full(x.shape, -1e3), np.zeros(x.shape)
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            ci, cj = i + di, j + dj
            present = uniform(ci, cj, salt + 3) < layout.architecture.lymphoid_share
            cx = (ci + 0.5 + 0.5 * (uniform(ci, cj, salt) - 0.5)) * pitch
            cy = (cj + 0.5 + 0.5 * (uniform(ci, cj, salt + 1) - 0.5)) * pitch
            radius = 80 + 140 * uniform(ci, cj, salt + 2)
            stretch = 0.7 + 0.6 * uniform(ci, cj, salt + 4)
            inside = np.where(present, radius - np.sqrt(((x - cx) * stretch) ** 2 + ((y - cy) / stretch) ** 2), -1e3)
            depth = np.maximum(depth, inside)
            centre = np.where(radius > 125, _smooth((inside / radius - 0.30) / 0.22), 0)
            germinal = np.maximum(germinal, np.where(present, centre, 0))
    return depth, germinal


def _fibres(layout: Layout, x: np.ndarray, y: np.ndarray, solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    salt = layout.salt("fibres")
    turn = np.pi * layout.draw("turn")
    cos, sin = float(np.cos(turn)), float(np.sin(turn))
    across = cos * x + sin * y + 240 * gradient_noise(x, y, 760, salt + 1) + 15 * gradient_noise(x, y, 150, salt + 2)
    across = across + 4.2 * gradient_noise(x, y, 52, salt + 3)
    # Fibres bend around what they enclose.
    across = across + 1.2 * np.clip(solid, -100, 0)
    along = cos * y - sin * x + 120 * gradient_noise(x, y, 640, salt + 4)
    return across, along

"""From fields and nuclei to pixels.

A picture is made of square blocks anchored at (0, 0) of its level; a region is cut out of the blocks it touches.  So
the same pixel has the same colour whatever region asks for it, and memory does not depend on the size of the slide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molf_engine.data.simulator.fields import Fields, Layout, fields_at
from molf_engine.data.simulator.noise import salt_of, texture, uniform
from molf_engine.data.simulator.nuclei import RED_CELLS, Population, blank, coverage, draw, populations
from molf_engine.data.simulator.stain import Stain

BLOCK = 512
"""Side of a block in pixels."""

_NODE_UM = 8.0
_FINEST_NUCLEUS_UM = 4.0  # coarser pixels hold so many nuclei that only their share of the area is drawn


@dataclass(frozen=True)
class _Nodes:
    """Fields on a coarse lattice around a block, and how pixels and points are interpolated from it."""

    fields: Fields
    left: float
    top: float
    step: float
    weights_x: np.ndarray
    weights_y: np.ndarray

    def plane(self, name: str) -> np.ndarray:
        """Return a field at every pixel, (BLOCK, BLOCK) float32."""
        plane: np.ndarray = self.weights_y @ (self.fields[name].astype(np.float32) @ self.weights_x.T)
        return plane

    def highest(self, name: str) -> float:
        return float(self.fields[name].max())

    def at(self, x: np.ndarray, y: np.ndarray, orient: str = "") -> Fields:
        """Return the fields at points, and ``cos``, ``sin`` of the direction along the contours of one of them."""
        u, v = (x - self.left) / self.step, (y - self.top) / self.step
        rows, columns = self.fields["outline"].shape
        i = np.clip(u.astype(np.int64), 0, columns - 2)
        j = np.clip(v.astype(np.int64), 0, rows - 2)
        fu, fv = u - i, v - j
        flat = j * columns + i
        result = _Lazy(self.fields, flat, columns, fu, fv)
        if orient:
            field = self.fields[orient].reshape(-1)
            a, b, c, d = (field[flat], field[flat + 1], field[flat + columns], field[flat + columns + 1])
            slope_x = (b - a) * (1 - fv) + (d - c) * fv
            slope_y = (c - a) * (1 - fu) + (d - b) * fu
            result["cos"], result["sin"] = -slope_y, slope_x
        return result


class _Lazy(dict[str, np.ndarray]):
    """Fields at points, each interpolated when it is first asked for."""

    def __init__(self, fields: Fields, flat: np.ndarray, columns: int, fu: np.ndarray, fv: np.ndarray) -> None:
        super().__init__()
        self._source = (fields, flat, columns, fu, fv)

    def __missing__(self, name: str) -> np.ndarray:
        fields, flat, columns, fu, fv = self._source
        field = fields[name].reshape(-1)
        low = field[flat] * (1 - fu) + field[flat + 1] * fu
        high = field[flat + columns] * (1 - fu) + field[flat + columns + 1] * fu
        self[name] = value = low * (1 - fv) + high * fv
        return value


def render_block(layout: Layout, stain: Stain, column: int, row: int, um_per_pixel: float) -> np.ndarray:
    """Return one block, (BLOCK, BLOCK, 3) uint8 RGB, at ``um_per_pixel``."""
    left, top = column * BLOCK * um_per_pixel, row * BLOCK * um_per_pixel
    nodes = _nodes(layout, left, top, um_per_pixel)
    if nodes.highest("outline") < -2:
        haematoxylin = np.zeros((BLOCK, BLOCK), np.float32)
        return _finish(stain.colour(haematoxylin, haematoxylin), layout, column, row)
    haematoxylin, eosin = _ground(layout, nodes, left, top, um_per_pixel)
    if um_per_pixel <= _FINEST_NUCLEUS_UM:
        rgb = _with_nuclei(layout, stain, nodes, haematoxylin, eosin, left, top, um_per_pixel)
    else:
        rgb = _with_coverage(layout, stain, nodes, haematoxylin, eosin)
    return _finish(rgb, layout, column, row)


def _nodes(layout: Layout, left: float, top: float, um_per_pixel: float) -> _Nodes:
    step = _NODE_UM if um_per_pixel <= _FINEST_NUCLEUS_UM else 2 * um_per_pixel
    width = BLOCK * um_per_pixel
    # The margin holds the nuclei that reach into the block and the slopes around them.
    margin = 4
    first_x, first_y = (int(np.floor(left / step)) - margin, int(np.floor(top / step)) - margin)
    count = int(np.ceil(width / step)) + 2 * margin + 2
    x = (first_x + np.arange(count)) * step
    y = (first_y + np.arange(count)) * step
    grid_x, grid_y = np.meshgrid(x, y)
    fields = fields_at(layout, grid_x, grid_y)
    fields["septum"] = _septa(layout, grid_x, grid_y) if fields["adipose"].max() > 0 else np.full_like(grid_x, -20.0)
    # Pixels look fibres up in a texture: whole multiples of its period may go, and float32 then holds the rest.
    for name in ("across", "along"):
        fields[name] = fields[name] - np.floor(fields[name].mean() / _FIBRE_PERIOD) * _FIBRE_PERIOD
    pixel = (np.arange(BLOCK) + 0.5) * um_per_pixel
    return _Nodes(
        fields,
        x[0],
        y[0],
        step,
        _linear_weights(left + pixel, x[0], step, count),
        _linear_weights(top + pixel, y[0], step, count),
    )


def _linear_weights(position: np.ndarray, first: float, step: float, count: int) -> np.ndarray:
    at = (position - first) / step
    low = np.floor(at).astype(np.int64)
    weights = np.zeros((len(position), count), np.float32)
    rows = np.arange(len(position))
    weights[rows, low] = 1 - (at - low)
    weights[rows, low + 1] = at - low
    return weights


# Ground: everything but nuclei


_FIBRE_UM, _ALONG_UM, _GRAIN_UM = 0.9, 5.0, 0.7
_TEXTURE = 512
_FIBRE_PERIOD = _TEXTURE * 45.0  # a multiple of both periods, 512 x 0.9 and 512 x 5


def _ground(
    layout: Layout, nodes: _Nodes, left: float, top: float, um_per_pixel: float
) -> tuple[np.ndarray, np.ndarray]:
    """Amounts of haematoxylin and eosin outside the nuclei, (BLOCK, BLOCK) each."""
    soft = max(1.6, um_per_pixel)
    grain = _grain(left, top, um_per_pixel)
    fibre = _fibre(nodes, um_per_pixel)
    zone = nodes.plane("stroma_zone")
    # Collagen: bundles of eosin, with white clefts between them; loose and bluish where it is young.
    bundle = np.clip((fibre - (0.03 + 0.20 * zone)) * (3.2 / max(1.0, um_per_pixel / 3)) + 0.1, 0.08, 1)
    eosin = bundle * ((0.88 - 0.45 * zone) * (0.60 + 0.40 * fibre) + 0.10 * (grain - 0.5))
    haematoxylin = bundle * (0.03 + 0.10 * zone + 0.05 * grain)

    def lay(depth: np.ndarray, h: np.ndarray | float, e: np.ndarray | float, softness: float = soft) -> None:
        alpha = np.clip(depth / np.float32(softness) + np.float32(0.5), 0, 1)
        np.add(haematoxylin, alpha * (h - haematoxylin), out=haematoxylin)
        np.add(eosin, alpha * (e - eosin), out=eosin)

    if nodes.highest("vessel") > -4:
        vessel = nodes.plane("vessel")
        lay(3.5 - abs(vessel + 1.5), 0.25, 0.75)
        lay(vessel, 0.0, 0.03)
    if nodes.highest("lymphoid") > -2:
        germinal = nodes.plane("lymphoid_zone")
        lay(nodes.plane("lymphoid"), 0.22 + 0.12 * grain, 0.22 + 0.16 * germinal + 0.1 * grain, 6.0)
    if nodes.highest("adipose") > -2:
        septum = _upsampled_septa(layout, left, top, um_per_pixel) + 4.0 * np.square(nodes.plane("adipose_zone"))
        wall = np.clip((septum + 1.0) / np.float32(max(1.2, um_per_pixel)) + 0.5, 0, 1)
        lay(nodes.plane("adipose"), 0.05 * wall, wall * (0.42 + 0.30 * fibre))
    if nodes.highest("epithelium") > -2:
        depth, secretion = nodes.plane("epithelium"), nodes.plane("epithelium_zone")
        apical = np.clip(depth / 20, 0, 1) * secretion
        lay(depth + 5 * fibre - 2.5, 0.03, 0.16)
        lay(depth, 0.26 - 0.12 * apical + 0.08 * grain, 0.62 - 0.50 * apical + 0.10 * grain)
    if nodes.highest("tumour") > -4:
        depth, hypoxia = nodes.plane("tumour"), nodes.plane("tumour_zone")
        # Shrinkage: here and there a cleft between nest and stroma.
        depth += 1.6 * (grain - 0.5)
        gap = np.clip((nodes.plane("stroma_zone") - 0.55) * 8, 0, 1) * (2.0 + 3.0 * fibre)
        lay(depth + gap - 1, 0.01, 0.05)
        lay(depth, 0.50 - 0.34 * hypoxia + 0.16 * (grain - 0.5), 0.42 + 0.30 * hypoxia + 0.22 * (grain - 0.5))
    if nodes.highest("necrosis") > -2:
        debris = nodes.plane("necrosis_zone")
        lay(nodes.plane("necrosis"), 0.08 + 0.22 * debris * grain, 0.42 + 0.45 * grain, 9.0)
    if nodes.highest("lumen") > -2:
        lay(nodes.plane("lumen") + 2.0 * (grain - 0.5), 0.02, 0.03)
    edge = nodes.plane("outline")
    lay(-(edge + 3.0 * (grain - 0.5)), 0.0, 0.0)
    return haematoxylin, eosin


def _fibre(nodes: _Nodes, um_per_pixel: float) -> np.ndarray:
    levels = texture("fibre", _TEXTURE)
    level = _mip(um_per_pixel / _FIBRE_UM, levels)
    image = levels[level]
    across = nodes.plane("across") * np.float32(1 / (_FIBRE_UM * 2**level))
    along = nodes.plane("along") * np.float32(1 / (_ALONG_UM * 2**level))
    return _lookup(image, across, along)


def _lookup(image: np.ndarray, v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Interpolate a periodic square image at rows ``v`` and columns ``u``, arrays of one shape, in texels."""
    size = image.shape[0]
    mask = np.int32(size - 1)
    row, column = np.floor(v), np.floor(u)
    part_v, part_u = v - row, u - column
    row, column = row.astype(np.int32), column.astype(np.int32)
    flat = image.reshape(-1)
    upper, lower = (row & mask) * size, ((row + 1) & mask) * size
    left, right = column & mask, (column + 1) & mask
    above = flat[upper + left]
    above += part_u * (flat[upper + right] - above)
    below = flat[lower + left]
    below += part_u * (flat[lower + right] - below)
    below -= above
    below *= part_v
    return below + above


def _grain(left: float, top: float, um_per_pixel: float) -> np.ndarray:
    levels = texture("grain", _TEXTURE)
    level = _mip(um_per_pixel / _GRAIN_UM, levels)
    image = levels[level]
    texel = _GRAIN_UM * 2**level
    pixel = (np.arange(BLOCK) + 0.5) * um_per_pixel
    row, column = (top + pixel) / texel, (left + pixel) / texel
    return _between(_between(image, row, 0), column, 1)


def _between(image: np.ndarray, position: np.ndarray, axis: int) -> np.ndarray:
    """Interpolate a periodic image along one axis."""
    low = np.floor(position).astype(np.int64)
    part = (position - low).astype(np.float32)
    part = part[:, None] if axis == 0 else part
    first = image.take(low & (image.shape[axis] - 1), axis)
    return first + part * (image.take((low + 1) & (image.shape[axis] - 1), axis) - first)


def _mip(texels_per_pixel: float, levels: tuple[np.ndarray, ...]) -> int:
    return int(np.clip(np.floor(np.log2(max(1.0, texels_per_pixel)) + 0.5), 0, len(levels) - 1))


# Fat cells


_FAT_PITCH_UM = 58.0


def _septa(layout: Layout, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Depth into the walls between fat cells, in um: 0 midway between two cells, negative inside a cell."""
    salt = layout.salt("fat cells")
    u, j = x / _FAT_PITCH_UM, np.floor(y / _FAT_PITCH_UM).astype(np.int64)
    nearest, second = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
    for dj in (-1, 0, 1):
        row = j + dj
        shift = 0.5 * (row & 1)
        i = np.floor(u - shift).astype(np.int64)
        for di in (-1, 0, 1):
            cx = (i + di + shift + 0.5 + 0.7 * (uniform(i + di, row, salt) - 0.5)) * _FAT_PITCH_UM
            cy = (row + 0.5 + 0.7 * (uniform(i + di, row, salt + 1) - 0.5)) * _FAT_PITCH_UM
            squared = (x - cx) ** 2 + (y - cy) ** 2
            second = np.minimum(second, np.maximum(nearest, squared))
            nearest = np.minimum(nearest, squared)
    nearest, second = np.sqrt(nearest), np.sqrt(second)
    # Corners between three cells are filled: cells are round, not polygons.
    return np.maximum(0.5 * (nearest - second), nearest - 0.66 * _FAT_PITCH_UM)


def _upsampled_septa(layout: Layout, left: float, top: float, um_per_pixel: float) -> np.ndarray:
    step = max(2.5, um_per_pixel)
    count = int(np.ceil(BLOCK * um_per_pixel / step)) + 3
    first_x, first_y = np.floor(left / step) - 1, np.floor(top / step) - 1
    x, y = (first_x + np.arange(count)) * step, (first_y + np.arange(count)) * step
    septa = _septa(layout, *np.meshgrid(x, y)).astype(np.float32)
    pixel = (np.arange(BLOCK) + 0.5) * um_per_pixel
    return _linear_weights(top + pixel, y[0], step, count) @ septa @ _linear_weights(left + pixel, x[0], step, count).T


# Nuclei


def _with_nuclei(
    layout: Layout,
    stain: Stain,
    nodes: _Nodes,
    haematoxylin: np.ndarray,
    eosin: np.ndarray,
    left: float,
    top: float,
    um_per_pixel: float,
) -> np.ndarray:
    def paint(population: Population) -> None:
        if population.depth and nodes.highest(population.depth) <= 0:
            return
        salt = salt_of(layout.seed, "nuclei", population.name)
        draw(canvas, population, lambda x, y: nodes.at(x, y, population.orient), salt, left, top, um_per_pixel)

    canvas = blank(BLOCK, um_per_pixel)
    for population in populations(layout):
        paint(population)
    alpha, darkness = canvas.trimmed()
    chromatin = 0.72 + 0.56 * _grain(left + 91.0, top + 37.0, um_per_pixel)
    haematoxylin += alpha * (darkness * chromatin - haematoxylin)
    eosin += alpha * (np.float32(0.34) - eosin)
    canvas = blank(BLOCK, um_per_pixel)
    paint(RED_CELLS)
    alpha, _ = canvas.trimmed()
    haematoxylin -= alpha * haematoxylin
    eosin += alpha * (np.float32(1.45) - eosin)
    return stain.colour(haematoxylin, eosin)


def _with_coverage(
    layout: Layout, stain: Stain, nodes: _Nodes, haematoxylin: np.ndarray, eosin: np.ndarray
) -> np.ndarray:
    bare = np.ones(nodes.fields["outline"].shape)
    dye = np.zeros_like(bare)
    for population in populations(layout):
        if population.depth and nodes.highest(population.depth) <= 0:
            continue
        covered, darkness = coverage(population, nodes.fields)
        dye += covered * darkness
        bare *= 1 - covered
    nodes.fields["covered"] = 1 - bare
    nodes.fields["dye"] = dye / np.maximum(1 - bare, 1e-3)
    covered = nodes.plane("covered")[..., None]
    nuclei = stain.colour(nodes.plane("dye"), np.full_like(eosin, 0.34))
    ground = stain.colour(haematoxylin, eosin)
    return ground + covered * (nuclei - ground)


def _finish(rgb: np.ndarray, layout: Layout, column: int, row: int) -> np.ndarray:
    """Add the noise of a camera and round."""
    shift = salt_of(layout.seed, "camera", column, row) % _TEXTURE
    noise = texture("grain", _TEXTURE)[0].take((np.arange(BLOCK) + shift) & (_TEXTURE - 1), axis=1)
    noise -= np.float32(0.5)
    noise *= np.float32(2.0)
    rgb += noise[..., None]
    rgb += np.float32(0.5)
    return np.clip(rgb, 0, 255, out=rgb).astype(np.uint8)

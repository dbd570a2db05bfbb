"""One simulated piece of tissue: its picture and its expression, at any place, from a handful of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from molf_engine.data.simulator.architecture import architecture
from molf_engine.data.simulator.fields import Layout, abundance, fields_at
from molf_engine.data.simulator.noise import salt_of
from molf_engine.data.simulator.programmes import Programmes, programmes
from molf_engine.data.simulator.render import BLOCK, render_block
from molf_engine.data.simulator.stain import Stain

PATCH_UM = 112.0
_SAMPLE_UM = 8.0  # distance between the points at which a patch's composition is looked up
_CAPTURE_SD = 0.2  # of the log share of the molecules that a spot catches: it is not in the image
_DISPERSION = 0.06  # variance = mean + dispersion * mean^2


@dataclass(frozen=True)
class SimulatedTissue:
    """An H&E slide that is computed where it is looked at, with known expression.

    Parameters
    ----------
    seed : int
        Which piece of tissue.
    size_um : (float, float)
        Width and height of the slide.
    um_per_pixel : float
        At level 0.
    kind : str
        Simulated cancer code: a key of :data:`.architecture.ARCHITECTURES`.
    scanner : int, optional
        Which laboratory and scanner; sections of one patient share one. Default: one of its own for each seed.
    """

    seed: int
    size_um: tuple[float, float] = (4000.0, 4000.0)
    um_per_pixel: float = 1.0
    kind: str = "SIM_A"
    scanner: int | None = None

    def __post_init__(self) -> None:
        architecture(self.kind)

    @property
    def width(self) -> int:
        """Pixels at level 0."""
        return max(1, round(self.size_um[0] / self.um_per_pixel))

    @property
    def height(self) -> int:
        """Pixels at level 0."""
        return max(1, round(self.size_um[1] / self.um_per_pixel))

    @cached_property
    def layout(self) -> Layout:
        """Parameters of the fields."""
        return Layout(salt_of(self.seed, self.kind), *self.size_um, architecture(self.kind))

    @cached_property
    def stain(self) -> Stain:
        """Colours of the dyes and the glass."""
        return Stain.of_scanner(self.seed if self.scanner is None else self.scanner)

    @property
    def programmes(self) -> Programmes:
        """What its tissues express."""
        return programmes(self.kind)

    def block(self, column: int, row: int, downsample: float = 1.0) -> np.ndarray:
        """Return the block of pixels in one column and row of blocks, (BLOCK, BLOCK, 3) uint8 RGB, of a level."""
        return render_block(self.layout, self.stain, column, row, self.um_per_pixel * downsample)

    def render(self, x: int, y: int, width: int, height: int, downsample: float = 1.0) -> np.ndarray:
        """Return a region, (height, width, 3) uint8 RGB; x, y in pixels of the level with this downsample."""
        image = np.empty((height, width, 3), np.uint8)
        for row in range(y // BLOCK, -(-(y + height) // BLOCK)):
            for column in range(x // BLOCK, -(-(x + width) // BLOCK)):
                copy_overlap(self.block(column, row, downsample), column * BLOCK, row * BLOCK, image, x, y)
        return image

    def abundance(self, positions_um: np.ndarray, size_um: float = PATCH_UM) -> np.ndarray:
        """Return the share of each tissue, at zone 0 and zone 1, in patches around (P, 2) positions: (P, T, 2)."""
        positions = np.asarray(positions_um, np.float64).reshape(-1, 2)
        count = max(2, round(size_um / _SAMPLE_UM))
        offset = ((np.arange(count) + 0.5) / count - 0.5) * size_um
        dx, dy = (a.ravel() for a in np.meshgrid(offset, offset))
        result = np.empty((len(positions), *self.programmes.counts_per_um2.shape))
        for start in range(0, len(positions), 256):
            part = positions[start : start + 256]
            at = fields_at(self.layout, part[:, :1] + dx, part[:, 1:] + dy)
            result[start : start + 256] = abundance(at).mean(axis=1)
        return result

    def composition(self, positions_um: np.ndarray, size_um: float = PATCH_UM) -> np.ndarray:
        """Return the share of each tissue in patches around (P, 2) positions, (P, T); the rest is lumen or glass."""
        shares: np.ndarray = self.abundance(positions_um, size_um).sum(axis=-1)
        return shares

    def expression(
        self, positions_um: np.ndarray, genes: Sequence[str] | None = None, patch_um: float = PATCH_UM
    ) -> np.ndarray:
        """Return expected raw counts of square patches, (P, G); without ``genes``, of the whole panel."""
        counts = self.programmes.expected(self.abundance(positions_um, patch_um), patch_um**2)
        return counts if genes is None else counts[:, self.programmes.columns(list(genes))]

    def sample_counts(
        self, positions_um: np.ndarray, genes: Sequence[str] | None = None, patch_um: float = PATCH_UM, seed: int = 0
    ) -> np.ndarray:
        """Return raw counts as an experiment would measure them, (P, G) int32, drawn around :meth:`expression`."""
        counts = draw_counts(
            self.expression(positions_um, None, patch_um), salt_of(seed, "counts", self.seed, self.kind)
        )
        return counts if genes is None else counts[:, self.programmes.columns(list(genes))]


def draw_counts(expected: np.ndarray, seed: int) -> np.ndarray:
    """Return counts (P, G) int32 drawn around expected ones.

    They are negative binomial, and each spot catches a share of the molecules of its own.
    """
    rng = np.random.default_rng(seed)
    capture = rng.lognormal(-0.5 * _CAPTURE_SD**2, _CAPTURE_SD, (len(expected), 1))
    rate = expected * capture * rng.gamma(1 / _DISPERSION, _DISPERSION, expected.shape)
    return rng.poisson(rate).astype(np.int32)


def copy_overlap(block: np.ndarray, block_x: int, block_y: int, image: np.ndarray, x: int, y: int) -> None:
    """Copy what two pictures share from one into the other; the corners are in the same pixels."""
    top, bottom = max(block_y, y), min(block_y + block.shape[0], y + image.shape[0])
    left, right = max(block_x, x), min(block_x + block.shape[1], x + image.shape[1])
    if top < bottom and left < right:
        image[top - y : bottom - y, left - x : right - x] = block[
            top - block_y : bottom - block_y, left - block_x : right - block_x
        ]

"""Where the tissue of a slide is.

Stained tissue absorbs light, has the colours of haematoxylin and eosin, and is textured.  Each of the three alone is
fooled: smears of dye and shadows absorb but are smooth, marker pens have other colours, dust and the circles
of a Visium frame are grey or small.  All thresholds are optical densities, relative to the slide's own background.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.slides.overview import fit, reduced

if TYPE_CHECKING:
    from molf_engine.slides.protocol import Slide

WORKING_UM_PER_PIXEL = 12.0
"""Fine enough for the thinnest septa of a lung, coarse enough that nuclei blur into a texture."""
WORKING_PX = 1024
"""Longer side of the image that is looked at if um per pixel is unknown."""

_MAX_WORKING_PX = 6000
_LEAST_DENSITY, _MOST_DENSITY = 0.06, 0.15
_LEAST_TEXTURE = 0.03
_RIM_PX = 4
_DARK = 16.0
_LEAST_INK = 0.2
_COLOURLESS_SHARE, _LEAST_VARIETY = 0.02, 0.1
_SMALLEST_UM2 = 100.0**2
_LARGEST_HOLE_UM2 = 200.0**2
_NARROWEST_UM = 200.0
_UM_PER_PIXEL_IF_UNKNOWN = 10.0


@dataclass(frozen=True, eq=False)
class TissueMask:
    """Tissue of one slide.

    Attributes
    ----------
    mask : ndarray, (h, w), bool
        True on tissue.
    downsample : tuple of float
        (x, y) level-0 pixels per pixel of the mask.
    """

    mask: np.ndarray
    downsample: tuple[float, float]

    @property
    def empty(self) -> bool:
        """Whether the slide has no tissue."""
        return not bool(self.mask.any())

    def fraction(self, x0: np.ndarray, y0: np.ndarray, x1: np.ndarray, y1: np.ndarray) -> np.ndarray:
        """Share of tissue in rectangles, ``(P,)``, exact to fractions of a mask pixel.

        Parameters
        ----------
        x0, y0, x1, y1 : (P,)
            Left, top, right and lower borders in level-0 pixels; what lies outside the slide counts as no tissue.
        """
        left, right = (np.asarray(x, dtype=np.float64) / self.downsample[0] for x in (x0, x1))
        top, bottom = (np.asarray(y, dtype=np.float64) / self.downsample[1] for y in (y0, y1))
        covered = (
            self._below(right, bottom) - self._below(left, bottom) - self._below(right, top) + self._below(left, top)
        )
        area = np.maximum((right - left) * (bottom - top), np.finfo(float).tiny)
        share: np.ndarray = np.clip(covered / area, 0.0, 1.0)
        return share

    @cached_property
    def _integral(self) -> np.ndarray:
        """Tissue above and left of each corner of the mask's pixels, ``(h + 1, w + 1)``."""
        height, width = self.mask.shape
        total = np.zeros((height + 1, width + 1))
        total[1:, 1:] = self.mask.cumsum(axis=0).cumsum(axis=1)
        return total

    def _below(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # Between corners the integral of a piecewise constant image is bilinear.
        height, width = self.mask.shape
        x, y = np.clip(x, 0, width), np.clip(y, 0, height)
        left, top = np.minimum(x.astype(np.intp), width - 1), np.minimum(y.astype(np.intp), height - 1)
        right, low = x - left, y - top
        table = self._integral
        upper = table[top, left] * (1 - right) + table[top, left + 1] * right
        lower = table[top + 1, left] * (1 - right) + table[top + 1, left + 1] * right
        below: np.ndarray = upper * (1 - low) + lower * low
        return below


def tissue_mask(slide: Slide) -> TissueMask:
    """Find the tissue of a slide at about 12 um per pixel, or at 1024 px if its um per pixel is unknown.

    A slide without tissue gives an empty mask, not an error.
    """
    level = slide.levels[0]
    if slide.um_per_pixel is None:
        width, height = fit(level, WORKING_PX)
        um_per_pixel = _UM_PER_PIXEL_IF_UNKNOWN
    else:
        longest = max(level.width, level.height)
        factor = max(1.0, WORKING_UM_PER_PIXEL / slide.um_per_pixel, longest / _MAX_WORKING_PX)
        width, height = fit(level, max(1, round(longest / factor)))
        um_per_pixel = slide.um_per_pixel * level.width / width
    mask = find_tissue(reduced(slide, width, height), um_per_pixel)
    return TissueMask(mask, (level.width / width, level.height / height))


def find_tissue(image: np.ndarray, um_per_pixel: float) -> np.ndarray:
    """Tissue in a small RGB image.

    Parameters
    ----------
    image : (h, w, 3) uint8
        Best at 8 to 16 um per pixel.
    um_per_pixel : float
        Of ``image``, for the size of what is too small to be tissue.

    Returns
    -------
    ndarray
        ``(h, w)`` bool.
    """
    image = image.astype(np.float32)
    smooth = _blurred(image)
    background = _background(smooth)
    density = _density(smooth, background)
    absorbing = density[..., 1] > _density_threshold(density[..., 1])
    textured = absorbing & _textured(_density(image, background)[..., 1], absorbing)
    grey, ink = _grey(density), _ink(density)
    coloured = _tidy(textured & ~grey & ~ink, um_per_pixel)
    colourless = _solid(textured & grey, image.shape)
    # A slide that was scanned or saved without colour has hardly anything else.
    share = np.count_nonzero(colourless)
    dominant = share > _COLOURLESS_SHARE * colourless.size and share > 4 * np.count_nonzero(coloured)
    if dominant and density[colourless, 1].std() > _LEAST_VARIETY:
        return _tidy(textured & grey, um_per_pixel)
    return coloured


def _blurred(image: np.ndarray) -> np.ndarray:
    from skimage.filters import gaussian

    blurred: np.ndarray = gaussian(image, 1, channel_axis=-1, preserve_range=True)
    return blurred


def _background(smooth: np.ndarray) -> np.ndarray:
    """Colour of the glass, ``(3,)``: the brightest colour, not a vivid one, of which there is a fair amount."""
    brightness = smooth.mean(axis=-1)
    dull = (smooth.max(axis=-1) - smooth.min(axis=-1)) < 45
    counts, edges = np.histogram(brightness[dull], bins=64, range=(0, 256))
    share = np.convolve(counts, np.ones(3), mode="same") / brightness.size
    common = [
        i
        for i in range(1, 64)
        if edges[i] >= 120 and share[i] >= 0.02 and counts[i] >= counts[max(i - 1, 0) : i + 2].max()
    ]
    if not common:
        return np.full(3, 245.0, dtype=np.float32)
    peak = edges[common[-1]] + 2
    colour: np.ndarray = np.median(smooth[dull & (abs(brightness - peak) <= 6)], axis=0)
    return colour


def _density_threshold(density: np.ndarray) -> float:
    from skimage.filters import threshold_otsu

    clipped = np.minimum(density, 1.0)
    if clipped.max() - clipped.min() < 1e-6:
        return _MOST_DENSITY
    return float(np.clip(threshold_otsu(clipped) / 2, _LEAST_DENSITY, _MOST_DENSITY))


def _density(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Optical density of each colour, 0 on glass; nearly linear in the dark, where single grey levels are noise."""
    density: np.ndarray = np.clip(-np.log((image + _DARK) / (background + _DARK)), 0, None)
    return density


def _textured(density: np.ndarray, absorbing: np.ndarray) -> np.ndarray:
    """Where optical density ``(h, w)`` changes from pixel to pixel.

    Well inside of what absorbs only the inside is looked at, lest the outline of a stroke of ink pass for texture.
    """
    from skimage.filters import gaussian
    from skimage.morphology import isotropic_dilation, isotropic_erosion

    everywhere = _spread(density, np.ones_like(absorbing))
    glass = ~isotropic_dilation(absorbing, 8)
    noise = float(np.median(everywhere[glass])) if glass.any() else 0.0
    # Noise of a constant number of grey levels is a greater density the darker the image.
    least = np.maximum(_LEAST_TEXTURE, 3 * noise * np.exp(gaussian(density, 2)))
    core = isotropic_erosion(absorbing, _RIM_PX)
    massive = gaussian(core.astype(np.float32), 3) > 0.25
    rough_core = _spread(density, core) > least
    smooth_core = _mostly(core & massive & ~rough_core, core)
    rough_core = rough_core & ~smooth_core
    rim = isotropic_dilation(smooth_core, 2 * _RIM_PX + 2) & ~isotropic_dilation(core & rough_core, _RIM_PX)
    thin = ~massive & ~rim & (everywhere > least)
    textured: np.ndarray = (massive & rough_core & ~rim) | thin
    return textured


def _mostly(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Add to ``part`` each connected piece of ``whole`` of which it is the larger half: a flaw in a stroke is the stroke."""
    from skimage.measure import label

    pieces = label(whole, connectivity=2)
    share = np.bincount(pieces[part], minlength=pieces.max() + 1) / np.maximum(np.bincount(pieces.ravel()), 1)
    taken: np.ndarray = part | (whole & (share > 0.5)[pieces])
    return taken


def _spread(density: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Local standard deviation of the fine detail of ``density``, of the pixels ``where`` alone."""
    from skimage.filters import gaussian

    weight = where.astype(np.float32)

    def mean(values: np.ndarray, sigma: float) -> np.ndarray:
        local: np.ndarray = gaussian(values * weight, sigma) / np.maximum(gaussian(weight, sigma), 1e-6)
        return local

    spread: np.ndarray = np.sqrt(mean((density - mean(density, 2)) ** 2, 3))
    return spread


def _grey(density: np.ndarray) -> np.ndarray:
    """Absorbs all colours alike: dust, shadows, printed marks, black ink."""
    red, green, blue = (density[..., i] for i in range(3))
    return (blue > 0.88 * green) & (red > 0.7 * green) & (red < 1.3 * green)


def _ink(density: np.ndarray) -> np.ndarray:
    """Absorbs as neither stain does: haematoxylin and eosin both take most from green and some from blue."""
    from skimage.morphology import isotropic_dilation, isotropic_opening

    red, green, blue = (density[..., i] for i in range(3))
    strongest = np.maximum(red, green)
    blue_or_green_pen = red > 1.25 * green
    violet_pen = (blue < 0.2 * strongest) & (red > 0.6 * green) & (strongest > 0.5)
    red_pen = (blue > 0.86 * green) & (red < 0.25 * green)
    yellow_pen = blue > 1.3 * green
    black = np.minimum(red, green) > 1.8
    ink = (blue_or_green_pen | violet_pen | red_pen | yellow_pen | black) & (strongest > _LEAST_INK)
    # The rim of a stroke is a mixture of ink and glass, or of ink and what is beside it, of any colour.
    marks: np.ndarray = ink | isotropic_dilation(isotropic_opening(ink, 2), 4)
    return marks


def _tidy(mask: np.ndarray, um_per_pixel: float) -> np.ndarray:
    """Close gaps of a few pixels and small holes, drop specks and threads."""
    from skimage.morphology import isotropic_closing, remove_small_holes, remove_small_objects

    area = um_per_pixel**2
    mask = remove_small_objects(mask, max_size=max(9, round(_SMALLEST_UM2 / area)))
    # Wider, and the circles of a Visium frame, 100 um apart, would close to a band.
    mask = isotropic_closing(np.pad(mask, 4, mode="edge"), 3)[4:-4, 4:-4]
    mask = remove_small_holes(mask, max_size=round(_LARGEST_HOLE_UM2 / area))
    mask = remove_small_objects(mask, max_size=max(9, round(3 * _SMALLEST_UM2 / area)))
    return _without_threads(mask, max(3.0, _NARROWEST_UM / 2 / um_per_pixel))


def _without_threads(mask: np.ndarray, half_width: float) -> np.ndarray:
    """Only the pieces that somewhere are as wide as twice ``half_width`` pixels."""
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import label

    pieces = label(mask, connectivity=2)
    wide = np.unique(pieces[distance_transform_edt(mask) >= half_width])
    kept: np.ndarray = np.isin(pieces, wide[wide > 0])
    return kept


def _solid(mask: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Only where the mask is wide: the outlines of strokes and printed circles are not."""
    from skimage.morphology import isotropic_opening

    opened: np.ndarray = isotropic_opening(mask, max(3, round(max(shape[:2]) / 100)))
    return opened

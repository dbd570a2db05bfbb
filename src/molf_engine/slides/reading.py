"""Read the image of a patch at any um per pixel.  The hot path of encoding."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from molf_engine.errors import MissingScaleError
from molf_engine.slides.overview import resample
from molf_engine.slides.protocol import Slide

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

# A scan at "0.5 um per pixel" has 0.48 to 0.52: levels that are called half as coarse as needed must count as such.
_SLACK = 0.1


def require_scale(slide: Slide) -> float:
    """Um per pixel of a slide.

    Raises
    ------
    MissingScaleError
        If neither the file nor the user said.
    """
    if slide.um_per_pixel is None:
        raise MissingScaleError(
            f"{slide.path} does not say how many um a pixel is, and patches are measured in um. Give it with"
            " --um-per-pixel (in the viewer: the um per pixel field); 20x scans have about 0.5, 40x scans about 0.25."
        )
    return slide.um_per_pixel


def choose_level(slide: Slide, um_per_pixel: float) -> int:
    """Level to read from for a wanted um per pixel.

    The finest that is at most twice as fine as wanted and not coarser; between levels that are further apart, the
    coarsest that is fine enough; level 0 if the whole slide is coarser.
    """
    finest = require_scale(slide)
    scales = [finest * math.sqrt(level.downsample[0] * level.downsample[1]) for level in slide.levels]
    enough = [number for number, scale in enumerate(scales) if scale <= um_per_pixel * (1 + _SLACK)]
    if not enough:
        return 0
    near = [number for number in enough if scales[number] >= um_per_pixel / 2 * (1 - _SLACK)]
    return near[0] if near else enough[-1]


def read_patch(slide: Slide, centre: Sequence[float] | np.ndarray, size_um: float, size_px: int) -> np.ndarray:
    """Image of a square of tissue, shape ``(size_px, size_px, 3)``, RGB uint8; white outside the slide.

    Parameters
    ----------
    slide : Slide
        With known um per pixel.
    centre : (2,)
        x, y in level-0 pixels, fractions allowed.
    size_um : float
        Side of the square in um.
    size_px : int
        Side of the image: averaged over area from a finer level, interpolated where the slide is coarser than asked.

    Raises
    ------
    MissingScaleError
        If the slide's um per pixel is unknown.
    SlideError
        If that part of the file is damaged.
    """
    number = choose_level(slide, size_um / size_px)
    level = slide.levels[number]
    half = size_um / require_scale(slide) / 2
    left, right = ((float(centre[0]) + side) / level.downsample[0] for side in (-half, half))
    top, bottom = ((float(centre[1]) + side) / level.downsample[1] for side in (-half, half))
    # One pixel more on each side, for what the resampling looks at beyond the border.
    x, y = math.floor(left) - 1, math.floor(top) - 1
    width, height = math.ceil(right) + 1 - x, math.ceil(bottom) + 1 - y
    region = slide.read_region(x, y, width, height, number)
    return resample(region, (left - x, top - y, right - x, bottom - y), size_px, size_px)

"""What lies under a map: the slide at the resolution of the picture, or its thumbnail where the slide is gone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.slides.overview import resample

if TYPE_CHECKING:
    from molf_engine.export.shown import Box, Shown
    from molf_engine.slides import Slide


@dataclass(frozen=True)
class Backdrop:
    """A picture of part of a slide.

    Attributes
    ----------
    image
        (height, width, 3) uint8.
    box
        What it shows.
    thumbnail
        Whether it was taken from the thumbnail that the prediction keeps.
    """

    image: np.ndarray
    box: Box
    thumbnail: bool


def clipped(box: Box, shown: Shown, margin: float = 0.0) -> Box:
    """A box, wider by ``margin`` level-0 pixels on each side, as far as the slide goes; the whole slide if nothing of it is left."""
    size = shown.molf["slide"]
    width, height = float(size["width"]), float(size["height"])
    left, top = max(0.0, box[0] - margin), max(0.0, box[1] - margin)
    right, bottom = min(width, box[2] + margin), min(height, box[3] + margin)
    return (left, top, right, bottom) if right - left >= 1 and bottom - top >= 1 else (0.0, 0.0, width, height)


def backdrop(shown: Shown, box: Box, slide: Slide | None = None, max_px: int = 1600) -> Backdrop:
    """Picture of a box of the slide, its longer side at most ``max_px`` pixels; never enlarged.

    Parameters
    ----------
    shown : Shown
        The prediction.
    box : Box
        Inside the slide, see :func:`clipped`.
    slide : Slide, optional
        The open slide; the prediction's own thumbnail if not given.
    """
    if slide is None:
        return _of_thumbnail(shown, box, max_px)
    number = max(
        (i for i in range(len(slide.levels)) if _longest(box, slide.levels[i].downsample) >= max_px), default=0
    )
    fx, fy = slide.levels[number].downsample
    x0, y0, x1, y1 = box[0] / fx, box[1] / fy, box[2] / fx, box[3] / fy
    left, top = math.floor(x0), math.floor(y0)
    region = slide.read_region(left, top, math.ceil(x1) - left, math.ceil(y1) - top, number)
    return Backdrop(_fitted(region, (x0 - left, y0 - top, x1 - left, y1 - top), max_px), box, False)


def _longest(box: Box, downsample: tuple[float, float]) -> float:
    return max((box[2] - box[0]) / downsample[0], (box[3] - box[1]) / downsample[1])


def _of_thumbnail(shown: Shown, box: Box, max_px: int) -> Backdrop:
    entry = shown.adata.uns["spatial"][shown.slide_name]
    image = np.asarray(entry["images"]["hires"], np.uint8)
    factor = float(entry["scalefactors"]["tissue_hires_scalef"])
    height, width = image.shape[:2]
    x0, y0, x1, y1 = (edge * factor for edge in box)
    inside = (max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
    return Backdrop(_fitted(image, inside, max_px), box, True)


def _fitted(image: np.ndarray, box: Box, max_px: int) -> np.ndarray:
    width, height = box[2] - box[0], box[3] - box[1]
    shrink = min(1.0, max_px / max(width, height))
    return resample(image, box, max(1, round(width * shrink)), max(1, round(height * shrink)))

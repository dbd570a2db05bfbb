"""Stain-separated maps of an H&E image, and the white and stain level of a slide.

Light that passes through stained tissue is weakened exponentially, so amounts of stain add up in optical density
(Beer-Lambert), not in RGB.  Haematoxylin and eosin are unmixed with the fixed vectors of Ruifrok and Johnston (Anal
Quant Cytol Histol 23:291, 2001); what differs between scanners and staining runs, the colour of the glass and the
overall strength, is measured once for each slide.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from molf_engine.slides import Slide

HAEMATOXYLIN, EOSIN, DENSITY = 0, 1, 2
"""Rows of the maps that :func:`stain_maps` returns."""

# Rows: haematoxylin, eosin, residual; columns: optical density in R, G, B.
_VECTORS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_UNMIX = np.linalg.inv(_VECTORS / np.linalg.norm(_VECTORS, axis=1, keepdims=True)).T.astype(np.float32)
_TO_DENSITY = -np.log((np.arange(256) + 1) / 256).astype(np.float32)
_OVERVIEW_UM = 16.0
_OVERVIEW_MAX_PX = 2048
_TISSUE_DENSITY = 0.15
_DARKEST_WHITE = 190


@dataclass(frozen=True)
class StainLevel:
    """White and stain strength of a slide.

    Attributes
    ----------
    white : tuple of float
        RGB value of glass without tissue, 0 to 255.
    strength : float
        95th percentile of the mean optical density of the slide's tissue.
    """

    white: tuple[float, float, float] = (255.0, 255.0, 255.0)
    strength: float = 1.0


def measure_level(slide: Slide) -> StainLevel:
    """White and stain strength of a slide.

    Depends on the slide alone, so that a region of it is encoded as the whole is.
    """
    return level_of_overview(overview(slide))


def overview(slide: Slide) -> np.ndarray:
    """Whole slide at 16 um per pixel, or coarser if it is very large: ``(h, w, 3)`` uint8."""
    from molf_engine.slides import thumbnail

    finest = slide.levels[0]
    pixels = max(finest.width, finest.height) * (slide.um_per_pixel or 1.0) / _OVERVIEW_UM
    return thumbnail(slide, int(np.clip(round(pixels), 64, _OVERVIEW_MAX_PX)))


def level_of_overview(image: np.ndarray) -> StainLevel:
    """White and stain strength of an overview ``(h, w, 3)`` uint8."""
    pixels = image.reshape(-1, 3)
    # Pure white is where nothing was scanned or somebody masked; glass under a microscope never is.
    scanned = pixels[pixels.min(axis=1) < 253]
    if len(scanned) < 64:
        return StainLevel()
    white = np.maximum(np.percentile(scanned, 98, axis=0), _DARKEST_WHITE)
    density = np.maximum(_TO_DENSITY[scanned] + np.log((white + 1) / 256), 0).mean(axis=1)
    tissue = density[density > _TISSUE_DENSITY]
    strength = float(np.percentile(tissue, 95)) if len(tissue) >= 64 else 1.0
    return StainLevel((float(white[0]), float(white[1]), float(white[2])), strength)


def stain_maps(image: np.ndarray, level: StainLevel) -> np.ndarray:
    """Haematoxylin, eosin and mean optical density ``(3, h, w)`` float32 of an RGB image ``(h, w, 3)`` uint8.

    In units of the slide's stain strength; glass is 0.
    """
    glass = -np.log((np.array(level.white) + 1) / 256).astype(np.float32)
    density = np.stack([np.maximum(_TO_DENSITY[image[..., c]] - glass[c], 0) for c in range(3)])
    maps = np.empty_like(density)
    for row in (HAEMATOXYLIN, EOSIN):
        maps[row] = sum(_UNMIX[row, c] * density[c] for c in range(3))
    maps[DENSITY] = (density[0] + density[1] + density[2]) / 3
    return maps / np.float32(level.strength)

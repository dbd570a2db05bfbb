"""A small slide and a small encoder whose calls are counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tifffile

from molf_engine.slides import Slide, open_slide

UM_PER_PIXEL = 2.0
PATCH_UM = 64.0


def tissue_image(side: int = 512, seed: int = 0) -> np.ndarray:
    """Pink ground with dark blue discs, glass around it; (side, side, 3) uint8."""
    random = np.random.default_rng(seed)
    image = np.full((side, side, 3), (245, 242, 244), np.uint8)
    image[32:-32, 32:-32] = (215, 150, 190)
    y, x = np.mgrid[-3:4, -3:4]
    disc = y**2 + x**2 < 6
    for cy, cx in random.integers(40, side - 40, (side * side // 700, 2)):
        image[cy - 3 : cy + 4, cx - 3 : cx + 4][disc] = (80, 50, 130)
    return image


def write_slide(path: Path, image: np.ndarray) -> Path:
    dots = 1e4 / UM_PER_PIXEL
    tifffile.imwrite(
        path,
        image,
        photometric="rgb",
        tile=(64, 64),
        compression="deflate",
        resolution=(dots, dots),
        resolutionunit="CENTIMETER",
    )
    return path


def open_toy(path: Path) -> Slide:
    return open_slide(path, um_per_pixel=UM_PER_PIXEL)


@dataclass
class MeanColour:
    """Features: the mean of each channel, and of its square."""

    name: str = "mean-colour-v1:000000000000"
    width: int = 6
    field_um: float = PATCH_UM
    field_px: int = 16
    encoded: list[int] = field(default_factory=list)

    def for_slide(self, slide: Slide) -> MeanColour:
        return self

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.encoded.append(len(images))
        values = images.reshape(len(images), -1, 3).astype(np.float64) / 255
        return np.concatenate([values.mean(1), (values**2).mean(1)], axis=1).astype(np.float32)

    @property
    def total(self) -> int:
        return sum(self.encoded)

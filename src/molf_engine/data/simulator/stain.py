"""Haematoxylin and eosin: from amounts of dye to colours, with the variation between laboratories and scanners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from molf_engine.data.simulator.noise import salt_of

_HAEMATOXYLIN = np.array([0.64, 0.71, 0.31])
_EOSIN = np.array([0.085, 0.80, 0.44])


@dataclass(frozen=True)
class Stain:
    """Absorbance of each dye per unit amount, and the colour of the bare glass."""

    haematoxylin: tuple[float, float, float]
    eosin: tuple[float, float, float]
    glass: tuple[float, float, float]

    @classmethod
    def of_scanner(cls, seed: int) -> Stain:
        """Return the stain of one laboratory and scanner: each seed a slightly different one."""
        rng = np.random.default_rng(salt_of(seed, "stain"))
        haematoxylin = (_HAEMATOXYLIN + rng.uniform(-0.03, 0.03, 3)) * rng.uniform(0.90, 1.12)
        eosin = (_EOSIN + rng.uniform(-0.025, 0.025, 3)) * rng.uniform(0.85, 1.15)
        glass = 243.0 + rng.uniform(-3, 2) + rng.uniform(-1.5, 1.5, 3)
        return cls(tuple(haematoxylin), tuple(np.clip(eosin, 0.04, None)), tuple(glass))

    def colour(self, haematoxylin: np.ndarray, eosin: np.ndarray) -> np.ndarray:
        """Return float32 RGB (..., 3), 0-255, of light that passed the given amounts of dye (Beer-Lambert)."""
        out = np.empty((*haematoxylin.shape, 3), np.float32)
        for channel in range(3):
            depth = haematoxylin * np.float32(-self.haematoxylin[channel])
            depth -= eosin * np.float32(self.eosin[channel])
            np.exp(depth, out=depth)
            np.multiply(depth, np.float32(self.glass[channel]), out=out[..., channel])
        return out

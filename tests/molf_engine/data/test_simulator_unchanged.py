"""The codes of the demo corpus stay as the shipped demo bundle has learnt them.

Taken from the simulator that drew the bundle's training sections.  Where arithmetic is the same on every machine a digest
is compared; the picture, which goes through matrix products and exponentials, by the means of its parts.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
import pytest

from molf_engine.data.simulator import DEMO_KINDS, programmes
from molf_engine.data.simulator.corpus import section_tissue


class Pinned(NamedTuple):
    seed: int
    abundance: str
    profile: str
    picture: list[list[float]]
    """Mean grey value of 16 squares of 128 px."""


PINNED = {
    "SIM_A": Pinned(
        277578932,
        "fe62b22121c61cd8",
        "286ae0f532361e14",
        [
            [211.77, 178.46, 142.19, 158.61],
            [201.54, 167.57, 140.58, 156.54],
            [177.57, 176.83, 156.86, 143.24],
            [148.67, 164.47, 171.38, 136.24],
        ],
    ),
    "SIM_B": Pinned(
        4118108939,
        "e92b7ba257d78997",
        "9808eda9c1a90a09",
        [
            [187.59, 181.27, 228.32, 204.93],
            [184.65, 178.19, 198.05, 222.01],
            [195.46, 169.15, 175.95, 178.66],
            [164.3, 177.32, 176.27, 185.44],
        ],
    ),
    "SIM_C": Pinned(
        3429109262,
        "78ecedb6e776cea8",
        "d620322f18f59376",
        [
            [162.66, 168.94, 175.19, 175.94],
            [172.37, 199.73, 183.39, 188.7],
            [174.23, 175.64, 176.63, 183.95],
            [163.51, 171.16, 163.87, 167.73],
        ],
    ),
}


def digest(values: np.ndarray) -> str:
    """Of values rounded so coarsely that the last bits of a processor do not count."""
    return hashlib.sha256((np.round(values, 6) + 0.0).astype("<f8").tobytes()).hexdigest()[:16]


def test_the_demo_codes_are_all_pinned() -> None:
    assert tuple(PINNED) == DEMO_KINDS


@pytest.mark.parametrize("kind", PINNED)
def test_the_first_demo_section_of_a_code_is_what_it_was(kind: str) -> None:
    pinned, tissue = PINNED[kind], section_tissue(kind, 1)
    assert tissue.seed == pinned.seed
    at = np.array([[1500.0, 1500.0], [2000.0, 1800.0], [900.0, 2100.0]])
    assert digest(tissue.abundance(at)) == pinned.abundance
    assert digest(np.log(programmes(kind).profile)) == pinned.profile
    picture = tissue.render(1400, 1400, 512, 512).astype(float).reshape(4, 128, 4, 128, 3).mean(axis=(1, 3, 4))
    assert np.allclose(picture, pinned.picture, atol=0.02)

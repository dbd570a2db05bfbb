"""Statistics of stain maps: their invariances, and values known on paper."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.encoders.stain import StainLevel, stain_maps
from molf_engine.encoders.texture import WINDOWS, statistics

from .toy import tissue_image

UM = 3.5


def maps_of(image: np.ndarray) -> np.ndarray:
    return stain_maps(image, StainLevel((245.0, 242.0, 244.0)))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    picture = tissue_image(192, seed=5)[32:160, 32:160].copy()
    picture[:40] = (230, 200, 225)  # no symmetry of its own
    # Real images have grain; without it, equal maxima at the rim of a square are counted or not by their side.
    grain = np.random.default_rng(0).integers(-3, 4, picture.shape)
    return (picture + grain).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_rotation_changes_nothing(image: np.ndarray, turns: int) -> None:
    for straight, turned in zip(
        statistics(maps_of(image), UM), statistics(maps_of(np.rot90(image, turns)), UM), strict=True
    ):
        np.testing.assert_allclose(turned, straight, atol=2e-4)


def test_reflection_changes_nothing(image: np.ndarray) -> None:
    for straight, mirrored in zip(statistics(maps_of(image), UM), statistics(maps_of(image[:, ::-1]), UM), strict=True):
        np.testing.assert_allclose(mirrored, straight, atol=2e-4)


def test_moments_of_an_even_field() -> None:
    maps = np.zeros((3, 64, 64), np.float32)
    maps[0], maps[1], maps[2] = 0.5, 0.25, 0.4
    core, fine = statistics(maps, UM)
    assert len(core) == len(fine) == len(WINDOWS)
    for window in core:
        np.testing.assert_allclose(window[:3], [0.5, 0.25, 0.4], rtol=1e-5)
        np.testing.assert_allclose(window[3:], 0, atol=1e-5)
    assert np.isfinite(fine).all()


def test_blobs_are_counted_per_area() -> None:
    maps = np.zeros((3, 128, 128), np.float32)
    y, x = np.mgrid[:128, :128]
    for centre_y in range(8, 128, 16):
        for centre_x in range(8, 128, 16):
            maps[0] += np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / 2).astype(np.float32)
    core, _ = statistics(maps, UM)
    per_area = 64 / (128 * UM / 100) ** 2
    np.testing.assert_allclose(np.expm1(core[0, 10:13]), per_area, rtol=1e-4)
    assert core[:, 9].min() > 0


def test_context_is_seen_by_the_wide_square_alone() -> None:
    maps = np.zeros((3, 128, 128), np.float32)
    maps[:, :16] = 1
    core, _ = statistics(maps, UM)
    assert core[0, 0] == pytest.approx(1 / 8)
    np.testing.assert_allclose(core[1:, 0], 0, atol=1e-6)

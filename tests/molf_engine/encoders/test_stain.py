"""Stain maps and the stain level of a slide, on images whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from molf_engine.encoders.stain import (
    DENSITY,
    EOSIN,
    HAEMATOXYLIN,
    StainLevel,
    level_of_overview,
    measure_level,
    stain_maps,
)
from molf_engine.slides import open_slide

from .toy import tissue_image

HAEMATOXYLIN_COLOUR = np.array([0.65, 0.70, 0.29])
EOSIN_COLOUR = np.array([0.07, 0.99, 0.11])


def stained(amount: float, colour: np.ndarray, white: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Image of glass that lets through what an amount of one stain leaves."""
    density = amount * colour / np.linalg.norm(colour)
    pixel = (np.array(white) + 1) * np.exp(-density) - 1
    return np.broadcast_to(np.round(pixel), (8, 8, 3)).astype(np.uint8)


@pytest.mark.parametrize("white", [(255, 255, 255), (236, 220, 235)])
def test_each_stain_is_found_in_its_own_map(white: tuple[int, int, int]) -> None:
    level = StainLevel(white)
    haematoxylin = stain_maps(stained(0.8, HAEMATOXYLIN_COLOUR, white), level).mean(axis=(1, 2))
    eosin = stain_maps(stained(0.6, EOSIN_COLOUR, white), level).mean(axis=(1, 2))
    np.testing.assert_allclose(haematoxylin[[HAEMATOXYLIN, EOSIN]], [0.8, 0], atol=0.02)
    np.testing.assert_allclose(eosin[[HAEMATOXYLIN, EOSIN]], [0, 0.6], atol=0.02)


def test_glass_has_no_stain() -> None:
    white = (236, 220, 235)
    image = np.broadcast_to(np.array(white, np.uint8), (8, 8, 3))
    np.testing.assert_allclose(stain_maps(image, StainLevel(white)), 0, atol=1e-6)


def test_maps_are_in_units_of_the_slides_strength() -> None:
    image = stained(0.8, HAEMATOXYLIN_COLOUR)
    np.testing.assert_allclose(
        stain_maps(image, StainLevel(strength=2.0)), stain_maps(image, StainLevel()) / 2, rtol=1e-6
    )


def test_the_white_of_a_slide_is_its_glass() -> None:
    np.testing.assert_allclose(level_of_overview(tissue_image(256)).white, (245, 242, 244), atol=1)


def test_masked_surroundings_are_not_taken_for_glass() -> None:
    image = np.full((600, 600, 3), 255, np.uint8)
    image[150:450, 150:450] = tissue_image(300)
    np.testing.assert_allclose(level_of_overview(image).white, (245, 242, 244), atol=1)


def test_tissue_without_glass_is_not_taken_for_white() -> None:
    image = np.broadcast_to(np.array((180, 90, 160), np.uint8), (100, 100, 3))
    assert min(level_of_overview(image).white) >= 180
    assert stain_maps(image, level_of_overview(image))[DENSITY].mean() > 0


def test_a_blank_field_has_the_default_level() -> None:
    assert level_of_overview(np.full((64, 64, 3), 255, np.uint8)) == StainLevel()


def test_a_weakly_stained_slide_looks_like_a_strongly_stained_one() -> None:
    image = tissue_image(256)
    weak = np.round(((image + 1.0) / 256) ** 0.6 * 256 - 1).astype(np.uint8)
    ours = [stain_maps(view, level_of_overview(view)).mean(axis=(1, 2)) for view in (image, weak)]
    fixed = [stain_maps(view, StainLevel()).mean(axis=(1, 2)) for view in (image, weak)]
    assert np.abs(ours[1] / ours[0] - 1).max() < 0.06
    assert np.abs(fixed[1] / fixed[0] - 1).min() > 0.3


def test_real_sections_have_plausible_levels(shared_data: Path) -> None:
    for name in ("HER2ST_C2", "HER2ST_A1"):
        with open_slide(shared_data / "her2st" / "wsis" / f"{name}.tif") as slide:
            level = measure_level(slide)
        assert all(220 <= value <= 255 for value in level.white), name
        assert 0.5 < level.strength < 1.5, name

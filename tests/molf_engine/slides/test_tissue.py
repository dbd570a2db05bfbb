"""Tissue is found where it is, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from molf_engine.errors import NoTissueError
from molf_engine.slides import TissueMask, find_tissue, open_slide, patch_grid, thumbnail, tissue_mask

MEASURED = (
    *(f"her2st/wsis/HER2ST_{name}.tif" for name in ("A1", "A2", "C2", "C3", "C4", "C5", "C6")),
    *(f"mouse_olfactory_bulb/wsis/MOB_{name}.tif" for name in ("Rep11", "STU1", "STU2", "STU3", "STU4")),
    "lung_ipf_xenium/wsis/NCBI858_cells200.tif",
)
# Share of the slide that is tissue, judged by eye from the thumbnails.
UNMEASURED = (
    ("slides/CMU-1-Small-Region.svs", 0.3, 0.5),
    ("slides/TCGA-CR-7395-01A-01-TS1.svs", 0.55, 0.72),
    ("he_only/human_CRC_cottrazm_aligned_fiducials.jpg", 0.5, 0.75),
    ("he_only/human_prostate_normal_10x_lowres.png", 0.25, 0.36),
    ("he_only/human_tonsil_cnag.jpg", 0.38, 0.5),
    ("he_only/sows2025_visium_hires.png", 0.1, 0.2),
    ("visium_cytassist_mouse_embryo/spatial/tissue_lowres_image.png", 0.25, 0.4),
)
PENS = {"blue": (40, 60, 160), "green": (30, 110, 60), "black": (35, 35, 40), "red": (200, 40, 50)}


@pytest.mark.parametrize("name", MEASURED, ids=[Path(name).stem for name in MEASURED])
def test_measured_spots_are_on_tissue(shared_data: Path, name: str) -> None:
    import anndata

    expression = shared_data / name.replace("wsis", "st").replace(".tif", ".h5ad")
    spots = np.asarray(anndata.read_h5ad(expression).obsm["spatial"])
    with open_slide(shared_data / name) as slide:
        found = tissue_mask(slide)
    half = np.array(found.downsample) / 2
    x, y = spots[:, 0], spots[:, 1]
    inside = found.fraction(x - half[0], y - half[1], x + half[0], y + half[1]) >= 0.5
    assert inside.mean() >= 0.95
    # Of these slides at most three quarters are tissue: a mask of everything would pass the line above.
    assert found.mask.mean() < 0.8


@pytest.mark.parametrize(("name", "least", "most"), UNMEASURED, ids=[Path(name).stem for name, _, _ in UNMEASURED])
def test_other_real_slides_have_their_share_of_tissue(shared_data: Path, name: str, least: float, most: float) -> None:
    with open_slide(shared_data / name) as slide:
        assert least < tissue_mask(slide).mask.mean() < most


def test_the_smear_and_the_glass_beside_a_section_are_left_out(shared_data: Path) -> None:
    with open_slide(shared_data / "her2st/wsis/HER2ST_C6.tif") as slide:
        found = tissue_mask(slide)
    height, width = found.mask.shape
    assert not found.mask[: height // 5].any() and not found.mask[:, int(width * 0.75) :].any()
    assert not found.mask[int(height * 0.8) :].any()


def test_red_fiducials_at_the_border_are_left_out(shared_data: Path) -> None:
    with open_slide(shared_data / "he_only/human_CRC_cottrazm_aligned_fiducials.jpg") as slide:
        mask = tissue_mask(slide).mask
        image = thumbnail(slide)
    red = (image[..., 0] > 180) & (image[..., 1] < 130)
    top = slice(0, 50)
    assert red[top].sum() > 2000
    assert not mask[top].any()


@pytest.mark.parametrize("level", [255, 240, 215, 200])
@pytest.mark.parametrize("noise", [0, 2, 8])
def test_a_blank_field_has_none(level: int, noise: float) -> None:
    field = np.random.default_rng(0).normal(level, noise, (300, 400, 3)).clip(0, 255).astype(np.uint8)
    assert not find_tissue(field, 12).any()


def test_uneven_light_is_no_tissue() -> None:
    light = np.linspace(0.8, 1, 600)[None, :, None] * np.array([235, 238, 240])
    noisy = light + np.random.default_rng(0).normal(0, 2, (500, 600, 3))
    assert not find_tissue(noisy.clip(0, 255).astype(np.uint8), 12).any()


def _strokes(image: np.ndarray, colours: list[tuple[int, int, int]], width: int) -> np.ndarray:
    """Wavy marker strokes from left to right, drawn four times as large for soft edges."""
    height, length = image.shape[:2]
    large = Image.fromarray(image).resize((4 * length, 4 * height), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    t = np.linspace(0, 1, 80)
    for number, colour in enumerate(colours, start=1):
        x = length * (0.1 + 0.8 * t)
        y = height * number / (len(colours) + 1) + height * 0.06 * np.sin(9 * t + number)
        pen.line([(4 * a, 4 * b) for a, b in zip(x, y, strict=True)], fill=colour, width=4 * width, joint="curve")
    return np.asarray(large.resize((length, height), Image.Resampling.BOX))


@pytest.mark.parametrize("colour", PENS)
@pytest.mark.parametrize("width", [6, 20, 50])
@pytest.mark.parametrize("glass", [(255, 255, 255), (236, 232, 238)])
def test_pen_marks_are_no_tissue(colour: str, width: int, glass: tuple[int, int, int]) -> None:
    blank = np.full((360, 480, 3), glass, np.uint8)
    assert not find_tissue(_strokes(blank, [PENS[colour]], width), 12).any()


def test_pen_marks_beside_a_section_do_not_join_it(shared_data: Path) -> None:
    with open_slide(shared_data / "her2st/wsis/HER2ST_C6.tif") as slide:
        image = thumbnail(slide, 568)
    section = find_tissue(image, 12)
    image = image.copy()
    image[430:] = _strokes(image[430:], list(PENS.values()), 9)
    marked = find_tissue(image, 12)
    assert not marked[430:].any()
    assert (marked & section).sum() > 0.97 * section[:430].sum()


def test_circles_of_a_visium_frame_are_no_tissue() -> None:
    frame = Image.new("RGB", (700, 700), (245, 245, 245))
    pen = ImageDraw.Draw(frame)
    for along in range(10, 680, 13):
        for across in (10, 23, 36):
            pen.ellipse((along, across, along + 9, across + 9), outline=(220, 40, 40), width=2)
            pen.ellipse((across, along, across + 9, along + 9), outline=(150, 150, 160), width=2)
    assert not find_tissue(np.asarray(frame), 8).any()


def test_a_blank_slide_is_an_error_only_where_patches_are_wanted(tmp_path: Path) -> None:
    Image.new("RGB", (800, 600), (244, 243, 245)).save(tmp_path / "blank.png")
    with open_slide(tmp_path / "blank.png", um_per_pixel=2.0) as slide:
        assert tissue_mask(slide).empty
        with pytest.raises(NoTissueError, match="no tissue was found"):
            patch_grid(slide, 112)


def test_the_share_of_tissue_is_exact_between_mask_pixels() -> None:
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    tissue = TissueMask(mask, (10.0, 20.0))
    boxes = np.array([(20, 20, 50, 60), (0, 0, 60, 80), (15, 10, 25, 30), (45, 50, 55, 70), (-60, -80, 60, 80)], float)
    expected = [1, 6 / 24, 0.25, 0.25, 6 / 96]
    np.testing.assert_allclose(tissue.fraction(*boxes.T), expected)
    assert not tissue.empty

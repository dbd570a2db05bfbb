"""The simulated picture depends on seed and position alone."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from molf_engine.data.simulator import ARCHITECTURES, SimulatedSlide, SimulatedTissue, demo_tissue
from molf_engine.data.simulator.noise import gradient_noise, hash_lattice
from molf_engine.data.simulator.render import BLOCK
from molf_engine.data.simulator.tissue import PATCH_UM
from molf_engine.errors import DataError
from molf_engine.slides import Slide, open_slide

SMALL = SimulatedTissue(seed=5, size_um=(1500.0, 1300.0), um_per_pixel=1.0)


def test_a_region_is_the_crop_of_a_larger_one_across_block_borders() -> None:
    large = SMALL.render(300, 350, 500, 420)
    assert np.array_equal(SMALL.render(BLOCK - 60, BLOCK - 40, 130, 90), large[122:212, 152:282])


def test_blocks_join_without_a_seam() -> None:
    image = SMALL.render(BLOCK - 100, 300, 200, 600).astype(float)
    steps = abs(np.diff(image, axis=1)).mean(axis=(0, 2))
    assert steps[99] < 1.3 * np.median(steps)


def test_the_same_seed_draws_the_same_and_another_seed_or_kind_does_not() -> None:
    again = SimulatedTissue(seed=5, size_um=(1500.0, 1300.0), um_per_pixel=1.0)
    view = (500, 500, 60, 60)
    assert np.array_equal(again.render(*view), SMALL.render(*view))
    for other in (SimulatedTissue(6, SMALL.size_um), SimulatedTissue(5, SMALL.size_um, kind="SIM_B")):
        assert not np.array_equal(other.render(*view), SMALL.render(*view))


@pytest.mark.parametrize("downsample", [2, 4])
def test_a_coarser_level_looks_like_the_average_of_the_finest(downsample: int) -> None:
    side = 512
    fine = SMALL.render(400, 400, side, side).astype(float)
    mean = fine.reshape(side // downsample, downsample, side // downsample, downsample, 3).mean(axis=(1, 3))
    coarse = SMALL.render(
        400 // downsample, 400 // downsample, side // downsample, side // downsample, downsample
    ).astype(float)
    assert abs(coarse.mean(axis=(0, 1)) - mean.mean(axis=(0, 1))).max() < 8
    assert np.corrcoef(coarse.ravel(), mean.ravel())[0, 1] > 0.9


def test_the_overview_has_the_colours_of_the_finest_level() -> None:
    tissue = SimulatedTissue(5, (2048.0, 2048.0))
    fine = tissue.render(512, 512, 1024, 1024).astype(float).mean(axis=(0, 1))
    overview = tissue.render(64, 64, 128, 128, downsample=8).astype(float).mean(axis=(0, 1))
    assert abs(overview - fine).max() < 10


def test_the_far_corner_of_a_huge_slide_costs_no_more_than_the_near_one() -> None:
    huge = SimulatedTissue(5, (100_000.0, 100_000.0))
    with SimulatedSlide(huge) as slide:
        slide.read_region(0, 0, 256, 256)  # textures are made once
        tracemalloc.start()
        started = time.perf_counter()
        corner = slide.read_region(99_700, 99_700, 300, 300)
        middle = slide.read_region(50_000, 50_000, 300, 300)
        seconds = time.perf_counter() - started
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        overview = slide.read_region(0, 0, slide.levels[-1].width, slide.levels[-1].height, len(slide.levels) - 1)
    # Orders of magnitude below drawing 10^10 pixels; not a benchmark.
    assert seconds < 30
    assert peak < 300e6
    assert corner.mean() > 225
    assert middle.std() > 15
    assert overview.shape[:2] == (390, 390)
    assert overview.std() > 15


def test_bare_glass_surrounds_the_tissue_and_is_white() -> None:
    glass = SMALL.render(0, 0, 40, 40)
    assert glass.min() > 230
    assert glass.std() < 3


def test_each_scanner_has_its_own_stain_and_the_same_anatomy() -> None:
    one, other = (SimulatedTissue(5, SMALL.size_um, scanner=scanner) for scanner in (1, 2))
    first, second = (tissue.render(600, 600, 200, 200).astype(float) for tissue in (one, other))
    assert abs(first.mean(axis=(0, 1)) - second.mean(axis=(0, 1))).max() > 1
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.95
    assert np.array_equal(one.composition(np.array([[700.0, 700.0]])), other.composition(np.array([[700.0, 700.0]])))


def test_a_simulated_slide_is_a_slide() -> None:
    with SimulatedSlide(SMALL) as slide:
        assert isinstance(slide, Slide)
        assert slide.um_per_pixel == 1.0
        assert [(level.width, level.height) for level in slide.levels] == [(1500, 1300), (750, 650), (375, 325)]
        assert np.array_equal(slide.read_region(480, 490, 100, 80), SMALL.render(480, 490, 100, 80))
        outside = slide.read_region(-30, -20, 40, 30)
    assert (outside[:20] == 255).all()
    assert (outside[:, :30] == 255).all()
    assert (outside[20:, 30:] == SMALL.render(0, 0, 10, 10)).all()


def test_an_unknown_kind_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="SIM_A, SIM_B, SIM_C"):
        SimulatedTissue(1, kind="BRCA")


def test_noise_has_the_same_bits_alone_and_in_company() -> None:
    x, y = np.meshgrid(np.linspace(-900, 900, 200), np.linspace(5000, 5900, 100))
    together = gradient_noise(x, y, 300.0, 17)
    alone = gradient_noise(x[40, 50:51], y[40, 50:51], 300.0, 17)
    assert alone[0] == together[40, 50]
    assert abs(together.mean()) < 0.2
    assert 0.2 < together.std() < 0.7


def test_the_hash_of_a_lattice_point_does_not_depend_on_the_others() -> None:
    i, j = np.meshgrid(np.arange(-3, 4), np.arange(2, 6))
    few = hash_lattice(i, j, 9)
    many = hash_lattice(np.tile(i, (40, 1)), np.tile(j, (40, 1)), 9)
    assert np.array_equal(np.tile(few, (40, 1)), many)
    assert len(np.unique(few)) == few.size


def test_the_demo_shows_nearly_every_tissue() -> None:
    tissue = demo_tissue()
    x, y = np.meshgrid(np.arange(300.0, 4800, 250), np.arange(300.0, 4200, 250))
    shares = tissue.composition(np.column_stack([x.ravel(), y.ravel()]), PATCH_UM).mean(axis=0)
    assert (shares > 0.003).all()
    assert tissue.kind in ARCHITECTURES


def test_the_tissue_mask_finds_the_simulated_tissue() -> None:
    from molf_engine.slides.tissue import tissue_mask

    with SimulatedSlide(SMALL) as slide:
        mask = tissue_mask(slide)
    rows, columns = np.indices(mask.mask.shape)
    x, y = (columns + 0.5) * mask.downsample[0], (rows + 0.5) * mask.downsample[1]
    from molf_engine.data.simulator.fields import fields_at

    truth = fields_at(SMALL.layout, x, y)["outline"] > 0
    overlap = (mask.mask & truth).sum() / (mask.mask | truth).sum()
    assert overlap > 0.85


def test_open_slide_reads_what_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from molf_engine.data.simulator import write_slide

    with open_slide(write_slide(SMALL, tmp_path / "small.tif")) as slide:
        assert slide.um_per_pixel == pytest.approx(1.0, rel=1e-4)
        drawn = SMALL.render(500, 500, 200, 200).astype(float)
        assert abs(slide.read_region(500, 500, 200, 200) - drawn).mean() < 8

"""Simulated slides and sections on disk, read back by those who will read them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from molf_engine.data import load_expression, read_hest, read_split
from molf_engine.data.simulator import SimulatedTissue, demo_tissue, write_hest_folder, write_slide
from molf_engine.errors import Cancelled, DataError
from molf_engine.genes import panel
from molf_engine.progress import Progress

# Odd sides, several rows of tiles, and a um per pixel that is no round number.
TISSUE = SimulatedTissue(seed=3, size_um=(1301.0, 1117.0), um_per_pixel=0.7)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slide(TISSUE, tmp_path_factory.mktemp("slide") / "simulated.tif")


def test_openslide_opens_the_slide_with_its_um_per_pixel(written: Path) -> None:
    import openslide

    with openslide.OpenSlide(written) as slide:
        assert slide.level_dimensions == ((1859, 1596), (929, 798), (464, 399))
        assert float(slide.properties["openslide.mpp-x"]) == pytest.approx(0.7, rel=1e-4)
        assert float(slide.properties["openslide.mpp-y"]) == pytest.approx(0.7, rel=1e-4)
        read = np.asarray(slide.read_region((900, 700), 0, (300, 200)).convert("RGB")).astype(float)
    drawn = TISSUE.render(900, 700, 300, 200)
    assert abs(read - drawn).mean() < 8
    assert np.corrcoef(read.ravel(), drawn.ravel())[0, 1] > 0.97


def test_tifffile_opens_the_slide_as_one_pyramid(written: Path) -> None:
    import tifffile

    with tifffile.TiffFile(written) as tiff:
        levels = tiff.series[0].levels
        assert [level.shape for level in levels] == [(1596, 1859, 3), (798, 929, 3), (399, 464, 3)]
        assert json.loads(tiff.pages[0].description)["simulated"] is True
        assert tiff.pages[0].is_tiled


def test_a_coarser_level_of_the_file_is_the_average_of_the_finer_one_in_place(written: Path) -> None:
    import tifffile

    with tifffile.TiffFile(written) as tiff:
        fine, half, quarter = (level.asarray().astype(float) for level in tiff.series[0].levels)
    for finer, coarser in ((fine, half), (half, quarter)):
        height, width = coarser.shape[:2]
        mean = finer[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).mean(axis=(1, 3))
        assert abs(mean - coarser).mean() < 6
        # A shift by one pixel would be seen.
        assert abs(mean[:, 1:] - coarser[:, :-1]).mean() > 1.5 * abs(mean - coarser).mean()


def test_a_cancelled_slide_leaves_nothing_behind(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        write_slide(TISSUE, tmp_path / "slide.tif", progress=stop)
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[Progress]]:
    folder, reports = tmp_path_factory.mktemp("data") / "simulated", list[Progress]()
    ids = write_hest_folder(folder, ("SIM_A", "SIM_C"), 3, size_um=900.0, seed=1, progress=reports.append)
    return folder, ids, reports


def test_the_folder_reads_as_sections_with_their_codes_and_patients(
    corpus: tuple[Path, list[str], list[Progress]],
) -> None:
    folder, ids, _ = corpus
    sections = read_hest(folder)
    assert [section.id for section in sections] == ids == [f"{k}_{n}" for k in ("SIM_A", "SIM_C") for n in (1, 2, 3)]
    assert {section.code for section in sections} == {"SIM_A", "SIM_C"}
    assert len({section.patient for section in sections}) == 6
    assert all(section.um_per_pixel == 1.0 and section.organ == "Simulated" for section in sections)
    assert list(read_split(folder / "splits.json", "validation")) == ["SIM_A_2", "SIM_C_2"]
    assert list(read_split(folder / "splits.json", "test")) == ["SIM_A_3", "SIM_C_3"]


def test_counts_and_truth_belong_to_the_tissue_under_the_spots(corpus: tuple[Path, list[str], list[Progress]]) -> None:
    import anndata

    section = read_hest(corpus[0])[1]
    adata = anndata.read_h5ad(section.st_path)
    assert adata.obs_names.is_unique
    assert adata.X.format == "csr"
    assert (adata.X.data == adata.X.data.round()).all()
    tissue = SimulatedTissue(int(adata.uns["meta"]["seed"]), (900.0, 900.0), 1.0, "SIM_A")
    expected = tissue.expression(adata.obsm["spatial"] * tissue.um_per_pixel)
    per_10k = np.log1p(1e4 * expected / expected.sum(axis=1, keepdims=True))
    assert np.allclose(adata.layers["expected"], per_10k, atol=1e-4)
    total = np.asarray(adata.X.sum(axis=1)).ravel()
    assert np.corrcoef(np.log(total), np.log(expected.sum(axis=1)))[0, 1] > 0.8
    assert (adata.obsm["composition"].sum(axis=1) <= 1 + 1e-6).all()


def test_the_counts_load_over_the_whole_panel(corpus: tuple[Path, list[str], list[Progress]]) -> None:
    expression = load_expression(read_hest(corpus[0])[0], panel("molf-1386"), 100)
    assert expression.measured.all()
    assert len(expression.positions) > 20
    assert np.isfinite(expression.in_units("log1p-cp10k")).all()


def test_progress_ends_at_the_last_section(corpus: tuple[Path, list[str], list[Progress]]) -> None:
    assert corpus[2][-1] == Progress("Simulating sections", 6, 6, "sections")


def test_a_folder_with_sections_is_not_overwritten(corpus: tuple[Path, list[str], list[Progress]]) -> None:
    with pytest.raises(DataError, match="holds sections already"):
        write_hest_folder(corpus[0])


def test_the_demo_slide_is_no_section_of_the_demo_corpus(corpus: tuple[Path, list[str], list[Progress]]) -> None:
    from molf_engine.data.simulator.corpus import section_tissue

    used = {section_tissue(kind, number, seed=0).seed for kind in ("SIM_A", "SIM_B", "SIM_C") for number in range(1, 5)}
    assert demo_tissue(0).seed not in used

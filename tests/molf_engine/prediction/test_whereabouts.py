"""A slide that was moved or renamed is known again by its content, and no other is taken for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import anndata as ad
import pytest

from molf_engine.data.simulator import SimulatedTissue, write_slide
from molf_engine.errors import Cancelled
from molf_engine.prediction.whereabouts import find_slide, is_slide_of, open_slide_of
from tests.napari_molf.fakes import prediction_of_slide


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, ad.AnnData]:
    return prediction_of_slide(tmp_path / "scans" / "case.tif")


@pytest.fixture
def slide(made: tuple[Path, ad.AnnData]) -> Path:
    return made[0]


@pytest.fixture
def adata(made: tuple[Path, ad.AnnData]) -> ad.AnnData:
    return made[1]


def test_a_slide_at_its_place_is_taken_there(adata: ad.AnnData, slide: Path) -> None:
    assert find_slide(adata) == slide
    opened = open_slide_of(adata, slide)
    assert opened is not None and opened.um_per_pixel == pytest.approx(1.0)
    opened.close()


def test_a_slide_beside_the_result_is_found(adata: ad.AnnData, slide: Path, tmp_path: Path) -> None:
    (tmp_path / "mailed").mkdir()
    moved = shutil.move(slide, tmp_path / "mailed" / "case.tif")
    assert find_slide(adata) is None
    assert find_slide(adata, tmp_path / "mailed" / "result.h5ad") == Path(moved)


def test_a_path_of_another_system_is_understood(adata: ad.AnnData, slide: Path) -> None:
    adata.uns["molf"]["slide"]["path"] = "C:\\Scans\\2026\\case.tif"
    assert find_slide(adata, slide.parent / "result.h5ad") == slide


def test_a_renamed_slide_is_found_in_a_folder_that_is_given(adata: ad.AnnData, slide: Path, tmp_path: Path) -> None:
    deep = tmp_path / "archive" / "2026"
    deep.mkdir(parents=True)
    write_slide(SimulatedTissue(1, (400.0, 300.0), 1.0, "SIM_A"), deep / "another.tif")
    (deep / "notes.txt").write_text("no slide")
    shutil.move(slide, deep / "renamed.tif")
    assert find_slide(adata, None, tmp_path / "archive") == deep / "renamed.tif"


def test_another_slide_of_the_same_name_and_size_is_not_taken(adata: ad.AnnData, slide: Path) -> None:
    slide.unlink()
    write_slide(SimulatedTissue(1, (400.0, 300.0), 1.0, "SIM_A"), slide)
    assert find_slide(adata, slide.parent / "result.h5ad", slide.parent) is None


def test_what_is_no_slide_is_not_taken(adata: ad.AnnData, tmp_path: Path) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\x00nonsense")
    assert not is_slide_of(adata, tmp_path / "broken.tif") and not is_slide_of(adata, tmp_path / "gone.tif")


def test_looking_can_be_cancelled(adata: ad.AnnData, slide: Path) -> None:
    slide.rename(slide.with_name("renamed.tif"))

    def cancel(progress: object) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        find_slide(adata, None, slide.parent, cancel)

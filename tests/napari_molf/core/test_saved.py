"""A saved prediction opens on its slide wherever that is now."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari.components import ViewerModel

from napari_molf._reader import read_slide
from napari_molf.core.saved import is_thumbnail_of, result_in, result_layer_data
from napari_molf.core.slide_layer import slide_info
from tests.napari_molf.fakes import prediction_of_slide


def add_all(model: ViewerModel, layers: list) -> list:
    return [getattr(model, f"add_{kind}")(data, **arguments) for data, arguments, kind in layers]


def test_a_slide_beside_the_result_is_taken(tmp_path: Path, model: ViewerModel) -> None:
    slide, adata = prediction_of_slide(tmp_path / "case.tif")
    (tmp_path / "mailed").mkdir()
    moved = Path(shutil.move(slide, tmp_path / "mailed" / "case.tif"))
    under, score = add_all(model, result_layer_data(adata, tmp_path / "mailed" / "case.h5ad", model))
    assert slide_info(under).path == moved and result_in(score).slide_path == moved


def test_a_slide_that_is_open_already_is_taken_whatever_its_name(tmp_path: Path, model: ViewerModel) -> None:
    slide, adata = prediction_of_slide(tmp_path / "case.tif")
    moved = Path(shutil.move(slide, tmp_path / "renamed.tif"))
    add_all(model, read_slide(str(moved)))
    (score,) = add_all(model, result_layer_data(adata, tmp_path / "results" / "case.h5ad", model))
    assert result_in(score).slide_path == moved


def test_another_slide_in_its_place_is_not_taken_for_it(tmp_path: Path, model: ViewerModel) -> None:
    slide, adata = prediction_of_slide(tmp_path / "case.tif")
    slide.unlink()
    prediction_of_slide(slide, seed=1)
    under, score = add_all(model, result_layer_data(adata, tmp_path / "case.h5ad", model))
    assert is_thumbnail_of(under, result_in(score)) and slide_info(under) is None

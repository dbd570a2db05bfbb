"""What napari may open with us, and what it may not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from molf_engine.errors import SlideError
from napari_molf._reader import get_result_reader, get_slide_reader, is_saved_prediction
from napari_molf.core.layers import role_of
from napari_molf.core.saved import result_in
from napari_molf.core.slide_layer import slide_info
from tests.napari_molf.conftest import Tiny


def read_all(reader, path: Path, model):
    return [getattr(model, f"add_{kind}")(data, **arguments) for data, arguments, kind in reader(str(path))]


def write_pyramid(path: Path, sizes: list[int]) -> Path:
    with tifffile.TiffWriter(path) as tiff:
        for level, size in enumerate(sizes):
            image = np.zeros((size, size, 3), np.uint8)
            tiff.write(image, tile=(256, 256), photometric="rgb", subfiletype=int(level > 0), metadata=None)
    return path


def test_a_plain_picture_is_left_to_others(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "cells.tif", np.zeros((64, 64, 3), np.uint8))
    tifffile.imwrite(tmp_path / "stack.tiff", np.zeros((5, 64, 64), np.uint16))
    assert get_slide_reader(str(tmp_path / "cells.tif")) is None
    assert get_slide_reader(str(tmp_path / "stack.tiff")) is None
    assert get_slide_reader([str(tmp_path / "cells.tif")]) is None


def test_a_pyramid_is_a_slide(tmp_path: Path, model) -> None:
    path = write_pyramid(tmp_path / "pyramid.tif", [1024, 512])
    reader = get_slide_reader(str(path))
    assert reader is not None
    (layer,) = read_all(reader, path, model)
    assert layer.multiscale and layer.rgb and layer.name == "pyramid"
    info = slide_info(layer)
    assert info is not None and info.path == path and info.um_per_pixel is None
    assert str(layer.units[0]) == "pixel"


def test_a_tiff_that_is_cut_off_is_left_alone_or_fails_with_a_sentence(tmp_path: Path) -> None:
    whole = write_pyramid(tmp_path / "whole.tif", [1024, 512])
    cut = tmp_path / "cut.tif"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    assert get_slide_reader(str(cut)) is None
    named = tmp_path / "cut.svs"
    shutil.copy(cut, named)
    reader = get_slide_reader(str(named))
    assert reader is not None
    with pytest.raises(SlideError, match=r"cut\.svs"):
        reader(str(named))


def test_a_file_that_only_calls_itself_a_slide_fails_with_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "notes.svs"
    path.write_text("this is no slide")
    with pytest.raises(SlideError, match="is not a slide"):
        get_slide_reader(str(path))(str(path))


def test_folders_are_slides_only_if_there_is_one_in_them(tmp_path: Path) -> None:
    assert get_slide_reader(str(tmp_path)) is None
    (tmp_path / "a.txt").write_text("x")
    assert get_slide_reader(str(tmp_path)) is None and get_result_reader(str(tmp_path)) is None


def test_scanner_files_open_in_um(shared_data: Path, model) -> None:
    path = shared_data / "slides" / "CMU-1-Small-Region.svs"
    (layer,) = read_all(get_slide_reader(str(path)), path, model)
    info = slide_info(layer)
    assert info.um_per_pixel == pytest.approx(0.499) and info.source == "file"
    assert np.asarray(layer.data[0][100:110, 100:110]).shape == (10, 10, 3)
    assert layer.extent.world[1, 1] == pytest.approx((info.size[0] - 1) * 0.499)


def test_a_scanner_file_without_scale_opens_in_pixels_and_brings_a_guess(shared_data: Path, model) -> None:
    path = shared_data / "slides" / "TCGA-CR-7395-01A-01-TS1.svs"
    (layer,) = read_all(get_slide_reader(str(path)), path, model)
    assert str(layer.units[0]) == "pixel" and slide_info(layer).um_per_pixel is None


def test_a_broken_scanner_file_says_so(shared_data: Path) -> None:
    path = shared_data / "slides" / "broken.svs"
    with pytest.raises(SlideError):
        get_slide_reader(str(path))(str(path))


def test_a_saved_prediction_opens_with_its_slide_under_it(tiny: Tiny, model) -> None:
    reader = get_result_reader(str(tiny.result))
    assert reader is not None
    slide, score = read_all(reader, tiny.result, model)
    assert slide_info(slide).path == tiny.slide and slide_info(slide).um_per_pixel == 2.0
    assert role_of(score) == "score" and " · guidance " in score.name
    run = result_in(score)
    assert run is not None and run.path == tiny.result
    assert np.isfinite(score.data).sum() == len(run.patches)


def test_without_its_slide_a_saved_prediction_opens_on_its_thumbnail(tiny: Tiny, model, tmp_path: Path) -> None:
    from molf_engine.prediction import read_prediction, write_prediction

    adata = read_prediction(tiny.result)
    adata.uns["molf"]["slide"]["path"] = str(tmp_path / "gone.tif")
    write_prediction(adata, tmp_path / "result.zarr")
    assert is_saved_prediction(tmp_path / "result.zarr") and get_slide_reader(str(tmp_path / "result.zarr")) is None
    thumbnail, score = read_all(get_result_reader(str(tmp_path / "result.zarr")), tmp_path / "result.zarr", model)
    assert thumbnail.name.endswith("(thumbnail)")
    # Both cover the slide, whose outer edges lie half a pixel beyond the centres: 650 px of 2 um.
    height, width = thumbnail.data.shape[:2]
    edge = np.asarray(thumbnail.data_to_world((height - 0.5, width - 0.5)))
    assert np.allclose(edge, (650 - 0.5) * 2, atol=2)
    assert (np.asarray(score.extent.world[1]) < edge + 112).all()


def test_any_other_h5ad_is_left_to_others(tmp_path: Path) -> None:
    import anndata

    anndata.AnnData(np.zeros((2, 3), np.float32)).write_h5ad(tmp_path / "other.h5ad")
    (tmp_path / "text.h5ad").write_text("no")
    assert get_result_reader(str(tmp_path / "other.h5ad")) is None
    assert get_result_reader(str(tmp_path / "text.h5ad")) is None


def test_the_sample_is_drawn_once_and_known_as_simulated(own_cache: Path, model, monkeypatch) -> None:
    from molf_engine.data import simulator
    from napari_molf import _sample

    calls = []

    def small(path: Path) -> Path:
        calls.append(path)
        return simulator.write_slide(simulator.SimulatedTissue(0, (600.0, 500.0), 1.0, "SIM_A"), path)

    monkeypatch.setattr(simulator, "write_demo_slide", small)
    (layer,) = read_all(lambda _: _sample.demo_slide(), Path(), model)
    _sample.demo_slide()
    assert len(calls) == 1 and calls[0].is_relative_to(own_cache)
    assert slide_info(layer).simulated and slide_info(layer).um_per_pixel == 1.0


def test_simulated_tissue_is_recognised_when_it_is_opened_as_any_file(tiny: Tiny, model) -> None:
    (layer,) = read_all(get_slide_reader(str(tiny.slide)), tiny.slide, model)
    assert slide_info(layer).simulated


def test_regions_of_qupath_open_on_the_slide_that_is_there(tmp_path: Path, model, monkeypatch) -> None:
    from molf_engine.errors import RegionError
    from napari_molf._reader import get_regions_reader
    from napari_molf.regions.layer import slide_of
    from tests.napari_molf.regions.made import add_slide

    path = tmp_path / "regions.geojson"
    ring = [[80, 40], [200, 40], [200, 160], [80, 160], [80, 40]]
    path.write_text(json.dumps({"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}}))
    assert get_regions_reader(str(tmp_path / "regions.json")) is None
    reader = get_regions_reader(str(path))
    monkeypatch.setattr("napari.current_viewer", lambda: model)
    with pytest.raises(RegionError, match="Open the slide first"):
        read_all(reader, path, model)
    add_slide(model)
    (layer,) = read_all(reader, path, model)
    assert slide_of(layer) == Path("array.tif")
    np.testing.assert_allclose(layer.data[0], (np.array(ring)[:-1, ::-1] - 0.5) * 0.5)
    assert list(layer.features["name"]) == ["Region 1"]


def test_regions_of_another_slide_are_not_opened(tmp_path: Path, model, monkeypatch) -> None:
    from molf_engine.errors import RegionError
    from napari_molf._reader import get_regions_reader
    from tests.napari_molf.regions.made import add_slide

    path = tmp_path / "regions.geojson"
    ring = [[80_000, 40], [80_200, 40], [80_200, 160]]
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    add_slide(model)
    monkeypatch.setattr("napari.current_viewer", lambda: model)
    with pytest.raises(RegionError, match="another slide"):
        read_all(get_regions_reader(str(path)), path, model)

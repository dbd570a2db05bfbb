"""SpatialData opens the store, and its table, outlines and picture lie on each other."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from molf_engine.errors import MolfError
from molf_engine.export import Shown
from molf_engine.export.spatial_data import write_spatialdata
from molf_engine.prediction import validate


def test_without_the_library_the_way_to_get_it_is_named(shown: Shown, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "spatialdata", None)
    with pytest.raises(MolfError, match=r'pip install "napari-molf\[spatialdata\]"'):
        write_spatialdata(shown, tmp_path / "store.zarr")
    assert not list(tmp_path.iterdir())


@pytest.mark.interop
def test_spatialdata_reads_it_back(shown: Shown, tmp_path: Path) -> None:
    spatialdata = pytest.importorskip("spatialdata", reason="needs the dependency group `interop`")
    write_spatialdata(shown, tmp_path / "store.zarr")
    assert [path.name for path in tmp_path.iterdir()] == ["store.zarr"]
    store = spatialdata.read_zarr(tmp_path / "store.zarr")
    assert store.attrs["molf"]["notice"] == "research use only: predicted, not measured"
    table = store["prediction"]
    validate(table)
    assert np.array_equal(table.X, shown.adata.X)
    # The table is that of the outlines, patch by patch.
    elements, joined = spatialdata.join_spatialelement_table(
        sdata=store, spatial_element_names="patches", table_name="prediction", how="inner"
    )
    assert list(joined.obs_names) == shown.patch_names == list(elements["patches"].index)
    centroids = elements["patches"].geometry.centroid
    assert np.allclose(np.column_stack([centroids.x, centroids.y]), shown.centres)
    assert np.allclose(elements["patches"].geometry.area, 40.0**2)


@pytest.mark.interop
def test_outlines_and_picture_lie_on_each_other_in_pixels_and_in_um(shown: Shown, tmp_path: Path) -> None:
    spatialdata = pytest.importorskip("spatialdata", reason="needs the dependency group `interop`")
    write_spatialdata(shown, tmp_path / "store.zarr")
    store = spatialdata.read_zarr(tmp_path / "store.zarr")
    for system, factor in (("global", 1.0), ("um", 0.5)):
        for name in ("patches", "thumbnail"):
            extent = spatialdata.get_extent(store[name], coordinate_system=system)
            assert np.allclose(extent["x"], (0, 200 * factor)) and np.allclose(extent["y"], (0, 160 * factor))

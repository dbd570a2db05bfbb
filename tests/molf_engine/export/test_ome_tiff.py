"""Score maps come back from tifffile with names, sizes and place."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
import tifffile

from molf_engine.errors import MolfError
from molf_engine.export import Shown
from molf_engine.export.ome_tiff import write_ome_tiff
from tests.napari_molf.fakes import prediction

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


def test_each_score_is_a_channel_of_one_pixel_per_patch(shown: Shown, tmp_path: Path) -> None:
    scores = shown.find(["CD3E", "HYPOXIA"])
    write_ome_tiff(shown, tmp_path / "maps.ome.tif", scores)
    with tifffile.TiffFile(tmp_path / "maps.ome.tif") as tiff:
        assert tiff.is_ome and tiff.series[0].axes == "CYX"
        maps = tiff.asarray()
    assert maps.dtype == np.float32 and maps.shape == (2, 4, 5)
    assert np.isnan(maps[:, 0, 0]).all() and np.isnan(maps).sum() == 2
    assert np.allclose(maps[0].ravel()[1:], shown.values(scores[0]))
    assert np.allclose(maps[1].ravel()[1:], np.arange(19))


def test_the_metadata_say_what_it_is_and_where_it_lies(tmp_path: Path) -> None:
    adata = prediction()
    # Patches of 40 px that begin 100 px from the left and 60 from the top.
    adata.uns["molf"]["grid"]["origin"] = np.array([120.0, 80.0])
    shown = Shown(adata)
    write_ome_tiff(shown, tmp_path / "maps.ome.tif", shown.find(["CD3E", "HYPOXIA"]))
    with tifffile.TiffFile(tmp_path / "maps.ome.tif") as tiff:
        root = ElementTree.fromstring(tiff.ome_metadata)
    (image,) = root.findall(f"{OME}Image")
    pixels = image.find(f"{OME}Pixels")
    assert [channel.get("Name") for channel in pixels.findall(f"{OME}Channel")] == ["CD3E", "HYPOXIA"]
    assert (float(pixels.get("PhysicalSizeX")), pixels.get("PhysicalSizeXUnit")) == (20.0, "µm")
    assert (float(pixels.get("PhysicalSizeY")), pixels.get("Type")) == (20.0, "float")
    for plane in pixels.findall(f"{OME}Plane"):
        assert (float(plane.get("PositionX")), float(plane.get("PositionY"))) == (50.0, 30.0)
        assert plane.get("PositionXUnit") == plane.get("PositionYUnit") == "µm"
    description = image.find(f"{OME}Description").text
    assert "research use only: predicted, not measured" in description and "weights_hash: 1111" in description
    assert "unit of CD3E: log(1 + counts per 10,000)" in description


def test_free_positions_make_no_image_and_the_way_out_is_named(tmp_path: Path) -> None:
    shown = Shown(prediction(free=True))
    with pytest.raises(MolfError, match=r"not on a grid.*Export a table \(CSV\) or QuPath GeoJSON"):
        write_ome_tiff(shown, tmp_path / "maps.ome.tif", shown.find(["CD3E"]))
    assert not list(tmp_path.iterdir())

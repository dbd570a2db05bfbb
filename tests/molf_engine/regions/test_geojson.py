"""QuPath's GeoJSON, as it should be and as it should not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molf_engine.errors import MolfError, RegionError
from molf_engine.regions import Region, geojson
from molf_engine.regions.geojson import check_place, read_geojson, write_geojson

SQUARE = [[[10, 10], [30, 10], [30, 30], [10, 30], [10, 10]]]
HOLED = [*SQUARE, [[15, 15], [25, 15], [25, 25], [15, 25], [15, 15]]]


def feature(kind: str = "Polygon", coordinates: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    said = {"objectType": "annotation", **properties}
    return {
        "type": "Feature",
        "id": "d1",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": said,
    }


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_an_export_of_qupath_is_read_with_names_classes_colours_and_holes(tmp_path: Path) -> None:
    tumour = {"name": "Tumor", "color": [200, 0, 0]}
    collection = {
        "type": "FeatureCollection",
        "features": [
            feature(classification=tumour, name="nest"),
            feature(coordinates=HOLED, classification=tumour),
            feature("MultiPolygon", [SQUARE, HOLED], classification=tumour, isEllipse=False),
            feature("Point", [3, 4]),
            feature("LineString", [[0, 0], [5, 5]]),
            feature(objectType="tile"),
            feature(classification={"name": "Stroma", "colorRGB": -6895466}),
            feature(classification={"names": ["Immune", "CD8"]}),
            feature(),
        ],
    }
    read = read_geojson(write(tmp_path / "a.geojson", collection))
    assert [r.name for r in read.regions] == ["nest", "Tumor", "Tumor 2", "Stroma", "Immune: CD8", "Region 1"]
    assert [r.classification for r in read.regions] == ["Tumor", "Tumor", "Tumor", "Stroma", "Immune: CD8", ""]
    assert [r.colour for r in read.regions] == ["#c80000", "#c80000", "#c80000", "#96c896", None, None]
    assert [r.area for r in read.regions[:3]] == pytest.approx([400, 300, 400], rel=2e-3)
    assert read.skipped == {"point": 1, "line": 1, "tile": 1}
    assert read.remark is not None and "1 × tile" in read.remark


@pytest.mark.parametrize("wrap", [lambda f: [f], lambda f: f, lambda f: f["geometry"]])
def test_lists_single_features_and_bare_geometries_are_read(tmp_path: Path, wrap: Any) -> None:
    (region,) = read_geojson(write(tmp_path / "a.geojson", wrap(feature()))).regions
    assert region.extent == (10, 30, 10, 30)


def test_a_packed_file_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    path = tmp_path / "a.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps(feature()).encode()))
    assert len(read_geojson(path).regions) == 1
    assert len(read_geojson(path.rename(tmp_path / "a.geojson")).regions) == 1


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    ring = np.array([(0.125, 0), (10, 0), (10, 10)])
    regions = [
        Region("a", ((ring, ring / 4 + (5, 1)),), "Tumor", "#c80000"),
        Region("b", ((ring,), (ring + 50,)), "", "#0072b2"),
        Region("c", ((ring,),)),
    ]
    for name in ("a.geojson", "a.geojson.gz"):
        write_geojson(regions, tmp_path / name)
        again = read_geojson(tmp_path / name).regions
        assert [(r.name, r.classification, r.colour) for r in again] == [
            ("a", "Tumor", "#c80000"), ("b", "", "#0072b2"), ("c", "", None)
        ]  # fmt: skip
        for before, after in zip(regions, again, strict=True):
            for polygon, other in zip(before.polygons, after.polygons, strict=True):
                for ring_before, ring_after in zip(polygon, other, strict=True):
                    np.testing.assert_allclose(ring_after, ring_before, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is no GeoJSON"),
        ("PNG...", "is no GeoJSON"),
        (json.dumps(feature())[:80], "ends too early"),
        ("[" * 100_000, "ends too early"),
        ("3", "no list of features"),
        ('{"type": "FeatureCollection"}', "no list of features"),
        ('{"type": "FeatureCollection", "features": [1, 2]}', "no list of features"),
        ('{"type": "FeatureCollection", "features": []}', "it holds nothing"),
        (json.dumps([feature("Point", [1, 2])]), "1 × point"),
        (json.dumps([feature(coordinates=[])]), "1 × empty outline"),
        (json.dumps([{"type": "Feature", "geometry": None, "properties": None}]), "1 × empty outline"),
        (json.dumps([feature(coordinates=[[[0, 0], [1, 1], [0, 0]]])]), "1 × damaged outline"),
        (json.dumps([feature(coordinates=[[[0, 0], [float("nan"), 1], [2, 2]]])]), "1 × damaged outline"),
        (json.dumps([feature(coordinates=[[[0, 0], ["a", 1], [2, 2]]])]), "1 × damaged outline"),
        (json.dumps([feature(coordinates=[[1, 2, 3]])]), "1 × damaged outline"),
        (json.dumps([feature(coordinates={"x": 1})]), "outline"),
    ],
)
def test_what_holds_no_region_is_refused_with_a_reason(tmp_path: Path, content: str, says: str) -> None:
    with pytest.raises(RegionError, match=says) as caught:
        read_geojson(write(tmp_path / "a.geojson", content))
    assert "QuPath" in str(caught.value)


def test_one_damaged_outline_does_not_cost_the_others(tmp_path: Path) -> None:
    path = write(tmp_path / "a.geojson", [feature(), feature(coordinates=[[[0, 0], [1, None], [2, 2]]])])
    read = read_geojson(path)
    assert len(read.regions) == 1
    assert read.skipped == {"damaged outline": 1}


def test_a_missing_and_a_truncated_packed_file_are_said(tmp_path: Path) -> None:
    with pytest.raises(RegionError, match="Cannot read the regions"):
        read_geojson(tmp_path / "none.geojson")
    path = tmp_path / "cut.geojson.gz"
    path.write_bytes(gzip.compress(json.dumps([feature()] * 500).encode())[:60])
    with pytest.raises(RegionError, match="Cannot read the regions"):
        read_geojson(path)


def test_a_file_that_unpacks_to_more_than_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(geojson, "MAX_MB", 1)
    path = tmp_path / "bomb.geojson.gz"
    path.write_bytes(gzip.compress(b" " * 2**21))
    with pytest.raises(RegionError, match="more than 1 MB"):
        read_geojson(path)


def square(x: float, y: float, side: float) -> Region:
    return Region("r", ((np.array([(x, y), (x + side, y), (x + side, y + side), (x, y + side)]),),))


def test_regions_of_another_slide_are_refused_with_both_sizes() -> None:
    with pytest.raises(RegionError, match=r"x 50,000..51,000.*4,000 x 3,000 px"):
        check_place([square(50_000, 10, 1_000)], 4_000, 3_000)


def test_regions_that_reach_beyond_the_slide_are_doubted() -> None:
    said = check_place([square(100, 100, 50), square(3_900, 100, 1_000)], 4_000, 3_000)
    assert said is not None and "beyond the slide" in said


def test_regions_in_the_corner_may_be_in_um() -> None:
    said = check_place([square(100, 100, 400)], 40_000, 30_000, 0.25)
    assert said is not None and "0.25 um" in said


def test_regions_where_regions_should_be_raise_no_doubt() -> None:
    assert check_place([square(-20, 100, 1_500), square(2_000, 2_000, 900)], 4_000, 3_000, 0.5) is None


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(MolfError, match="Cannot write"):
        write_geojson([square(0, 0, 10)], tmp_path / "file" / "a.geojson")

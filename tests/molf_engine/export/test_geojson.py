"""QuPath imports the tiles: a check against what its reader takes, and against the values that went in."""

from __future__ import annotations

import json
import math
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from molf_engine.export import Shown
from molf_engine.export.geojson import write_geojson
from molf_engine.export.palette import EXPERT_COLOURS
from molf_engine.progress import Progress
from tests.napari_molf.fakes import prediction

OBJECT_TYPES = {"annotation", "detection", "tile", "cell", "tmaCore"}


def no_number(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON")


def features_of(path: Path) -> list[dict[str, Any]]:
    """Read a file as QuPath does, and check all that QuPath expects of each object."""
    collection = json.loads(path.read_text(encoding="utf-8"), parse_constant=no_number)
    assert collection["type"] == "FeatureCollection" and isinstance(collection["features"], list)
    ids = set()
    for feature in collection["features"]:
        assert feature["type"] == "Feature"
        ids.add(uuid.UUID(feature["id"]))
        geometry = feature["geometry"]
        assert geometry["type"] == "Polygon" and len(geometry["coordinates"]) == 1
        ring = geometry["coordinates"][0]
        assert len(ring) >= 4 and ring[0] == ring[-1]
        assert all(len(point) == 2 and all(math.isfinite(v) for v in point) for point in ring)
        properties = feature["properties"]
        assert properties["objectType"] in OBJECT_TYPES
        assert isinstance(properties["name"], str) and isinstance(properties["isLocked"], bool)
        named = properties["classification"]
        assert named["name"].strip()
        assert len(named["color"]) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in named["color"])
        measurements = properties["measurements"]
        assert all(isinstance(v, float) and math.isfinite(v) for v in measurements.values())
    assert len(ids) == len(collection["features"])
    return collection["features"]


def test_each_patch_is_a_locked_tile_where_it_is_on_the_slide(shown: Shown, tmp_path: Path) -> None:
    write_geojson(shown, tmp_path / "tiles.geojson", shown.find(["CD3E", "HYPOXIA"]))
    features = features_of(tmp_path / "tiles.geojson")
    assert [feature["properties"]["name"] for feature in features] == shown.patch_names
    assert {feature["properties"]["objectType"] for feature in features} == {"tile"}
    assert all(feature["properties"]["isLocked"] for feature in features)
    # The first patch is in column 1 of row 0, of 40 px.
    assert features[0]["geometry"]["coordinates"][0] == [[40, 0], [80, 0], [80, 40], [40, 40], [40, 0]]


def test_measurements_are_the_values_that_are_shown(shown: Shown, tmp_path: Path) -> None:
    scores = shown.find(["CD3E", "HYPOXIA"])
    write_geojson(shown, tmp_path / "tiles.geojson", scores)
    features = features_of(tmp_path / "tiles.geojson")
    for score in scores:
        told = [feature["properties"]["measurements"][score.name] for feature in features]
        assert np.allclose(told, shown.values(score), rtol=1e-6)


def test_the_expert_is_the_class_with_the_name_and_colour_of_the_map(tmp_path: Path) -> None:
    shown = Shown(prediction(), expert_names=["stroma", "tumour", "immune"])
    write_geojson(shown, tmp_path / "tiles.geojson", shown.find(["CD3E"]))
    for feature, expert in zip(features_of(tmp_path / "tiles.geojson"), shown.top_expert, strict=True):
        named = feature["properties"]["classification"]
        assert named["name"] == shown.experts[expert]
        assert bytes(named["color"]).hex() == EXPERT_COLOURS[expert].removeprefix("#")


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    adata = prediction()
    adata.X[3, 0], adata.X[4, 0] = np.nan, np.inf
    shown = Shown(adata)
    write_geojson(shown, tmp_path / "tiles.geojson", shown.find(["EPCAM"]))
    without = [
        i
        for i, f in enumerate(features_of(tmp_path / "tiles.geojson"))
        if "EPCAM" not in f["properties"]["measurements"]
    ]
    assert without == [3, 4]


def test_free_positions_are_tiles_as_well(tmp_path: Path) -> None:
    shown = Shown(prediction(free=True))
    write_geojson(shown, tmp_path / "tiles.geojson", shown.find(["CD3E"]))
    assert len(features_of(tmp_path / "tiles.geojson")) == 19


def test_the_file_says_where_it_comes_from(shown: Shown, tmp_path: Path) -> None:
    write_geojson(shown, tmp_path / "tiles.geojson", shown.find(["CD3E"]))
    said = json.loads((tmp_path / "tiles.geojson").read_text(encoding="utf-8"))["provenance"]
    assert said["notice"] == "research use only: predicted, not measured" and said["guidance"] == 2.0


def test_a_large_slide_is_written_as_it_goes_and_never_held_in_memory(tmp_path: Path) -> None:
    shown = Shown(prediction(100, 200))
    scores = shown.find([*shown.adata.var_names, "HYPOXIA", "APOPTOSIS"])
    on_disk = {}

    def watch(progress: Progress) -> None:
        if progress.phase == "Writing patches":
            on_disk[progress.done] = sum(file.stat().st_size for file in tmp_path.iterdir())

    write_geojson(shown, tmp_path / "tiles.geojson", scores, progress=watch)
    size = (tmp_path / "tiles.geojson").stat().st_size
    assert shown.adata.n_obs == 19_999 and size > 8e6
    # What is written of n patches is on the disk before the next ones are made: their text is kept nowhere.
    assert len(on_disk) == 40
    for done, written in on_disk.items():
        assert written == pytest.approx(size * done / 19_999, abs=0.02 * size)
    features = json.loads((tmp_path / "tiles.geojson").read_text(encoding="utf-8"))["features"]
    last = features[-1]["properties"]["measurements"]
    assert [last[score.name] for score in scores] == pytest.approx(
        [float(shown.values(s)[-1]) for s in scores], rel=1e-6
    )

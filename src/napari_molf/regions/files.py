"""Regions from and to files.  No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_molf.regions.anchor import Anchor
from napari_molf.regions.layer import layer_data

if TYPE_CHECKING:
    from napari.types import FullLayerData

    from molf_engine.regions import Region


@dataclass(frozen=True, eq=False)
class Imported:
    """Regions of a file as a layer, and what is to be said of them."""

    layer: FullLayerData
    remark: str | None


def read_regions(path: Path, anchor: Anchor) -> Imported:
    """Read a GeoJSON onto a slide; slow for a large file.

    Raises
    ------
    RegionError
        If it cannot be read, holds no region, or is of another slide.
    """
    from molf_engine.regions.geojson import check_place, read_geojson

    read = read_geojson(path)
    doubt = check_place(read.regions, *anchor.size, anchor.um_per_pixel)
    remarks = [remark for remark in (doubt, read.remark) if remark]
    name = path.name.removesuffix(".gz").removesuffix(".geojson").removesuffix(".json")
    return Imported(layer_data(read.regions, anchor, f"Regions: {name}"), " ".join(remarks) or None)


def write_regions(regions: Sequence[Region], path: Path) -> Path:
    """Write regions as GeoJSON and return where they are.

    Raises
    ------
    MolfError
        If there is no place to write to.
    """
    from molf_engine.regions.geojson import write_geojson

    write_geojson(regions, path)
    return path

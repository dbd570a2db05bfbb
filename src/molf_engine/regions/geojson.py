"""Regions as QuPath writes them: GeoJSON, coordinates in level-0 pixels from the top left corner.

Read are a FeatureCollection, a bare list of features, a single feature and a bare geometry, gzipped or not; of a feature its polygons,
``properties.name`` and ``properties.classification``.  Lines and points enclose nothing; cells and tiles are measurements, not regions:
they are left out and counted.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.errors import RegionError
from molf_engine.files import atomic_path
from molf_engine.regions.region import Polygon, Region

MAX_MB = 200
"""A file that unpacks to more is refused: parsed, it would fill the memory.  Annotations are far smaller; only cells are not."""
_NOT_REGIONS = {"detection", "cell", "tile", "tma_core"}
_ADVICE = "In QuPath: File > Export objects as GeoJSON, for annotations."


@dataclass(frozen=True)
class RegionFile:
    """What a GeoJSON holds.

    Attributes
    ----------
    regions
        At least one.
    skipped
        What was left out, such as ``line``, and how often.
    """

    regions: tuple[Region, ...]
    skipped: Mapping[str, int] = field(default_factory=dict)

    @property
    def remark(self) -> str | None:
        """One sentence on what was left out, if anything was."""
        if not self.skipped:
            return None
        what = ", ".join(f"{count:,} × {kind}" for kind, count in self.skipped.items())
        return f"Left out, as they enclose no region: {what}."


def read_geojson(path: Path | str) -> RegionFile:
    """Read the regions of a GeoJSON file.

    An object without a name is called by its class and a number.

    Raises
    ------
    RegionError
        If the file cannot be read, is too large, or holds no region.
    """
    path = Path(path)
    skipped: Counter[str] = Counter()
    regions: list[Region] = []
    taken: set[str] = set()
    for feature in _features(_parse(path), path):
        properties = _mapping(feature.get("properties"))
        kind = str(properties.get("objectType") or "annotation").lower()
        if kind in _NOT_REGIONS:
            skipped[kind] += 1
            continue
        polygons = tuple(_polygons(feature.get("geometry"), skipped))
        if not polygons:
            continue
        classification, colour = _classification(properties)
        name = _unused(str(properties.get("name") or "").strip() or None, classification, taken)
        regions.append(Region(name, polygons, classification, colour))
    if not regions:
        found = ", ".join(f"{count:,} × {kind}" for kind, count in skipped.items()) or "nothing"
        raise RegionError(f"{path} holds no polygon that could be a region (it holds {found}). {_ADVICE}")
    return RegionFile(tuple(regions), dict(skipped))


def write_geojson(regions: Sequence[Region], path: Path | str) -> None:
    """Write regions as a FeatureCollection that QuPath opens by dragging it onto the slide.

    Raises
    ------
    MolfError
        If there is no place to write to.
    """
    collection = {"type": "FeatureCollection", "features": [_feature(region) for region in regions]}
    text = json.dumps(collection, allow_nan=False, separators=(",", ":"))
    with atomic_path(Path(path)) as beside:
        if beside.suffix == ".gz":
            beside.write_bytes(gzip.compress(text.encode()))
        else:
            beside.write_text(text, encoding="utf-8")


def check_place(regions: Sequence[Region], width: int, height: int, um_per_pixel: float | None = None) -> str | None:
    """Check that regions lie on a slide of ``width`` x ``height`` level-0 pixels.

    Returns
    -------
    str or None
        What is odd about where they lie, in a sentence.

    Raises
    ------
    RegionError
        If all of them are off the slide.
    """
    boxes = np.array([region.extent for region in regions])
    x0, x1, y0, y1 = boxes[:, 0].min(), boxes[:, 1].max(), boxes[:, 2].min(), boxes[:, 3].max()
    extent = f"x {x0:,.0f}..{x1:,.0f}, y {y0:,.0f}..{y1:,.0f}"
    on_slide = (boxes[:, 1] > 0) & (boxes[:, 0] < width) & (boxes[:, 3] > 0) & (boxes[:, 2] < height)
    if not on_slide.any():
        raise RegionError(
            f"These regions belong to another slide or another resolution: their extent is {extent}; the slide is {width:,} x "
            f"{height:,} px. Choose the slide they were drawn on; coordinates must be full-resolution pixels."
        )
    # A region drawn along the edge often leaves the slide by a little.
    beyond = x0 < -0.05 * width or x1 > 1.05 * width or y0 < -0.05 * height or y1 > 1.05 * height
    if beyond:
        return (
            f"Some of these regions reach beyond the slide ({extent}; the slide is {width:,} x {height:,} px): they may be of "
            "another slide or another resolution."
        )
    if x1 < width / 4 and y1 < height / 4:
        um = f", or in um ({um_per_pixel:.3g} um are a pixel here)" if um_per_pixel is not None else ", or in um"
        return (
            f"All of these regions lie in the top left corner ({extent} of {width:,} x {height:,} px): their coordinates may be of a "
            f"smaller copy of the slide{um}. Full-resolution pixels are expected."
        )
    return None


# -- reading -----------------------------------------------------------------------------------------------------


def _parse(path: Path) -> Any:
    limit = MAX_MB * 2**20
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RegionError(f"Cannot read the regions in {path}: {reason}. {_ADVICE}") from error
    if len(content) > limit:
        raise RegionError(
            f"{path} holds more than {MAX_MB} MB. It probably lists every cell; export the annotations alone. {_ADVICE}"
        )
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        what = "ends too early or is damaged" if content.lstrip()[:1] in (b"{", b"[") else "is no GeoJSON"
        raise RegionError(f"{path} {what} ({error}). Export it again. {_ADVICE}") from error


def _features(content: Any, path: Path) -> Iterator[Mapping[str, Any]]:
    found = content
    if isinstance(content, dict):
        kind = content.get("type")
        found = content.get("features") if kind == "FeatureCollection" else [content]
    if not isinstance(found, list) or not all(isinstance(feature, dict) for feature in found):
        raise RegionError(f"{path} is JSON, but no GeoJSON: it has no list of features. {_ADVICE}")
    for feature in found:
        yield {"geometry": feature} if "coordinates" in feature or "geometries" in feature else feature


def _polygons(geometry: Any, skipped: Counter[str]) -> Iterator[Polygon]:
    geometry = _mapping(geometry)
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "GeometryCollection":
        for part in geometry.get("geometries") or ():
            yield from _polygons(part, skipped)
    elif kind in ("Polygon", "MultiPolygon"):
        parts = [coordinates] if kind == "Polygon" else coordinates
        if not parts or not isinstance(parts, list) or not any(parts):
            skipped["empty outline"] += 1
            return
        for part in parts:
            polygon = _polygon(part)
            if polygon is None:
                skipped["damaged outline"] += 1
            else:
                yield polygon
    else:
        skipped[_PLAIN.get(str(kind), "empty outline" if kind is None else "other shape")] += 1


_PLAIN = {"Point": "point", "MultiPoint": "point", "LineString": "line", "MultiLineString": "line"}


def _polygon(rings: Any) -> Polygon | None:
    """The rings of a polygon; none if one of them is damaged: half a region would be worse than none."""
    if not isinstance(rings, list) or not rings:
        return None
    polygon = []
    for ring in rings:
        try:
            corners = np.array([corner[:2] for corner in ring], dtype=np.float64)
        except (TypeError, ValueError, KeyError):
            return None
        if corners.ndim != 2 or corners.shape[1:] != (2,) or not np.isfinite(corners).all():
            return None
        if len(corners) > 1 and (corners[0] == corners[-1]).all():
            corners = corners[:-1]
        if len(corners) < 3:
            return None
        polygon.append(corners)
    return tuple(polygon)


def _classification(properties: Mapping[str, Any]) -> tuple[str, str | None]:
    """Class and colour (QuPath: the object's own before that of its class)."""
    said = properties.get("classification")
    entry = {"name": said} if isinstance(said, str) else _mapping(said)
    names = entry.get("names")
    joined = ": ".join(str(name) for name in names) if isinstance(names, list) else ""
    colours = (properties.get("color"), entry.get("color"), entry.get("colorRGB"))
    return str(entry.get("name") or joined), next((c for c in map(_colour, colours) if c is not None), None)


def _colour(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        # Java packs alpha, red, green and blue into one signed number.
        return f"#{value & 0xFFFFFF:06x}"
    if isinstance(value, list) and len(value) >= 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value[:3]):
        return "#" + "".join(f"{v:02x}" for v in value[:3])
    return None


def _unused(name: str | None, classification: str, taken: set[str]) -> str:
    stem = name or classification or "Region"
    number = 1
    candidate = stem if name or classification else f"{stem} 1"
    while candidate in taken:
        number += 1
        candidate = f"{stem} {number}"
    taken.add(candidate)
    return candidate


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


# -- writing -----------------------------------------------------------------------------------------------------


def _feature(region: Region) -> dict[str, Any]:
    polygons = [[_closed(ring) for ring in polygon] for polygon in region.polygons]
    geometry = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    properties: dict[str, Any] = {"objectType": "annotation", "name": region.name}
    colour = None if region.colour is None else [int(region.colour[i : i + 2], 16) for i in (1, 3, 5)]
    if region.classification:
        properties["classification"] = {"name": region.classification, **({} if colour is None else {"color": colour})}
    elif colour is not None:
        properties["color"] = colour
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def _closed(ring: np.ndarray) -> list[list[float]]:
    corners = np.round(ring, 3).tolist()
    return [*corners, corners[0]]

"""Um per pixel and other facts in the tags of a TIFF."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from molf_engine.slides.scale import MAX_FROM_PRINT_RESOLUTION, in_um

if TYPE_CHECKING:
    import tifffile

_CENTIMETRE_AND_INCH = {3: 10_000.0, 2: 25_400.0}


def scale(tiff: tifffile.TiffFile, page: Any, size: tuple[int, int]) -> tuple[float | None, float | None]:
    """(x, y) um per pixel: from OME metadata, ImageJ, an Aperio description or the resolution tags, in this order."""
    for source in (_from_ome(tiff, size), _from_imagej(tiff, page), _from_description(page), _from_resolution(page)):
        if source is not None:
            return source
    return None, None


def properties(tiff: tifffile.TiffFile, page: Any) -> dict[str, str]:
    """Collect what the file says about itself that a user may want to see."""
    found = {
        "vendor": "ome-tiff" if tiff.is_ome else "tiff",
        "objective-power": _objective(tiff, page) or "",
        "compression": page.compression.name,
        "photometric": page.photometric.name,
        "description": (page.description or "")[:2000],
    }
    return {key: value for key, value in found.items() if value}


def _ome_root(tiff: tifffile.TiffFile) -> ElementTree.Element | None:
    if not tiff.is_ome or not tiff.ome_metadata:
        return None
    try:
        return ElementTree.fromstring(tiff.ome_metadata)
    except ElementTree.ParseError:
        return None


def _from_ome(tiff: tifffile.TiffFile, size: tuple[int, int]) -> tuple[float, float] | None:
    root = _ome_root(tiff)
    if root is None:
        return None
    for pixels in root.iterfind(".//{*}Pixels"):
        if (pixels.get("SizeX"), pixels.get("SizeY")) != (str(size[0]), str(size[1])):
            continue
        values = [
            in_um(float(pixels.get(f"PhysicalSize{axis}", "nan")), pixels.get(f"PhysicalSize{axis}Unit", "\u00b5m"))
            for axis in "XY"
        ]
        if values[0] is not None and values[1] is not None and values[0] > 0 and values[1] > 0:
            return values[0], values[1]
    return None


def _from_imagej(tiff: tifffile.TiffFile, page: Any) -> tuple[float, float] | None:
    metadata = tiff.imagej_metadata if tiff.is_imagej else None
    if not metadata:
        return None
    unit = in_um(1.0, str(metadata.get("unit", "")))
    resolution = _resolution(page)
    return None if unit is None or resolution is None else (unit / resolution[0], unit / resolution[1])


def _from_description(page: Any) -> tuple[float, float] | None:
    found = re.search(r"\bMPP\s*=\s*([0-9.eE+-]+)", page.description or "")
    try:
        return (float(found[1]), float(found[1])) if found else None
    except ValueError:
        return None


def _from_resolution(page: Any) -> tuple[float, float] | None:
    tag = page.tags.get("ResolutionUnit")
    unit = _CENTIMETRE_AND_INCH.get(int(tag.value)) if tag is not None else None
    resolution = _resolution(page)
    if unit is None or resolution is None:
        return None
    x, y = unit / resolution[0], unit / resolution[1]
    return (x, y) if max(x, y) <= MAX_FROM_PRINT_RESOLUTION else None


def _resolution(page: Any) -> tuple[float, float] | None:
    """(x, y) pixels per unit."""
    values = []
    for name in ("XResolution", "YResolution"):
        tag = page.tags.get(name)
        if tag is None or not tag.value[0] or not tag.value[1]:
            return None
        values.append(tag.value[0] / tag.value[1])
    return values[0], values[1]


def _objective(tiff: tifffile.TiffFile, page: Any) -> str | None:
    root = _ome_root(tiff)
    if root is not None:
        for objective in root.iterfind(".//{*}Objective"):
            power = objective.get("NominalMagnification")
            if power:
                return power
    found = re.search(r"\bAppMag\s*=\s*([0-9.]+)", page.description or "")
    return found[1] if found else None

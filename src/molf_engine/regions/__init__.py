"""Regions of a slide: polygons, QuPath's GeoJSON, which patches are inside, and what is predicted there.

Everything is in level-0 pixels, x before y, counted from the outer edge of the first pixel, as QuPath counts.
"""

from __future__ import annotations

from molf_engine.regions.region import Region, membership

__all__ = ["Region", "membership"]

"""Whether measured spots belong to the slide that they are to be shown on."""

from __future__ import annotations

import numpy as np

from molf_engine.data.measured.spots import MeasuredSpots
from molf_engine.errors import DataError

MOST_OUTSIDE = 0.1
"""Share of spots that may lie beside the image: an array can reach beyond what was scanned."""
SAME = 1.1
"""Distances of neighbouring spots that differ by less than this factor agree."""
OTHER = 1.5
"""Distances that differ by more belong to an image of another resolution."""


def notes_on_slide(
    spots: MeasuredSpots, size: tuple[int, int], um_per_pixel: float | None, slide_name: str = "the slide"
) -> tuple[str, ...]:
    """Check that spots lie on a slide; what is odd but no reason to refuse them comes back in words.

    Parameters
    ----------
    spots
        What was measured.
    size
        (width, height) of the slide, level-0 pixels.
    um_per_pixel
        Of the slide; none: not known.
    slide_name
        For the messages.

    Raises
    ------
    DataError
        If they are those of another slide or of the same slide at another resolution; the message says both extents.
    """
    x, y = spots.positions.T
    outside = int(((x < 0) | (y < 0) | (x > size[0]) | (y > size[1])).sum())
    extents = (
        f"the spots reach from {x.min():,.0f}, {y.min():,.0f} to {x.max():,.0f}, {y.max():,.0f} px, "
        f"{slide_name} is {size[0]:,} x {size[1]:,} px"
    )
    if outside > MOST_OUTSIDE * len(spots):
        raise DataError(
            f"{outside:,} of {len(spots):,} spots of {spots.id} lie outside {slide_name}: {extents}. They belong to another slide, "
            "or to this one at another resolution. Open the image that the spots were aligned to."
        )
    notes = []
    if outside:
        notes.append(f"{outside:,} spots lie outside the image")
    stretch = _stretch(spots, um_per_pixel)
    if stretch is None:
        return tuple(notes)
    should, factor = stretch
    if max(factor, 1 / factor) > OTHER:
        raise DataError(
            f"The spots of {spots.id} are {should:g} um apart, but would be {should * factor:.0f} um "
            f"apart on {slide_name} at {um_per_pixel:g} um per pixel ({extents}). Their positions are those of an image of "
            "another resolution. Open that image, or correct um per pixel."
        )
    if max(factor, 1 / factor) > SAME:
        notes.append(
            f"neighbouring spots are {should:g} um apart, but measure {should * factor:.0f} um on "
            "this slide: check um per pixel"
        )
    return tuple(notes)


def _stretch(spots: MeasuredSpots, um_per_pixel: float | None) -> tuple[float, float] | None:
    """How far apart neighbouring spots should be, um, and how many times as far they are on the slide."""
    pitch = spots.layout.pitch_um
    if pitch is None or um_per_pixel is None:
        return None
    factor = spots.pitch_px * um_per_pixel / pitch
    return (pitch, factor) if np.isfinite(factor) and factor > 0 else None

"""How many um a pixel is: what the file says, what the user says, what can be guessed."""

from __future__ import annotations

import logging
import math
from pathlib import Path

from molf_engine.errors import SlideError
from molf_engine.slides.protocol import Slide

_log = logging.getLogger(__name__)

MAX_UM_PER_PIXEL = 100.0
# 300, 150, 96 and 72 dots per inch, which programs write when they know nothing, are 85 um per pixel and more; no
# slide scan is coarser than this.
MAX_FROM_PRINT_RESOLUTION = 20.0
_SQUARE_TOLERANCE = 0.01
_UM_PER_UNIT = {
    "um": 1.0,
    "\u00b5m": 1.0,
    "\u03bcm": 1.0,
    "micron": 1.0,
    "microns": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "inch": 25400.0,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
}


def in_um(value: float, unit: str) -> float | None:
    """Length in um; ``None`` if the unit is not one of length (such as ``pixel``)."""
    factor = _UM_PER_UNIT.get(unit.strip().replace("\\u00B5", "\u00b5").lower())
    return None if factor is None else value * factor


def is_scale(value: float | None) -> bool:
    """Whether ``value`` can be the um per pixel of a slide."""
    return value is not None and math.isfinite(value) and 0 < value <= MAX_UM_PER_PIXEL


def resolve_scale(
    path: Path, from_file: tuple[float | None, float | None], given: float | None
) -> tuple[float | None, str]:
    """Um per pixel and where it comes from: ``"given"``, ``"file"`` or ``"unknown"``.

    Parameters
    ----------
    path : Path
        The slide, for messages.
    from_file : tuple of float or None
        (x, y) um per pixel as the file has it.
    given : float or None
        The user's value, which wins.

    Raises
    ------
    SlideError
        If the given value is nonsense, or the file says that its pixels are not square.
    """
    if given is not None:
        return checked_scale(given), "given"
    x, y = from_file
    if x is None or y is None:
        return None, "unknown"
    if not (is_scale(x) and is_scale(y)):
        _log.warning("%s: ignoring its um per pixel, %g x %g: not a scale of a slide", path, x, y)
        return None, "unknown"
    if abs(x - y) > _SQUARE_TOLERANCE * max(x, y):
        raise SlideError(
            f"{path}: its pixels are not square ({x:g} um wide, {y:g} um high). Resample the slide to square pixels,"
            " or, if the file is wrong about this, give the um per pixel yourself (--um-per-pixel; in the viewer: um per pixel)."
        )
    return (x + y) / 2, "file"


def checked_scale(given: float) -> float:
    """``given`` as a float.

    Raises
    ------
    SlideError
        If it cannot be the um per pixel of a slide.
    """
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not is_scale(value):
        raise SlideError(
            f"um per pixel cannot be {given!r}: it is the side of a pixel in um, more than 0 and at most"
            f" {MAX_UM_PER_PIXEL:g}; a 20x scan has about 0.5, a 40x scan about 0.25."
        )
    return value


def guess_um_per_pixel(slide: Slide) -> float | None:
    """Guess um per pixel from the objective, 10 / power; ``None`` if the file does not name it.

    A guess is for a form to offer, never to be used unasked.
    """
    try:
        power = float(slide.properties.get("objective-power", ""))
    except ValueError:
        return None
    return 10 / power if math.isfinite(power) and 1 <= power <= 150 else None

"""Slides: open one of any format, find its tissue, cut it into patches.

- :mod:`~molf_engine.slides.protocol` says what a slide can do, :mod:`~molf_engine.slides.opening` picks the backend;
- :mod:`~molf_engine.slides.tissue` finds the tissue, :mod:`~molf_engine.slides.patches` lays patches over it and
  :mod:`~molf_engine.slides.reading` reads them at any um per pixel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from molf_engine.slides.fingerprint import fingerprint
from molf_engine.slides.opening import SlideKind, looks_like_slide, open_slide, slide_kind
from molf_engine.slides.overview import thumbnail
from molf_engine.slides.protocol import Level, Slide
from molf_engine.slides.scale import guess_um_per_pixel

if TYPE_CHECKING:
    from molf_engine.slides.patches import Grid, Patches, patch_grid, patches_at
    from molf_engine.slides.positions import read_positions
    from molf_engine.slides.reading import read_patch
    from molf_engine.slides.tissue import TissueMask, find_tissue, tissue_mask

__all__ = [
    "Grid",
    "Level",
    "Patches",
    "Slide",
    "SlideKind",
    "TissueMask",
    "find_tissue",
    "fingerprint",
    "guess_um_per_pixel",
    "looks_like_slide",
    "open_slide",
    "patch_grid",
    "patches_at",
    "read_patch",
    "read_positions",
    "slide_kind",
    "thumbnail",
    "tissue_mask",
]

# Imported when they are first asked for: opening a slide needs none of them.
_LATER = {
    "Grid": "patches",
    "Patches": "patches",
    "patch_grid": "patches",
    "patches_at": "patches",
    "read_positions": "positions",
    "read_patch": "reading",
    "TissueMask": "tissue",
    "find_tissue": "tissue",
    "tissue_mask": "tissue",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

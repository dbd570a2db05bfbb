"""PNG and JPEG through Pillow.

Neither format can be read in parts: the image is decoded when it is opened and kept, with coarser levels made from it
when somebody looks at them.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from molf_engine.errors import SlideError
from molf_engine.slides.base import BaseSlide
from molf_engine.slides.pixels import brightest, on_background, to_uint8
from molf_engine.slides.scale import MAX_FROM_PRINT_RESOLUTION

try:
    from PIL import Image, JpegImagePlugin, PngImagePlugin
except ImportError as error:
    raise ImportError("Pillow is missing. Install it with: pip install pillow") from error

MAX_PIXELS = 2**30
"""Largest image that is decoded whole: 3 GiB of RGB."""


class ImageSlide(BaseSlide):
    """A PNG or JPEG.

    Raises
    ------
    SlideError
        If it is damaged, cut off or too large to be held whole.
    """

    def __init__(self, path: Path, um_per_pixel: float | None = None) -> None:
        try:
            with _open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise SlideError(
                        f"{path} has {image.width} x {image.height} px. A {image.format} cannot be read in parts and"
                        " this one is too large to be held whole. Convert it to a pyramidal TIFF, for example with:"
                        " vips tiffsave IN OUT.tif --tile --pyramid"
                    )
                dots = image.info.get("dpi")
                kind = str(image.format).lower()
                self._pixels = _as_rgb(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise SlideError(
                f"{path} cannot be read: {error}. It is probably cut off or damaged; copy it from its source again."
            ) from error
        height, width = self._pixels.shape[:2]
        super().__init__(path, [(width, height)], _scale(dots), um_per_pixel, {"vendor": kind})

    def _read_inside(self, x: int, y: int, width: int, height: int, level: int) -> np.ndarray:
        return self._pixels[y : y + height, x : x + width].copy()

    def _close(self) -> None:
        self._pixels = np.empty((0, 0, 3), dtype=np.uint8)


def _open(path: Path) -> Image.Image:
    """Open by content, past Pillow's guard against large images: ours is for slides."""
    with path.open("rb") as stream:
        png = stream.read(8) == b"\x89PNG\r\n\x1a\n"
    # The plug-ins themselves, because Image.open refuses what it takes for a decompression bomb.
    return PngImagePlugin.PngImageFile(path) if png else JpegImagePlugin.JpegImageFile(path)


def _as_rgb(image: Image.Image) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        image.load()
    if image.mode.startswith("I"):
        values = np.asarray(image)
        return np.repeat(to_uint8(values, brightest(values))[..., None], 3, axis=-1)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return on_background(np.asarray(image.convert("RGBA")))
    return np.array(image.convert("RGB"))


def _scale(dots: tuple[float, float] | None) -> tuple[float | None, float | None]:
    if not dots or min(dots) <= 0:
        return None, None
    x, y = 25_400 / dots[0], 25_400 / dots[1]
    return (x, y) if max(x, y) <= MAX_FROM_PRINT_RESOLUTION else (None, None)

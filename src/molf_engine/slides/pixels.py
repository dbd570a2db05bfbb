"""Whatever a file stores becomes RGB, uint8."""

from __future__ import annotations

import numpy as np

WHITE = (255, 255, 255)


def on_background(
    rgba: np.ndarray, background: tuple[int, int, int] = WHITE, *, premultiplied: bool = False
) -> np.ndarray:
    """Composite ``(..., 4)`` uint8 on a colour; ``(..., 3)`` uint8.

    Dropping alpha instead would show what a scanner never saw as black.
    """
    alpha = rgba[..., 3]
    if (alpha == 255).all():
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha[..., None].astype(np.float32) / 255
    colour = rgba[..., :3].astype(np.float32)
    if not premultiplied:
        colour *= share
    colour += (1 - share) * np.asarray(background, dtype=np.float32)
    return (colour + 0.5).clip(0, 255).astype(np.uint8)


def to_uint8(values: np.ndarray, top: float) -> np.ndarray:
    """Scale ``[0, top]`` to ``[0, 255]``; values outside are clipped."""
    if values.dtype == np.uint8 and top == 255:
        return values
    return (values.astype(np.float32) * (255 / top) + 0.5).clip(0, 255).astype(np.uint8)


def brightest(values: np.ndarray) -> float:
    """Value that stands for full brightness, judged from a sample of the pixels.

    Cameras of 10, 12 or 14 bits store their values in 16: the smallest depth that holds the sample is taken, because
    the background of a bright-field slide comes close to full brightness.  Floating-point pixels are
    0 to 1, or 0 to 255.
    """
    if values.dtype == np.uint8:
        return 255.0
    if values.dtype == bool:
        return 1.0
    seen = float(values.max()) if values.size else 0.0
    if values.dtype.kind == "f":
        return 1.0 if seen <= 1 else 255.0
    for bits in (8, 10, 12, 14, 16):
        if seen < 2**bits:
            return float(2**bits - 1)
    return seen

"""A score that fades towards the slide where the model's draws differ.  No Qt."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def steadiness(spread: ArrayLike, values: ArrayLike) -> NDArray[np.float32]:
    """(P,) 0 to 1: variance of the score over the slide as a share of that variance and the variance over draws.

    1: all draws agree.  1/2: in this patch they differ as much as the tissue does over the slide.

    Parameters
    ----------
    spread
        (P,) standard deviation over draws.
    values
        (P,) the score.
    """
    spread = np.asarray(spread, np.float64)
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    tissue = float(finite.var()) if finite.size else 0.0
    with np.errstate(invalid="ignore"):
        share = np.where(spread > 0, tissue / (tissue + np.square(spread)), 1.0)
    return np.where(np.isnan(spread), 0.0, share).astype(np.float32)


def faded_colours(
    values: ArrayLike, opacity: ArrayLike, colormap: Any, limits: tuple[float, float], gamma: float = 1.0
) -> NDArray[np.uint8]:
    """(P, 4) colours of a score as napari draws them, but for an opacity of each patch; what is not a number is transparent.

    Parameters
    ----------
    values
        (P,) the score.
    opacity
        (P,) 0 to 1.
    colormap
        A ``napari.utils.Colormap``.
    limits
        Values of its two ends.
    gamma
        Of the layer.
    """
    values = np.asarray(values, np.float64)
    low, high = limits
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1) ** gamma
    colours = np.array(colormap.map(np.nan_to_num(place).astype(np.float32)), np.float64)
    colours[:, 3] *= np.where(np.isfinite(values), np.asarray(opacity, np.float64), 0.0)
    return np.rint(255 * colours).astype(np.uint8)

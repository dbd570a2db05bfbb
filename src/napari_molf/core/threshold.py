"""Which patches are shown: those above or below a value, or a percentile of the slide.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_molf.core.maps import ordinal


@dataclass(frozen=True)
class Threshold:
    """Shows a part of the patches only.

    Attributes
    ----------
    number
        A percentile of this slide, 0 to 100, or a value of the score.
    above
        Whether patches at and above it are shown, or those at and below it.
    percentile
        What ``number`` is.
    """

    number: float
    above: bool = True
    percentile: bool = True

    def level(self, values: ArrayLike) -> float:
        """The value that patches are held against; NaN if there are none."""
        if not self.percentile:
            return self.number
        finite = np.asarray(values, np.float64)
        finite = finite[np.isfinite(finite)]
        return float(np.percentile(finite, min(100.0, max(0.0, self.number)))) if finite.size else float("nan")

    def keep(self, values: ArrayLike) -> NDArray[np.bool_]:
        """(P,) which patches are shown; one without a value never is."""
        x, level = np.asarray(values), self.level(values)
        return x >= level if self.above else x <= level

    def sentence(self, values: ArrayLike) -> str:
        """What is shown, in words: ``412 of 1,648 patches (25 %) are shown: 2.31 and above, the 75th percentile``."""
        x, level = np.asarray(values), self.level(values)
        count, every = int(self.keep(x).sum()), int(np.isfinite(x).sum())
        share = f"{count:,} of {every:,} patches ({100 * count / max(1, every):.0f} %) are shown"
        where = f"{level:.2f} and {'above' if self.above else 'below'}"
        which = f", the {ordinal(self.number)} percentile" if self.percentile else ""
        return f"{share}: {where}{which}."

"""The two scales of expression, and the way between them.

``log1p`` is log(1 + counts): the paper's scale, in which most of a map is total count.  ``log1p-cp10k`` is
log(1 + counts per 10,000), the total taken over all genes of the section: composition, without depth.
"""

from __future__ import annotations

import numpy as np

from molf_engine.errors import ConfigError

UNITS = ("log1p", "log1p-cp10k")
# exp(80) still fits in float32: a wild extrapolation stays finite instead of overflowing.
_LARGEST = 80.0


def convert_units(x: np.ndarray, total: np.ndarray, from_: str, to: str) -> np.ndarray:
    """Expression in another scale, given total counts.

    Negative predictions, which no count could give, are converted as minus the conversion of their size: order is kept
    and the way back is exact.

    Parameters
    ----------
    x
        ``(P, G)`` or ``(P,)`` expression in the scale ``from_``.
    total
        ``(P,)`` total counts over all genes (not their logarithm). Where it is 0 (or below), the result is 0; where it is
        not known (NaN), so is the result.
    from_, to
        ``log1p`` or ``log1p-cp10k``.

    Returns
    -------
    np.ndarray
        Same shape as ``x``, its floating type (float32 for others); ``x`` itself if the scales are the same.

    Raises
    ------
    ConfigError
        For an unknown scale.
    """
    for units in (from_, to):
        if units not in UNITS:
            raise ConfigError(f"Unknown units {units!r}: choose {' or '.join(UNITS)}.")
    x = np.asarray(x)
    if from_ == to:
        return x
    dtype = x.dtype if np.issubdtype(x.dtype, np.floating) else np.dtype(np.float32)
    total = np.maximum(np.asarray(total, dtype=np.float64), 0.0)
    to_cp10k = np.divide(1e4, total, out=np.zeros_like(total), where=total != 0)
    factor = to_cp10k if to == "log1p-cp10k" else total / 1e4
    factor = factor.astype(dtype).reshape(-1, *(1,) * (x.ndim - 1))
    size = np.expm1(np.minimum(np.abs(x, dtype=dtype), dtype.type(_LARGEST)))
    return np.copysign(np.log1p(size * factor), x).astype(dtype, copy=False)

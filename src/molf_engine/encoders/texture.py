"""Colour and texture statistics of stain maps at three scales, unchanged by quarter turns and reflection.

Each statistic is pooled over three nested squares about the patch: the whole field, its half and its quarter.  Two
groups: *core* (moments of the stains and the number of nucleus-like blobs), which carry over best to unseen
patients, and *fine* (percentiles, band energies, gradients, local binary patterns), which describe more and carry
over less; ``docs/encoder.md`` has the comparison.

All arithmetic is on one image at a time, elementwise in float32, so that neither batch nor threads change a value.
"""

from __future__ import annotations

import numpy as np

from molf_engine.encoders.stain import EOSIN, HAEMATOXYLIN

WINDOWS = (1.0, 0.5, 0.25)
"""Sides of the nested squares, as shares of the field."""
OCTAVES = 4
_PERCENTILES = (5, 25, 50, 75, 95, 99)
_NUCLEUS_UM = 7.0
_BLOB_CONTRAST = (0.05, 0.1, 0.2)
_PATTERN_CONTRAST = 0.02
_PEAK_STEPS = np.float32(2**18)  # finer differences of the response are rounding
_TINY = np.float32(1e-3)


def statistics(maps: np.ndarray, um_per_pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Core ``(W, K)`` and fine ``(W, F)`` statistics of stain maps, float32; W: the squares of :data:`WINDOWS`.

    Parameters
    ----------
    maps
        ``(3, n, n)`` float32: haematoxylin, eosin, density (:func:`~molf_engine.encoders.stain.stain_maps`).
    um_per_pixel
        Of the maps.
    """
    smooth, bands = _bands(maps[:2])
    blobs = _blobs(bands[:, HAEMATOXYLIN], um_per_pixel)
    gradients = [_gradient(smooth[octave, HAEMATOXYLIN]) for octave in (0, 1)]
    patterns = [_binary_pattern(smooth[octave, HAEMATOXYLIN], octave + 1) for octave in (0, 1)]
    core, fine = [], []
    for share in WINDOWS:
        inside = _centre(maps.shape[-1], share)
        values = maps[:, inside, inside].reshape(3, -1)
        moments, centred, spread = _moments(values)
        core.append(np.concatenate([moments, _blob_statistics(*blobs, inside, um_per_pixel)]))
        fine.append(
            np.concatenate(
                [
                    _percentiles(values),
                    [(centred[HAEMATOXYLIN] * centred[EOSIN]).mean() / (spread[HAEMATOXYLIN] * spread[EOSIN] + _TINY)],
                    _band_statistics(bands[..., inside, inside]),
                    *[_gradient_statistics(*gradient, inside) for gradient in gradients],
                    *[
                        np.bincount(pattern[inside, inside].ravel(), minlength=10) / pattern[inside, inside].size
                        for pattern in patterns
                    ],
                ]
            )
        )
    return np.array(core, np.float32), np.array(fine, np.float32)


def _centre(side: int, share: float) -> slice:
    # The margin is the same on both sides, else a mirrored image would be cut differently.
    margin = round(side * (1 - share) / 2)
    return slice(margin, side - margin)


def _blur(maps: np.ndarray, step: int) -> np.ndarray:
    """Binomial smoothing (1 4 6 4 1) / 16 with ``step`` pixels between the taps, mirrored at the border."""
    side = maps.shape[-1]
    for axis in (-2, -1):
        padding = [(0, 0)] * maps.ndim
        padding[axis] = (2 * step, 2 * step)
        padded = np.moveaxis(np.pad(maps, padding, mode="symmetric"), axis, 0)
        a, b, c, d, e = (padded[tap * step : tap * step + side] for tap in range(5))
        maps = np.moveaxis((c * np.float32(6) + (b + d) * np.float32(4) + (a + e)) * np.float32(1 / 16), 0, axis)
    return maps


def _bands(maps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed maps and band-passed maps, each ``(OCTAVES, 2, n, n)``, without subsampling."""
    smooth, bands = [], []
    low = maps
    for octave in range(OCTAVES):
        lower = _blur(low, 2**octave)
        bands.append(low - lower)
        smooth.append(lower)
        low = lower
    return np.stack(smooth), np.stack(bands)


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, sd and cube root of the third moment ``(9,)``; centred values ``(3, N)``; sd ``(3,)``."""
    mean = values.mean(axis=1)
    centred = values - mean[:, None]
    squared = centred * centred
    spread = np.sqrt(squared.mean(axis=1))
    third = np.cbrt((squared * centred).mean(axis=1))
    return np.concatenate([mean, spread, third]), centred, spread


def _blobs(bands: np.ndarray, um_per_pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """How much each pixel looks like the middle of a nucleus ``(n, n)``, and where that peaks ``(n, n)`` bool."""
    # Band k answers most to discs about 2**(k + 1.3) pixels wide.
    octave = int(np.clip(round(np.log2(_NUCLEUS_UM / um_per_pixel) - 1), 0, OCTAVES - 2))
    response = bands[octave] + bands[octave + 1]
    return response, _peaks(np.rint(response * _PEAK_STEPS).astype(np.int32))


def _peaks(steps: np.ndarray) -> np.ndarray:
    """Local maxima ``(n, n)`` bool; of neighbours that are equally high one counts, however the image is turned."""
    side = steps.shape[0]
    padded = np.pad(steps, 1, mode="constant", constant_values=np.iinfo(steps.dtype).min)
    around = [(y, x) for y in range(3) for x in range(3) if (y, x) != (1, 1)]
    shifted = [padded[y : y + side, x : x + side] for y, x in around]
    before, after = np.maximum.reduce(shifted[:4]), np.maximum.reduce(shifted[4:])
    return (steps >= before) & (steps > after)


def _blob_statistics(response: np.ndarray, peaks: np.ndarray, inside: slice, um_per_pixel: float) -> np.ndarray:
    answer, peak = response[inside, inside], peaks[inside, inside]
    area = (answer.shape[0] * um_per_pixel / 100) ** 2  # in squares of 100 um
    counts = [np.log1p((peak & (answer > contrast)).sum() / area) for contrast in _BLOB_CONTRAST]
    return np.array([np.maximum(answer, 0).mean(), *counts])


def _percentiles(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(values, axis=1)
    last = values.shape[1] - 1
    return ordered[:, [round(last * percent / 100) for percent in _PERCENTILES]].ravel()


def _band_statistics(bands: np.ndarray) -> np.ndarray:
    """Log mean size and log sd of each band and stain, and how the stains' bands correlate."""
    flat = bands.reshape(*bands.shape[:2], -1)
    size = np.abs(flat).mean(axis=-1)
    spread = np.sqrt((flat * flat).mean(axis=-1))
    both = (flat[:, HAEMATOXYLIN] * flat[:, EOSIN]).mean(axis=-1)
    correlation = both / (spread[:, HAEMATOXYLIN] * spread[:, EOSIN] + _TINY * _TINY)
    return np.concatenate([np.log(size + _TINY).ravel(), np.log(spread + _TINY).ravel(), correlation])


def _gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Size of the gradient and coherence of its direction (structure tensor), each ``(n, n)``."""
    dy, dx = np.gradient(image)
    xx, yy, xy = _blur(_blur(np.stack([dx * dx, dy * dy, dx * dy]), 1), 2)
    coherence = np.sqrt((xx - yy) ** 2 + 4 * xy * xy) / (xx + yy + _TINY * np.float32(0.1))
    return np.sqrt(dx * dx + dy * dy), coherence


def _gradient_statistics(size: np.ndarray, coherence: np.ndarray, inside: slice) -> np.ndarray:
    size, coherence = size[inside, inside], coherence[inside, inside]
    return np.array([size.mean(), size.std(), coherence.mean(), (size * coherence).mean()])


def _binary_pattern(image: np.ndarray, radius: int) -> np.ndarray:
    """Rotation-invariant uniform local binary pattern (Ojala et al. 2002): codes 0 to 9, ``(n, n)`` uint8."""
    side = image.shape[0]
    padded = np.pad(image, radius, mode="symmetric")
    ring = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]
    threshold = image + np.float32(_PATTERN_CONTRAST)
    bits = []
    for down, right in ring:
        top, left = radius * (1 + down), radius * (1 + right)
        bits.append((padded[top : top + side, left : left + side] > threshold).view(np.uint8))
    ones = sum(bits)
    changes = sum(bits[number] ^ bits[number - 1] for number in range(8))
    return np.where(changes <= 2, ones, 9).astype(np.uint8)

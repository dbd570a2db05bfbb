"""A filter bank to compare the built-in encoder with: second-order scattering (Bruna and Mallat, PAMI 35:1872, 2013).

The image passes Morlet wavelets of ``OCTAVES`` scales and ``ORIENTATIONS`` orientations; the modulus of each answer
passes those of the coarser scales again.  Pooled over nested squares and over orientations (second order: over pairs
of equal angle between them).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import fft

OCTAVES, ORIENTATIONS = 4, 4
_TINY = 1e-3


def scattering(maps: np.ndarray, windows: tuple[float, ...]) -> np.ndarray:
    """Scattering features of square maps, any number of them.

    Parameters
    ----------
    maps
        ``(C, n, n)``, n a multiple of 16.
    windows
        Sides of the nested squares to pool over, as shares of n.

    Returns
    -------
    ``(F,)`` float32.
    """
    bank = _wavelets(maps.shape[-1])
    features: list[float] = []
    for image in maps:
        spectrum = fft.fft2(image)
        first = [np.abs(fft.ifft2(_fold(spectrum * bank[octave], _stride(octave)))) for octave in range(OCTAVES)]
        for share in windows:
            pooled = [_inside(answer, share) for answer in first]
            features += [value for answer in pooled for value in _first_order(answer)]
            features += [_inside(image, share).mean(), _inside(image, share).std()]
        for fine in range(OCTAVES - 1):
            answer_spectrum = fft.fft2(first[fine])
            for coarse in range(fine + 1, OCTAVES):
                wavelets = _crop(bank[coarse], answer_spectrum.shape[-1])
                folded = _fold(answer_spectrum[:, None] * wavelets[None], _stride(coarse) // _stride(fine))
                second = np.abs(fft.ifft2(folded))
                for share in windows:
                    features += _second_order(_inside(second, share), _inside(first[fine], share).mean())
    return np.array(features, np.float32)


def _stride(octave: int) -> int:
    return int(2 ** max(octave - 1, 0))


def _inside(maps: np.ndarray, share: float) -> np.ndarray:
    side = maps.shape[-1]
    margin = round(side * (1 - share) / 2)
    return maps[..., margin : side - margin, margin : side - margin]


def _first_order(answer: np.ndarray) -> list[float]:
    """Log mean, log sd, and how unequal the orientations are, of ``(ORIENTATIONS, m, m)``."""
    by_orientation = answer.mean(axis=(-1, -2))
    mean = by_orientation.mean()
    return [np.log(mean + _TINY), np.log(answer.std() + _TINY), by_orientation.std() / (mean + _TINY)]


def _second_order(answer: np.ndarray, below: float) -> list[float]:
    """Log mean relative to the first order, by angle between the two wavelets, mirrored angles together."""
    means = answer.mean(axis=(-1, -2))
    number = np.arange(ORIENTATIONS)
    by_angle = np.array([means[number, (number + turn) % ORIENTATIONS].mean() for turn in range(ORIENTATIONS)])
    folded = [(by_angle[turn] + by_angle[-turn]) / 2 for turn in range(ORIENTATIONS // 2 + 1)]
    return [float(np.log(value / (below + _TINY) + 0.01)) for value in folded]


def _fold(spectrum: np.ndarray, stride: int) -> np.ndarray:
    """Spectrum of a map of which every ``stride``-th pixel is kept."""
    side = spectrum.shape[-1] // stride
    return spectrum.reshape(*spectrum.shape[:-2], stride, side, stride, side).mean(axis=(-4, -2))


def _crop(filters: np.ndarray, side: int) -> np.ndarray:
    kept = np.r_[0 : side // 2, filters.shape[-1] - side // 2 : filters.shape[-1]]
    return filters[:, kept][:, :, kept]


@cache
def _wavelets(side: int) -> np.ndarray:
    """Morlet wavelets in the Fourier domain, ``(OCTAVES, ORIENTATIONS, side, side)`` float32, with zero mean."""
    frequency = 2 * np.pi * np.fft.fftfreq(side)
    periods = 2 * np.pi * np.array([-1, 0, 1])
    bank = np.empty((OCTAVES, ORIENTATIONS, side, side), np.float32)
    for octave in range(OCTAVES):
        centre, width = 0.75 * np.pi / 2**octave, 0.8 * 2**octave
        for orientation in range(ORIENTATIONS):
            angle = np.pi * orientation / ORIENTATIONS
            wave, envelope = np.zeros((side, side)), np.zeros((side, side))
            for shift_y in periods:
                for shift_x in periods:
                    y, x = frequency[:, None] + shift_y, frequency[None] + shift_x
                    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
                    slant = 4 / ORIENTATIONS
                    wave += np.exp(-(width**2) * ((along - centre) ** 2 + (across / slant) ** 2) / 2)
                    envelope += np.exp(-(width**2) * (along**2 + (across / slant) ** 2) / 2)
            bank[octave, orientation] = wave - wave[0, 0] / envelope[0, 0] * envelope
    return bank

"""Randomness that depends on position alone.

Everything the simulator draws comes from these functions of (coordinates, salt), so that any part of a slide is drawn
without its surroundings.  Noise uses only ``+ - * / floor``: the same bits come out whatever array a point is in.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_X, _Y, _SALT = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), 0xC2B2AE3D
_MIX_1, _MIX_2 = np.uint32(0x7FEB352D), np.uint32(0x846CA68B)
_SHIFT_1, _SHIFT_2 = np.uint32(16), np.uint32(15)
_DIRECTIONS = np.array(
    [(np.cos(angle), np.sin(angle)) for angle in (np.arange(32) + 0.5) * (2 * np.pi / 32)], dtype=np.float64
)


def salt_of(seed: int, *names: str | int) -> int:
    """Return a 32-bit salt for one use of one seed, stable across runs and machines."""
    value = 2166136261
    for byte in repr((int(seed), *names)).encode():
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def hash_lattice(i: np.ndarray, j: np.ndarray, salt: int) -> np.ndarray:
    """Return a random uint32 for each integer lattice point (i, j), of the broadcast shape."""
    i, j = np.broadcast_arrays(i, j)
    if i.size > 64:
        low_i, low_j = int(i.min()), int(j.min())
        columns, rows = int(i.max()) - low_i + 1, int(j.max()) - low_j + 1
        if 2 * columns * rows < i.size:
            # Many points share few lattice points: hash each of these once.
            grid = _hash(low_i + np.arange(columns), low_j + np.arange(rows)[:, None], salt)
            return grid.reshape(-1)[(j - low_j) * columns + (i - low_i)]
    return _hash(i, j, salt)


def _hash(i: np.ndarray, j: np.ndarray, salt: int) -> np.ndarray:
    h = np.asarray(i, np.int64).astype(np.uint32, copy=False) * _X ^ np.asarray(j, np.int64).astype(np.uint32) * _Y
    h = np.atleast_1d(h) ^ np.uint32(salt * _SALT & 0xFFFFFFFF)
    for mix in (_MIX_1, _MIX_2):
        h ^= h >> _SHIFT_1
        h *= mix
    h ^= h >> _SHIFT_2
    return h


def uniform(i: np.ndarray, j: np.ndarray, salt: int) -> np.ndarray:
    """Return a float64 in [0, 1) for each integer lattice point."""
    values: np.ndarray = hash_lattice(i, j, salt) * 2.0**-32
    return values


def gradient_noise(x: np.ndarray, y: np.ndarray, scale: float, salt: int) -> np.ndarray:
    """Return smooth noise at points (x, y): mean 0, sd about 0.4, features as wide as ``scale`` (same unit as x, y)."""
    u, v = x / scale, y / scale
    i, j = np.floor(u), np.floor(v)
    fu, fv = u - i, v - j
    i, j = i.astype(np.int64), j.astype(np.int64)
    corners = []
    for di, dj in ((0, 0), (1, 0), (0, 1), (1, 1)):
        direction = _DIRECTIONS[hash_lattice(i + di, j + dj, salt) >> np.uint32(27)]
        corners.append(direction[..., 0] * (fu - di) + direction[..., 1] * (fv - dj))
    a = fu * fu * fu * (fu * (fu * 6 - 15) + 10)
    b = fv * fv * fv * (fv * (fv * 6 - 15) + 10)
    low = corners[0] + a * (corners[1] - corners[0])
    high = corners[2] + a * (corners[3] - corners[2])
    noise: np.ndarray = 1.6 * (low + b * (high - low))
    return noise


def fractal_noise(x: np.ndarray, y: np.ndarray, scale: float, salt: int, octaves: int = 2) -> np.ndarray:
    """Return gradient noise with ``octaves`` finer copies of half the width and half the height each."""
    total = gradient_noise(x, y, scale, salt)
    for octave in range(1, octaves):
        total = total + 0.5**octave * gradient_noise(x, y, scale * 0.5**octave, salt + octave)
    return total


@lru_cache(maxsize=8)
def texture(name: str, size: int = 1024) -> tuple[np.ndarray, ...]:
    """Return a periodic texture (size, size), float32 in 0..1 with a flat histogram, and its halved versions.

    ``grain`` is isotropic, 2 to 6 texels wide; ``fibre`` is streaks along axis 1, 3 to 12 texels thick.
    """
    rng = np.random.default_rng(salt_of(0, "texture", name))
    fy, fx = np.meshgrid(np.fft.fftfreq(size), np.fft.rfftfreq(size), indexing="ij")
    if name == "grain":
        frequency = np.hypot(fx, fy)
        gain = np.exp(-((frequency / 0.22) ** 2)) / (frequency + 0.03)
    else:
        frequency = np.hypot(fx * 1.2, fy)
        gain = np.exp(-((frequency / 0.22) ** 2)) / (frequency + 0.02) ** 1.1
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * gain, s=(size, size))
    rank = np.empty(size * size, np.float32)
    rank[np.argsort(field, axis=None)] = np.linspace(0, 1, size * size, dtype=np.float32)
    levels = [rank.reshape(size, size)]
    while levels[-1].shape[0] > 16:
        half = levels[-1].shape[0] // 2
        levels.append(levels[-1].reshape(half, 2, half, 2).mean(axis=(1, 3), dtype=np.float32))
    return tuple(levels)

"""Mean and variance of columns, added up section by section (Chan, Golub and LeVeque 1983)."""

from __future__ import annotations

import numpy as np


class Spread:
    """Number, mean and sum of squares around the mean of each of ``C`` columns, as sections are added."""

    def __init__(self) -> None:
        self.count = np.zeros(0)
        """``(C,)`` values seen."""
        self.mean = np.zeros(0)
        """``(C,)``; 0 for a column without values."""
        self._squares = np.zeros(0)

    def add(self, values: np.ndarray, known: np.ndarray | None = None) -> None:
        """Add one section: ``(S, C)`` values, and ``(C,)`` bool, which columns it knows; all, if not given."""
        values = np.asarray(values, dtype=np.float64)
        if not len(self.count):
            self.count, self.mean, self._squares = np.zeros((3, values.shape[1]))
        if not len(values):
            return
        known = np.ones(values.shape[1], dtype=bool) if known is None else known
        new = len(values) * known.astype(np.float64)
        mean = values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        both = self.count + new
        share = np.divide(new, both, out=np.zeros_like(both), where=both > 0)
        away = np.where(known, mean - self.mean, 0.0)
        self.mean = self.mean + away * share
        self._squares = self._squares + np.where(known, squares, 0.0) + away**2 * self.count * share
        self.count = both

    @property
    def variance(self) -> np.ndarray:
        """``(C,)``; 0 for a column without values."""
        return self._squares / np.maximum(self.count, 1)

    def sd_or_1(self) -> np.ndarray:
        """``(C,)`` standard deviation; 1 for a column that does not vary."""
        sd = np.sqrt(self.variance)
        return np.where(sd > 1e-12 * (1 + np.abs(self.mean)), sd, 1.0)

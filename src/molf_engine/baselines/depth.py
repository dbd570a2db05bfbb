"""The rival that knows nothing but depth: for each gene a line on the predicted log total count.

In raw log counts a large part of any correlation is tissue density.  What a model says beyond this rival is about
genes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from molf_engine.baselines.ridge import Ridge
from molf_engine.baselines.rival import take, training_rows


@dataclass
class DepthOnly:
    """Ridge for the log total count, then a line per gene; fitted once for each scale that is scored."""

    name = "depth"

    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        measured: np.ndarray,
        log_total: np.ndarray,
        seed: int = 0,
        validation: np.ndarray | None = None,
    ) -> Self:
        """Fit in closed form; ``seed`` changes nothing.  See :class:`~molf_engine.baselines.rival.Rival`."""
        rows = training_rows(features, targets, measured, log_total, validation)
        no_genes = np.empty((len(rows.features), 0))
        self._ridge = Ridge().fit(rows.features, no_genes, no_genes.astype(bool), rows.log_total)
        depth = self._ridge.log_total(rows.features).astype(np.float64)
        slopes, offsets = lines(depth, rows.targets, rows.measured)
        self._slopes, self._offsets = slopes.astype(np.float32), offsets.astype(np.float32)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(P, G)`` expression."""
        return self.log_total(features)[:, None] * self._slopes + self._offsets

    def log_total(self, features: np.ndarray) -> np.ndarray:
        """``(P,)`` log total counts."""
        return self._ridge.log_total(features)

    def tensors(self) -> dict[str, np.ndarray]:
        """Give the tensors of the ridge for depth, ``slopes (G,)`` and ``offsets (G,)``."""
        return self._ridge.tensors() | {"slopes": self._slopes, "offsets": self._offsets}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Self:
        """Load what :meth:`tensors` gave."""
        rival = cls()
        rival._slopes, rival._offsets = take(tensors, ("slopes", "offsets"), cls.name)
        rival._ridge = Ridge.from_tensors(tensors)
        return rival


def lines(x: np.ndarray, targets: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least-squares line of each target on one predictor, over the spots where it was measured.

    Parameters
    ----------
    x
        ``(S,)`` float64.
    targets, measured
        ``(S, G)``, and bool.

    Returns
    -------
    slopes, offsets
        ``(G,)`` float64; slope 0 where ``x`` does not vary, both 0 where nothing was measured.
    """
    weight = measured.astype(np.float64)
    count = np.maximum(weight.sum(axis=0), 1)
    x_mean = x @ weight / count
    y_mean = (targets * weight).sum(axis=0) / count
    x_centred = (x[:, None] - x_mean) * weight
    spread = (x_centred**2).sum(axis=0)
    covariance = (x_centred * (targets - y_mean)).sum(axis=0)
    slopes = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 1e-12)
    return slopes, y_mean - slopes * x_mean

"""How far a patch is from what the model has seen: feature statistics of its training patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

QUANTILE = 0.99
"""Share of the training patches that count as familiar."""


@dataclass(frozen=True)
class FeatureReference:
    """Mean and whitening of the training features, and the distance that 99 % of them stay within.

    The distance is Mahalanobis' over sqrt(D): about 1 for a typical training patch.
    """

    mean: np.ndarray
    whitening: np.ndarray
    threshold: float

    @classmethod
    def fit(cls, features: np.ndarray) -> FeatureReference:
        """From training features (S, D); the covariance is shrunk, since S may be small."""
        from sklearn.covariance import LedoitWolf

        estimate = LedoitWolf().fit(features)
        values, vectors = np.linalg.eigh(estimate.covariance_)
        whitening = (vectors / np.sqrt(np.maximum(values, 1e-12))).astype(np.float32)
        reference = cls(estimate.location_.astype(np.float32), whitening, np.inf)
        return cls(reference.mean, whitening, float(np.quantile(reference.distance(features), QUANTILE)))

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Distance of each patch, (P, D) -> (P,)."""
        white = (features - self.mean) @ self.whitening
        return np.sqrt(np.square(white).mean(axis=1)).astype(np.float32)

    def tensors(self) -> dict[str, np.ndarray]:
        """Arrays for ``reference.safetensors``."""
        return {
            "mean": self.mean,
            "whitening": self.whitening,
            "threshold": np.array([self.threshold], dtype=np.float32),
        }

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> FeatureReference:
        """Inverse of :meth:`tensors`."""
        return cls(tensors["mean"], tensors["whitening"], float(tensors["threshold"][0]))

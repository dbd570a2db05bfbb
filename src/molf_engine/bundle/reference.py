"""How far a patch, and a whole slide, is from what the model has seen: feature statistics of its training patches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

QUANTILE = 0.99
"""Share of the training patches that count as familiar."""

SHIFT_LIMIT = 1.0
"""A slide whose median lies farther from the training mean than this looks unlike the training slides as a whole.

In whitened features the variance of the training patches is 1 in each direction, and that between slides is a part of it: the mean
square of the shifts of the training slides' own means cannot be above 1, and is far below it where slides were scanned alike.
"""

MIN_PATCHES = 20
"""With fewer patches, what tissue they happen to show decides more than the slide does: nothing is said of its shift."""


@dataclass(frozen=True, eq=False)
class Familiarity:
    """What sets the patches of one slide apart from training: first all of them together, then each.

    Attributes
    ----------
    distance : ndarray
        (P,) of each patch from the training mean.
    shift : float or None
        Distance of the slide's median; above :data:`SHIFT_LIMIT` the whole slide looks unlike the training slides.  None: too few
        patches to tell.
    own_distance : ndarray or None
        (P,) of each patch once that shift is taken off: what a scanner or a staining run did to all patches alike is gone from it.
    threshold : float
        Distance that 99 % of the training patches stay within.
    """

    distance: np.ndarray
    shift: float | None
    own_distance: np.ndarray | None
    threshold: float


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
        return _length(self._white(features))

    def judge(self, features: np.ndarray) -> Familiarity:
        """Tell what a slide's patches (P, D) share from what sets single ones apart."""
        white = self._white(features)
        shift, own = None, None
        if len(white) >= MIN_PATCHES:
            middle = np.median(white, axis=0)
            shift, own = float(_length(middle[None])[0]), _length(white - middle)
        return Familiarity(_length(white), shift, own, self.threshold)

    def _white(self, features: np.ndarray) -> np.ndarray:
        white: np.ndarray = (features - self.mean) @ self.whitening
        return white

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


def _length(white: np.ndarray) -> np.ndarray:
    """Length over sqrt(D) of each row, (P, D) -> (P,)."""
    length: np.ndarray = np.sqrt(np.square(white).mean(axis=1)).astype(np.float32)
    return length

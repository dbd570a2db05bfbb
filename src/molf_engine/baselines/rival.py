"""What every rival does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, Self

import numpy as np

from molf_engine.errors import BundleError, DataError


class Rival(Protocol):
    """Predicts expression from the features of a patch, in the scale of the targets that it was fitted on.

    Also predicts the log total count, so that a prediction can be given in the other scale
    (:func:`molf_engine.genes.convert_units`).
    """

    name: str

    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        measured: np.ndarray,
        log_total: np.ndarray,
        seed: int = 0,
        validation: np.ndarray | None = None,
    ) -> Self:
        """Fit on training spots; the same seed gives the same fit.

        Parameters
        ----------
        features
            ``(S, D)``, finite.
        targets
            ``(S, G)`` expression; anything where unmeasured.
        measured
            ``(S, G)`` bool: this gene was measured at this spot. A gene measured nowhere is predicted as 0.
        log_total
            ``(S,)`` natural logarithm of the total counts.
        validation
            ``(S,)`` bool: spots (whole sections) that no weight is fitted on; early stopping looks at them.

        Raises
        ------
        DataError
            If the shapes differ, a feature or target is not finite, or no spot is left to fit on.
        """
        ...

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(P, D)`` features to ``(P, G)`` float32 expression; a row of NaN stays NaN."""
        ...

    def log_total(self, features: np.ndarray) -> np.ndarray:
        """``(P, D)`` features to ``(P,)`` float32 log total counts."""
        ...

    def tensors(self) -> dict[str, np.ndarray]:
        """Everything that prediction needs."""
        ...

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Self:
        """Make the rival that :meth:`tensors` came from: identical predictions.  Raises :class:`BundleError`."""
        ...


def total_counts(rival: Rival, features: np.ndarray) -> np.ndarray:
    """``(P, D)`` features to ``(P,)`` float32 total counts; an extrapolated logarithm stops at 16, far above any patch."""
    return np.exp(np.clip(rival.log_total(features), 0, 16)).astype(np.float32)


class Rows(NamedTuple):
    """Checked input of a fit."""

    features: np.ndarray
    targets: np.ndarray
    measured: np.ndarray
    log_total: np.ndarray


def training_rows(
    features: np.ndarray,
    targets: np.ndarray,
    measured: np.ndarray,
    log_total: np.ndarray,
    validation: np.ndarray | None,
    *,
    held_out: bool = False,
) -> Rows:
    """Check and choose the spots to fit on (or, ``held_out``, to validate on); unmeasured targets are 0."""
    features, targets, log_total = np.asarray(features), np.asarray(targets), np.asarray(log_total)
    measured = np.broadcast_to(np.asarray(measured, dtype=bool), targets.shape)
    if features.ndim != 2 or targets.ndim != 2 or not len(features) == len(targets) == len(log_total):
        raise DataError(
            f"Features {features.shape}, targets {targets.shape} and log totals {log_total.shape} "
            "should be (S, D), (S, G) and (S,)."
        )
    targets = np.where(measured, targets, 0)
    if bad := int((~(np.isfinite(features).all(1) & np.isfinite(targets).all(1) & np.isfinite(log_total))).sum()):
        raise DataError(
            f"{bad} of {len(features)} spots have features, counts or totals that are not finite: leave them out."
        )
    kept_back = np.zeros(len(features), dtype=bool) if validation is None else np.asarray(validation, dtype=bool)
    chosen = kept_back if held_out else ~kept_back
    if not held_out and not chosen.any():
        raise DataError("No spot is left to fit the rivals on: every one is held out for validation.")
    return Rows(features[chosen], targets[chosen], measured[chosen], log_total[chosen])


def standardisation(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd ``(D,)`` float64 of features; sd 1 for a feature that does not vary."""
    mean = features.mean(axis=0, dtype=np.float64)
    sd = features.std(axis=0, dtype=np.float64)
    return mean, np.where(sd > 1e-12 * (1 + np.abs(mean)), sd, 1.0)


def take(tensors: Mapping[str, np.ndarray], names: tuple[str, ...], rival: str) -> list[np.ndarray]:
    """Named tensors, or a :class:`BundleError` that says which one is missing."""
    if missing := [name for name in names if name not in tensors]:
        raise BundleError(
            f"The bundle's {rival} rival lacks {', '.join(missing)}: the file is damaged, train the bundle again."
        )
    return [np.asarray(tensors[name]) for name in names]


def centred(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """``(P, D)`` float32 features less their training mean.  Raises :class:`DataError` on another width."""
    features = np.asarray(features, dtype=np.float32)
    if features.ndim != 2 or features.shape[1] != len(mean):
        raise DataError(f"Features of shape {features.shape} do not fit a rival fitted on (S, {len(mean)}).")
    return features - mean

"""Measures of a prediction against measured counts: ``S`` spots of ONE slide, ``G`` genes, both in the same scale.

Correlations are over the spots of one slide, gene by gene; a table's figure is their mean over genes, then over slides.
Pooling the spots of several slides first gives other, higher numbers: never set the two side by side.
"""

from __future__ import annotations

import numpy as np


def pcc(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Pearson correlation of each gene over the spots of one slide.

    Parameters
    ----------
    predicted, measured
        ``(S, G)`` expression.
    mask
        ``(G,)`` bool: the slide measured this gene; none: all.

    Returns
    -------
    np.ndarray
        ``(G,)`` float64; NaN where unmeasured or where one of the two does not vary.
    """
    predicted, measured, mask = _checked(predicted, measured, mask)
    result = np.full(predicted.shape[1], np.nan)
    if len(predicted) < 2:
        return result
    # By value, not by variance: rounding gives a constant column a variance above 0.
    varying = mask & (np.ptp(predicted, axis=0) > 0) & (np.ptp(measured, axis=0) > 0)
    x = predicted[:, varying] - predicted[:, varying].mean(axis=0)
    y = measured[:, varying] - measured[:, varying].mean(axis=0)
    x /= np.linalg.norm(x, axis=0)
    y /= np.linalg.norm(y, axis=0)
    result[varying] = np.clip((x * y).sum(axis=0), -1.0, 1.0)
    return result


def mean_finite(values: np.ndarray) -> float:
    """Mean of the finite values; NaN if there is none."""
    finite = np.asarray(values)[np.isfinite(values)]
    return float(finite.mean()) if finite.size else float("nan")


def wasserstein_per_spot(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean over spots of the 1-Wasserstein distance between the predicted and the measured values of a spot.

    Both lists of measured genes are sorted: how far apart the distributions are, whichever gene has which value.
    """
    predicted, measured, mask = _checked(predicted, measured, mask)
    if not mask.any() or not len(predicted):
        return float("nan")
    distances = np.abs(np.sort(predicted[:, mask], axis=1) - np.sort(measured[:, mask], axis=1)).mean(axis=1)
    return float(distances.mean())


def cosine(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean over spots of the cosine of predicted and measured profile; spots whose profile is all 0 are left out."""
    predicted, measured, mask = _checked(predicted, measured, mask)
    x, y = predicted[:, mask], measured[:, mask]
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    cosines = np.divide((x * y).sum(axis=1), lengths, out=np.full(len(x), np.nan), where=lengths > 0)
    return mean_finite(cosines)


def mse(predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Mean squared error over spots and measured genes."""
    predicted, measured, mask = _checked(predicted, measured, mask)
    if not mask.any() or not len(predicted):
        return float("nan")
    return float(((predicted[:, mask] - measured[:, mask]) ** 2).mean())


def _checked(
    predicted: np.ndarray, measured: np.ndarray, mask: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    predicted, measured = np.asarray(predicted, dtype=np.float64), np.asarray(measured, dtype=np.float64)
    if predicted.ndim != 2 or predicted.shape != measured.shape:
        raise ValueError(f"predicted {predicted.shape} and measured {measured.shape} should both be (S, G)")
    mask = np.ones(predicted.shape[1], dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
    return predicted, measured, mask

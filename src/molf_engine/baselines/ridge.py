"""Ridge regression on principal components, its penalty chosen by generalised cross-validation.

Features are standardised and reduced to 256 principal components.  Each gene is then fitted on the spots where it was
measured, with an intercept of its own and the penalty that minimises (Golub, Heath and Wahba 1979)::

    GCV(alpha) = n * RSS(alpha) / (n - df(alpha))^2

Spots enter only through sums of products per block of spots that measure the same genes: genes measured in the same
blocks share one eigendecomposition, and the result is exactly the fit gene by gene.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import NamedTuple, Self

import numpy as np

from molf_engine.baselines.rival import centred, standardisation, take, training_rows

COMPONENTS = 256
ALPHAS = np.geomspace(1e-4, 1e2, 49)
"""Penalties that are tried, relative to the number of spots times the mean variance of a component."""
_FEWEST_SPOTS = 3
_CHUNK = 8192


@dataclass
class Ridge:
    """The linear rival.

    ``shared_alpha``: one penalty for all genes measured at the same spots (the mean over genes of GCV relative to the
    gene's variance decides); otherwise each gene has its own.
    """

    components: int = COMPONENTS
    shared_alpha: bool = True

    name = "ridge"

    def fit(
        self,
        features: np.ndarray,
        targets: np.ndarray,
        measured: np.ndarray,
        log_total: np.ndarray,
        seed: int = 0,
        validation: np.ndarray | None = None,
    ) -> Self:
        """Fit in closed form, float64; ``seed`` changes nothing.  See :class:`~molf_engine.baselines.rival.Rival`."""
        rows = training_rows(features, targets, measured, log_total, validation)
        mean, projection = principal_components(rows.features, self.components)
        scores = _Scores(rows.features, mean, projection)
        # Depth is one more target, measured everywhere, with a penalty of its own.
        depth = rows.log_total[:, None].astype(np.float64)
        parts = [
            _fit_targets(scores, rows.targets, rows.measured, self.shared_alpha),
            _fit_targets(scores, depth, np.ones_like(depth, dtype=bool), shared_alpha=False),
        ]
        slopes = np.concatenate([part.slopes for part in parts], axis=1)
        self.alphas = np.concatenate([part.alphas for part in parts])
        """Penalty of each gene, and last of the log total; NaN where only an intercept was fitted."""
        self._mean = mean.astype(np.float32)
        self._coefficients = (projection @ slopes).astype(np.float32)
        self._intercepts = np.concatenate([part.intercepts for part in parts]).astype(np.float32)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        """``(P, G)`` expression."""
        return centred(features, self._mean) @ self._coefficients[:, :-1] + self._intercepts[:-1]

    def log_total(self, features: np.ndarray) -> np.ndarray:
        """``(P,)`` log total counts."""
        return centred(features, self._mean) @ self._coefficients[:, -1] + self._intercepts[-1]

    def tensors(self) -> dict[str, np.ndarray]:
        """``mean (D,)``, ``coefficients (D, G + 1)``, ``intercepts (G + 1,)``; the log total is last."""
        return {"mean": self._mean, "coefficients": self._coefficients, "intercepts": self._intercepts}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> Self:
        """Load what :meth:`tensors` gave."""
        rival = cls()
        rival._mean, rival._coefficients, rival._intercepts = take(
            tensors, ("mean", "coefficients", "intercepts"), cls.name
        )
        return rival


def principal_components(features: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal components of standardised features.

    Returns
    -------
    mean
        ``(D,)`` of the features.
    projection
        ``(D, K)``; ``(features - mean) @ projection`` are the scores. ``K``: at most ``components``, ``S - 1``, ``D``.
    """
    spots, width = features.shape
    mean, sd = standardisation(features)
    covariance = np.zeros((width, width))
    for chunk in chunks(np.arange(spots)):
        standardised = (features[chunk] - mean) / sd
        covariance += standardised.T @ standardised
    return mean, leading_directions(covariance, sd, max(1, min(components, spots - 1, width)))


def leading_directions(covariance: np.ndarray, sd: np.ndarray, count: int) -> np.ndarray:
    """``(D, K)`` projection of centred features on the first ``count`` principal components of standardised ones."""
    variances, directions = np.linalg.eigh(covariance)
    order = np.argsort(variances)[::-1][:count]
    # An eigenvector's sign is arbitrary; fixing it makes the fit the same on every machine.
    directions = directions[:, order]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(count)]
    return directions * np.where(largest < 0, -1.0, 1.0) / sd[:, None]


class Fit(NamedTuple):
    """Linear fit of ``T`` targets on ``K`` scores: ``slopes (K, T)``, ``intercepts (T,)``, ``alphas (T,)``."""

    slopes: np.ndarray
    intercepts: np.ndarray
    alphas: np.ndarray


class _Scores(NamedTuple):
    """Scores ``(spots, K)`` of some spots, computed when asked for: all at once would double the features in memory."""

    features: np.ndarray
    mean: np.ndarray
    projection: np.ndarray

    def of(self, spots: np.ndarray) -> np.ndarray:
        return (self.features[spots] - self.mean) @ self.projection


class Moments(NamedTuple):
    """Sums over a block of spots: count, scores, their products, targets, their squares, scores by targets."""

    n: float
    z: np.ndarray
    zz: np.ndarray
    y: np.ndarray
    yy: np.ndarray
    zy: np.ndarray


def _fit_targets(scores: _Scores, targets: np.ndarray, measured: np.ndarray, shared_alpha: bool) -> Fit:
    """Ridge of each target on the spots where it was measured."""
    width, count = scores.projection.shape[1], targets.shape[1]
    fit = Fit(np.zeros((width, count)), np.zeros(count), np.full(count, np.nan))
    if not count:
        return fit
    block_patterns, block_of_spot = np.unique(measured, axis=0, return_inverse=True)
    moments = [
        _block_moments(scores, targets, np.flatnonzero(block_of_spot.ravel() == block))
        for block in range(len(block_patterns))
    ]
    # Genes measured in the same blocks share one design matrix.
    gene_patterns, pattern_of_gene = np.unique(block_patterns, axis=1, return_inverse=True)
    for pattern, blocks in enumerate(gene_patterns.T):
        genes = np.flatnonzero(pattern_of_gene.ravel() == pattern)
        if blocks.any():
            parts = [_of_genes(moments[block], genes) for block in np.flatnonzero(blocks)]
            fit_group(reduce(add, parts), genes, fit, shared_alpha)
    return fit


def _block_moments(scores: _Scores, targets: np.ndarray, spots: np.ndarray) -> Moments:
    parts = []
    for chunk in chunks(spots):
        z, y = scores.of(chunk), targets[chunk].astype(np.float64)
        parts.append(Moments(len(chunk), z.sum(0), z.T @ z, y.sum(0), (y**2).sum(0), z.T @ y))
    return reduce(add, parts)


def add(one: Moments, other: Moments) -> Moments:
    """Sums over two blocks together."""
    return Moments(
        one.n + other.n, one.z + other.z, one.zz + other.zz, one.y + other.y, one.yy + other.yy, one.zy + other.zy
    )


def _of_genes(moments: Moments, genes: np.ndarray) -> Moments:
    return moments._replace(y=moments.y[genes], yy=moments.yy[genes], zy=moments.zy[:, genes])


def fit_group(sums: Moments, genes: np.ndarray, fit: Fit, shared_alpha: bool) -> None:
    """Fit the genes of one design matrix, whose sums these are, into their columns of ``fit``."""
    n = sums.n
    z_mean, y_mean = sums.z / n, sums.y / n
    fit.intercepts[genes] = y_mean
    variance = np.maximum(sums.yy - n * y_mean**2, 0.0)
    if n < _FEWEST_SPOTS:
        return
    eigenvalues, vectors = np.linalg.eigh(sums.zz - n * np.outer(z_mean, z_mean))
    eigenvalues = np.maximum(eigenvalues, 0.0)
    if not eigenvalues.any():
        return
    rotated = vectors.T @ (sums.zy - n * np.outer(z_mean, y_mean))
    alphas = ALPHAS * eigenvalues.mean()
    scores = gcv(eigenvalues, rotated, variance, n, alphas)
    varying = variance > 1e-12 * np.maximum(sums.yy, 1e-300)
    if shared_alpha and varying.any():
        best = np.full(len(genes), np.argmin((scores[:, varying] / variance[varying]).mean(axis=1)))
    else:
        best = scores.argmin(axis=0)
    chosen = alphas[best]
    slopes = vectors @ (rotated / (eigenvalues[:, None] + chosen))
    slopes[:, ~varying] = 0.0
    fit.slopes[:, genes] = slopes
    fit.intercepts[genes] = y_mean - z_mean @ slopes
    fit.alphas[genes] = np.where(varying, chosen, np.nan)


def gcv(eigenvalues: np.ndarray, rotated: np.ndarray, variance: np.ndarray, n: float, alphas: np.ndarray) -> np.ndarray:
    """Generalised cross-validation of ridge with an intercept (Golub, Heath and Wahba 1979).

    Parameters
    ----------
    eigenvalues
        ``(K,)`` of the centred scores' products.
    rotated
        ``(K, T)`` products of scores and targets, both centred, along the eigenvectors.
    variance
        ``(T,)`` sum of squares of the centred targets.
    n
        Number of spots.
    alphas
        ``(A,)`` penalties.

    Returns
    -------
    np.ndarray
        ``(A, T)``; infinite where no degree of freedom is left.
    """
    shrunk = 1 / (eigenvalues + alphas[:, None])
    residual = variance - (2 * shrunk - eigenvalues * shrunk**2) @ rotated**2
    free = n - 1 - (eigenvalues * shrunk).sum(axis=1)
    scores = n * np.maximum(residual, 0.0) / np.maximum(free, 1e-300)[:, None] ** 2
    return np.where(free[:, None] > 1e-6 * n, scores, np.inf)


def chunks(index: np.ndarray) -> Iterator[np.ndarray]:
    """Pieces of an index, each small enough to convert to float64."""
    for start in range(0, len(index), _CHUNK):
        yield index[start : start + _CHUNK]

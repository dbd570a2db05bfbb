"""Ridge and depth-only fitted section by section: the fit of all rows at once, in the memory of one section.

Three passes give ridge: means and sds of the features; their covariance; sums of products of components and targets.
A gene's sums run over the sections that measured it.  Since unmeasured targets are 0, sums with a target need no mask;
only the sums of the components alone are kept apart, once for each set of genes that a section may measure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce

import numpy as np

from molf_engine.baselines.depth import DepthOnly
from molf_engine.baselines.ridge import COMPONENTS, Fit, Moments, Ridge, add, chunks, fit_group, leading_directions
from molf_engine.baselines.spread import Spread
from molf_engine.baselines.whole_slide import SpotRows
from molf_engine.errors import DataError

Pass = Callable[[], Iterator[SpotRows]]
"""Goes through all training sections once, each time it is called."""


def fit_ridge(sections: Pass, shared_alpha: bool = True) -> Ridge:
    """Fit :class:`~molf_engine.baselines.ridge.Ridge` in three passes; equal to the fit of all rows at once but for rounding.

    Raises :class:`DataError` if there is no spot.
    """
    mean, projection = _components(sections)
    genes = _Sums(projection.shape[1])
    depth = _Sums(projection.shape[1])
    for rows in sections():
        for chunk in chunks(np.arange(len(rows.features))):
            scores = (rows.features[chunk] - mean) @ projection
            genes.add(scores, rows.targets[chunk].astype(np.float64), rows.measured)
            depth.add(scores, rows.log_total[chunk, None], np.ones(1, dtype=bool))
    parts = [genes.fit(shared_alpha), depth.fit(shared_alpha=False)]
    slopes = np.concatenate([part.slopes for part in parts], axis=1)
    return Ridge.from_tensors(
        {
            "mean": mean.astype(np.float32),
            "coefficients": (projection @ slopes).astype(np.float32),
            "intercepts": np.concatenate([part.intercepts for part in parts]).astype(np.float32),
        }
    )


def fit_depth(sections: Pass) -> DepthOnly:
    """Fit :class:`~molf_engine.baselines.depth.DepthOnly` in four passes.  Raises :class:`DataError` if there is no spot."""
    ridge = fit_ridge(lambda: (_without_genes(rows) for rows in sections()))
    x: _Lines | None = None
    for rows in sections():
        x = x or _Lines(rows.targets.shape[1], ridge.log_total(rows.features[:1]))
        x.add(ridge.log_total(rows.features), rows.targets, rows.measured)
    assert x is not None
    slopes, offsets = x.solve()
    own = {"slopes": slopes.astype(np.float32), "offsets": offsets.astype(np.float32)}
    return DepthOnly.from_tensors(ridge.tensors() | own)


def _without_genes(rows: SpotRows) -> SpotRows:
    none = rows.targets[:, :0]
    return SpotRows(rows.features, rows.positions_um, none, rows.measured[:0], rows.log_total)


def _components(sections: Pass) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(D,)`` of the features and projection ``(D, K)`` on their principal components."""
    spread = Spread()
    for rows in sections():
        spread.add(rows.features)
    if not spread.count.any():
        raise DataError("No spot is left to fit on: no section has a spot with features.")
    mean, sd = spread.mean, spread.sd_or_1()
    covariance = np.zeros((len(mean), len(mean)))
    for rows in sections():
        for chunk in chunks(np.arange(len(rows.features))):
            standardised = (rows.features[chunk] - mean) / sd
            covariance += standardised.T @ standardised
    spots = int(spread.count[0])
    return mean, leading_directions(covariance, sd, max(1, min(COMPONENTS, spots - 1, len(mean))))


class _Sums:
    """Sums over spots of ``K`` component scores and ``T`` targets; those of the scores per set of measured targets."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._targets: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
        self._scores: dict[bytes, Moments] = {}

    def add(self, scores: np.ndarray, targets: np.ndarray, measured: np.ndarray) -> None:
        """Spots of one section: ``(S, K)``, ``(S, T)`` with 0 where unmeasured, ``(T,)``."""
        sums = targets.sum(0), (targets**2).sum(0), scores.T @ targets
        self._targets = sums if self._targets is None else _added(self._targets, sums)
        none = np.zeros(0)
        own = Moments(len(scores), scores.sum(0), scores.T @ scores, none, none, np.zeros((self._width, 0)))
        key = np.packbits(measured).tobytes()
        self._scores[key] = add(self._scores[key], own) if key in self._scores else own

    def fit(self, shared_alpha: bool) -> Fit:
        """Ridge of each target on the spots of the sections that measured it."""
        assert self._targets is not None
        y, yy, zy = self._targets
        fit = Fit(np.zeros((self._width, len(y))), np.zeros(len(y)), np.full(len(y), np.nan))
        packed = [np.frombuffer(key, dtype=np.uint8) for key in self._scores]
        patterns = np.array([np.unpackbits(bits, count=len(y)) for bits in packed], dtype=bool)
        # Targets measured in the same sections share one design matrix.
        designs, design_of_target = np.unique(patterns, axis=1, return_inverse=True)
        blocks = list(self._scores.values())
        for design, chosen in enumerate(designs.T):
            columns = np.flatnonzero(design_of_target.ravel() == design)
            if chosen.any():
                scores = reduce(add, [blocks[block] for block in np.flatnonzero(chosen)])
                sums = scores._replace(y=y[columns], yy=yy[columns], zy=zy[:, columns])
                fit_group(sums, columns, fit, shared_alpha)
        return fit


def _added(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    first, second, third = (a + b for a, b in zip(one, other, strict=True))
    return first, second, third


class _Lines:
    """Sums of a least-squares line of each of ``G`` targets on one predictor, around a predictor's value."""

    def __init__(self, genes: int, origin: np.ndarray) -> None:
        self._origin = float(origin[0]) if len(origin) else 0.0
        self._sums = np.zeros((5, genes))

    def add(self, x: np.ndarray, targets: np.ndarray, measured: np.ndarray) -> None:
        """Spots of one section: ``(S,)``, ``(S, G)`` with 0 where unmeasured, ``(G,)``."""
        x, y = x.astype(np.float64) - self._origin, targets.astype(np.float64)
        alone = np.array([len(x), x.sum(), x @ x])
        self._sums[:3] += alone[:, None] * measured
        self._sums[3:] += y.sum(axis=0), x @ y

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Slopes and offsets ``(G,)``, as :func:`molf_engine.baselines.depth.lines` gives them."""
        n, x, xx, y, xy = self._sums
        count = np.maximum(n, 1)
        spread = xx - x**2 / count
        slopes = np.divide(xy - x * y / count, spread, out=np.zeros_like(x), where=spread > 1e-12)
        return slopes, y / count - slopes * (x / count + self._origin)

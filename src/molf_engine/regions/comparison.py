"""Two groups of patches compared, gene by gene: how far apart the predictions lie, and how sure one can be that chance did not do it.

The Mann-Whitney test takes patches for independent.  They are not: neighbours look alike, and a model that sees context makes them more
alike still.  So its q is given beside a second one, of :mod:`molf_engine.regions.placement`, that asks how far apart groups of the same
shape lie elsewhere on the same tissue.  What is compared are predictions: a difference is a predicted difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molf_engine.errors import RegionError
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.regions.placement import Placement, place_elsewhere

MIN_PATCHES = 5
"""With fewer patches in a group no comparison is made."""
_BLOCK = 64
_MORAN_SCORES = 50


@dataclass(frozen=True)
class Comparison:
    """Group A against group B; G scores.  NaN where a score has no finite values.

    Attributes
    ----------
    names
        (G,) names of the scores.
    patches_a, patches_b
        Patches compared.
    shared
        Patches that lie in both groups; they were left out of both.
    mean_a, mean_b
        (G,) means, in the scale of the values.
    effect
        (G,) rank-biserial correlation, which is Cliff's delta: 1 if every patch of A is above every one of B, -1 if below.
    p, q
        (G,) two-sided Mann-Whitney test with tie correction, and the false discovery rate of Benjamini and Hochberg.
    spatial_p, spatial_q
        (G,) the same from placing the groups elsewhere on the tissue; NaN where that is not possible.
    placement
        How those were found, or why they could not be.
    moran
        Median Moran's I of the scores with the largest effects: 0 if neighbours are not alike, towards 1 if they are.
    """

    names: tuple[str, ...]
    patches_a: int
    patches_b: int
    shared: int
    mean_a: np.ndarray
    mean_b: np.ndarray
    effect: np.ndarray
    p: np.ndarray
    q: np.ndarray
    spatial_p: np.ndarray
    spatial_q: np.ndarray
    placement: Placement
    moran: float

    @property
    def difference(self) -> np.ndarray:
        """(G,) mean of A less mean of B, in log units."""
        return self.mean_a - self.mean_b

    @property
    def warning(self) -> str:
        """What the numbers of this comparison are worth, for a person to read before them."""
        patches, placement = self.patches_a + self.patches_b, self.placement
        alike = f" (Moran's I {self.moran:.2f})" if np.isfinite(self.moran) else ""
        if placement.reason is not None:
            return (
                f"Neighbouring patches are alike{alike}, so q of the plain test is far too small. No spatial q: {placement.reason} "
                "Rely on the effect size."
            )
        return (
            f"Neighbouring patches are alike{alike}: these {patches:,} tell as much as about {placement.effective:,.0f} independent ones. "
            f"Rely on the spatial q, from {placement.copies} placements of the same shapes elsewhere on this slide."
        )


def compare(
    values: np.ndarray,
    names: Sequence[str],
    inside_a: np.ndarray,
    inside_b: np.ndarray,
    positions: np.ndarray,
    *,
    seed: int = 0,
    progress: ProgressCallback = silent,
) -> Comparison:
    """Compare two groups of patches over all scores.

    Parameters
    ----------
    values
        (P, G) of every predicted patch of the slide, in log units.
    names
        (G,) of the scores.
    inside_a, inside_b
        (P,) bool.
    positions
        (P, 2) centres, any unit.
    seed
        Of the random placements.
    progress
        Told of scores done; may raise to stop.

    Raises
    ------
    RegionError
        If a group has fewer than :data:`MIN_PATCHES` patches of its own.
    """
    shared = inside_a & inside_b
    inside_a, inside_b = inside_a & ~shared, inside_b & ~shared
    _refuse_small(int(inside_a.sum()), int(inside_b.sum()), int(shared.sum()))
    # An imported model may not know a score at all: it is left out and stays NaN.
    known = np.flatnonzero(np.isfinite(values).all(axis=0))
    table = _Table(len(names))
    ranks = np.empty((len(values), len(known)), dtype=np.float32)
    for start in range(0, len(known), _BLOCK):
        progress(Progress("Comparing", start, len(known), "scores"))
        columns = known[start : start + _BLOCK]
        block = values[:, columns]
        table.fill(columns, block, inside_a, inside_b)
        ranks[:, start : start + _BLOCK] = _ranks(block)
    placement = place_elsewhere(ranks, inside_a, inside_b, positions, seed=seed, progress=progress)
    spatial_p = np.full(len(names), np.nan)
    spatial_p[known] = placement.p
    return Comparison(
        names=tuple(names),
        patches_a=int(inside_a.sum()),
        patches_b=int(inside_b.sum()),
        shared=int(shared.sum()),
        mean_a=table.mean_a,
        mean_b=table.mean_b,
        effect=table.effect,
        p=table.p,
        q=_false_discovery_rate(table.p),
        spatial_p=spatial_p,
        spatial_q=_false_discovery_rate(spatial_p),
        placement=placement,
        moran=_median_moran(values, table.effect, positions),
    )


def mann_whitney(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rank-biserial correlation and two-sided p of each column, (G,) each.

    The normal approximation with correction for ties and for continuity; where all values are equal, the effect is 0 and p is 1.

    Parameters
    ----------
    a, b
        (A, G) and (B, G).

    References
    ----------
    Mann and Whitney 1947, doi:10.1214/aoms/1177730491; Cliff 1993, doi:10.1037/0033-2909.114.3.494.
    """
    from scipy.special import ndtr

    count_a, count_b = len(a), len(b)
    total, pairs = count_a + count_b, count_a * count_b
    ranks = _ranks(np.concatenate([a, b]))
    u = ranks[:count_a].sum(axis=0) - count_a * (count_a + 1) / 2
    ties = _tie_term(ranks)
    sd = np.sqrt(pairs / 12 * (total + 1 - ties / (total * (total - 1))))
    distance = np.maximum(np.abs(u - pairs / 2) - 0.5, 0)
    z = np.divide(distance, sd, out=np.zeros(len(sd)), where=sd > 0)
    return 2 * u / pairs - 1, np.minimum(2 * ndtr(-z), 1.0)


class _Table:
    """Columns of a comparison while they fill."""

    def __init__(self, scores: int) -> None:
        self.mean_a, self.mean_b, self.effect, self.p = (np.full(scores, np.nan) for _ in range(4))

    def fill(self, columns: np.ndarray, block: np.ndarray, inside_a: np.ndarray, inside_b: np.ndarray) -> None:
        a, b = block[inside_a], block[inside_b]
        self.mean_a[columns], self.mean_b[columns] = (side.mean(axis=0, dtype=np.float64) for side in (a, b))
        self.effect[columns], self.p[columns] = mann_whitney(a, b)


def _refuse_small(count_a: int, count_b: int, shared: int) -> None:
    for group, count in (("A", count_a), ("B", count_b)):
        if count < MIN_PATCHES:
            apart = f" that are not in both ({shared:,} are)" if shared else ""
            raise RegionError(
                f"Group {group} has {count} predicted patches{apart}; a comparison needs at least {MIN_PATCHES}. Draw it larger, or "
                "predict the tissue in it."
            )


def _ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks of each column, (P, G) float64, counted from 1."""
    from scipy.stats import rankdata

    ranks: np.ndarray = rankdata(values, axis=0)
    return ranks


def _tie_term(ranks: np.ndarray) -> np.ndarray:
    """Sum over groups of t equal values of t^3 - t, (G,)."""
    ordered = np.sort(ranks, axis=0)
    # A value's average rank lies in the middle of its ties, which so follow from the ranks alone.
    count, columns = ordered.shape
    place = np.arange(1, count + 1)[:, None]
    first = np.vstack([np.ones((1, columns), bool), ordered[1:] != ordered[:-1]])
    # Where a group begins at place s, its rank is s + (t - 1) / 2.
    size = np.where(first, 2 * (ordered - place) + 1, 0)
    ties: np.ndarray = (size**3 - size).sum(axis=0)
    return ties


def _false_discovery_rate(p: np.ndarray) -> np.ndarray:
    from scipy.stats import false_discovery_control

    q = np.full(len(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def _median_moran(values: np.ndarray, effect: np.ndarray, positions: np.ndarray) -> float:
    from molf_engine.evaluation.structure import moran, neighbour_weights

    strongest = np.argsort(-np.nan_to_num(np.abs(effect)), kind="stable")[:_MORAN_SCORES]
    found = moran(values[:, strongest], neighbour_weights(positions, 4))
    return float(np.median(found[np.isfinite(found)])) if np.isfinite(found).any() else float("nan")

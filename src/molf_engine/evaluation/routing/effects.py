"""What is expressed where an expert is used: MEASURED genes and Hallmark sets (the subject of the paper's Table 14).

A section is compared with itself only, so that its batch and stain cannot pass for an effect; what is averaged over patients is a
standardised difference.  Spots of one section still differ in depth, and counts per 10,000 do not undo that where counts are few:
each difference is also given with the part taken out that a line on the log of the total counts explains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.expression import Expression
from molf_engine.genes.hallmark import hallmark_scores

if TYPE_CHECKING:
    import pandas as pd

UNITS = "log1p-cp10k"
MIN_SPOTS = 10
"""Fewer spots than this with or without an expert say nothing about a section."""


@dataclass(frozen=True)
class Effects:
    """Standardised differences within one section: spots that use an expert against the others, by kind.

    ``measured`` and ``at_equal_depth`` have the kinds `gene` (E, G), `programme` (E, 50) and, the first alone, `depth` (E, 1): the
    log of the total counts.  NaN where a gene was not measured or did not vary, or one side has too few spots.
    """

    measured: dict[str, np.ndarray]
    at_equal_depth: dict[str, np.ndarray]


def section_effects(expression: Expression, used: np.ndarray, genes: pd.DataFrame) -> Effects:
    """Compare, for each expert, the spots that use it with those that do not.

    Parameters
    ----------
    expression : Expression
        Of one section, ``S`` spots on the bundle's panel.
    used : ndarray
        (E, S) bool: spot uses expert, see :func:`used_by`.
    genes : DataFrame
        The bundle's, see :attr:`molf_engine.bundle.Bundle.genes`: Hallmark scores are in units of its training spots, or of the
        section's own where those are not known.
    """
    values = expression.in_units(UNITS)
    mean, sd = (genes[f"{name}_{UNITS}"].to_numpy(dtype=np.float32) for name in ("mean", "sd"))
    known = genes["measured"].to_numpy() & expression.measured & np.isfinite(sd) & (sd > 0)
    if not known.any():
        mean, sd, known = values.mean(axis=0), values.std(axis=0), expression.measured
    scores = hallmark_scores(values, expression.genes, np.nan_to_num(mean), np.nan_to_num(sd), known).to_numpy()
    depth = np.log1p(expression.total.astype(np.float64))
    kinds = {
        "gene": (values, expression.measured),
        "programme": (scores, np.isfinite(scores).all(axis=0)),
        "depth": (depth[:, None], np.ones(1, dtype=bool)),
    }
    return Effects(
        {kind: _differences(table, used, mask) for kind, (table, mask) in kinds.items()},
        {
            kind: _differences(without_line(table, depth), used, mask)
            for kind, (table, mask) in kinds.items()
            if kind != "depth"
        },
    )


def _differences(values: np.ndarray, used: np.ndarray, measured: np.ndarray) -> np.ndarray:
    return np.array([standardised_difference(values, inside, measured) for inside in used])


def without_line(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Columns (S, C) less the part that a least-squares line on ``x`` (S,) explains; as they are where ``x`` does not vary."""
    x = x - x.mean()
    if not np.ptp(x) > 0:
        return values
    slope = x @ values / (x @ x)
    residuals: np.ndarray = values - x[:, None] * slope
    return residuals


def used_by(chosen: np.ndarray, experts: int) -> np.ndarray:
    """Whether each spot uses each expert: (S, k) numbers of experts to (E, S) bool."""
    return (chosen[None] == np.arange(experts)[:, None, None]).any(axis=2)


def standardised_difference(values: np.ndarray, inside: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Difference of means over the pooled sd (Cohen's d) of each column, (C,) float32; NaN where it is not defined.

    Parameters
    ----------
    values : ndarray
        (S, C).
    inside : ndarray
        (S,) bool: first group; the rest is the second.
    measured : ndarray
        (C,) bool.
    """
    return standardised_differences(values, inside[None], measured)[0]


def standardised_differences(values: np.ndarray, inside: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Give :func:`standardised_difference` of several groups, each against its own rest: (E, C) float32.

    Parameters
    ----------
    values : ndarray
        (S, C).
    inside : ndarray
        (E, S) bool: the groups; a group of fewer than :data:`MIN_SPOTS`, or with fewer around it, is NaN.
    measured : ndarray
        (C,) bool.
    """
    result = np.full((len(inside), values.shape[1]), np.nan, dtype=np.float32)
    count = inside.sum(axis=1)
    others = inside.shape[1] - count
    enough = np.flatnonzero(np.minimum(count, others) >= MIN_SPOTS)
    if not enough.size:
        return result
    members = inside[enough].astype(np.float64)
    size, rest = count[enough, None], others[enough, None]
    # Blocks of columns: a whole slide in float64 would need several times the memory of its prediction.
    for start in range(0, values.shape[1], _BLOCK_COLUMNS):
        at = slice(start, start + _BLOCK_COLUMNS)
        block = values[:, at].astype(np.float64)
        block -= block.mean(axis=0)
        sums = members @ block
        means, means_around = sums / size, (block.sum(axis=0) - sums) / rest
        varies = measured[at] & (np.ptp(values[:, at], axis=0) > 0)
        np.square(block, out=block)
        squares = block.sum(axis=0)
        within = squares - size * np.square(means) - rest * np.square(means_around)
        pooled = np.sqrt(np.maximum(within, 0) / (size + rest - 2))
        # By value, and beyond rounding: that gives a constant column, or two constant groups, a pooled sd above 0.
        defined = varies & (within > _ROUNDING * squares)
        found = np.divide(means - means_around, pooled, out=np.full(pooled.shape, np.nan), where=defined)
        result[enough, at] = found
    return result


_BLOCK_COLUMNS = 128
_ROUNDING = 1e-12

"""A finished prediction against what was measured on the same slide, at the measured spots.

No interval is given with a correlation: neighbouring spots resemble each other, so that as many independent observations as
there are spots do not exist, and the usual intervals would be far too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.data.expression import Expression
from molf_engine.evaluation.metrics import pcc
from molf_engine.genes.hallmark import hallmark_scores, hallmark_sets
from molf_engine.genes.units import UNITS, convert_units

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["gene", "hallmark"]

NO_INTERVAL = "No interval is given: neighbouring spots resemble each other, so the number of spots overstates how sure a correlation is."


@dataclass(frozen=True)
class SpotMatch:
    """Which patch each spot lies in (``M`` spots that lie in one).

    Attributes
    ----------
    spots, patches
        ``(M,)`` rows of the spots and of their patches.
    without
        How many spots lie in no patch.
    """

    spots: np.ndarray
    patches: np.ndarray
    without: int

    def __len__(self) -> int:
        return len(self.spots)


def match_spots(spots: np.ndarray, patches: np.ndarray, patch_px: float) -> SpotMatch:
    """The patch with the nearest centre for each spot, if the spot's centre lies in that patch.

    Parameters
    ----------
    spots, patches
        ``(S, 2)`` and ``(P, 2)`` centres x, y in level-0 pixels.
    patch_px
        Side of a patch.
    """
    from scipy.spatial import cKDTree

    if not len(spots) or not len(patches):
        return SpotMatch(np.empty(0, np.int64), np.empty(0, np.int64), len(spots))
    # In the largest difference of x and y, half a side away is where a square ends.
    distance, nearest = cKDTree(patches).query(spots, p=np.inf)
    inside = distance <= patch_px / 2
    return SpotMatch(np.flatnonzero(inside), nearest[inside].astype(np.int64), int((~inside).sum()))


@dataclass(frozen=True, eq=False)
class PatchValues:
    """What was predicted (``P`` patches, ``G`` genes).

    Attributes
    ----------
    expression
        ``(P, G)`` in ``units``.
    units
        ``log1p`` or ``log1p-cp10k``.
    total
        ``(P,)`` predicted total counts; NaN where the model does not know them: it is then compared in its own scale only.
    centres
        ``(P, 2)`` x, y in level-0 pixels.
    patch_px
        Side of a patch.
    """

    expression: np.ndarray
    units: str
    total: np.ndarray
    centres: np.ndarray
    patch_px: float

    @property
    def scales(self) -> tuple[str, ...]:
        """Scales that it can be given in."""
        return UNITS if np.isfinite(self.total).all() else (self.units,)


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a bundle knows of its training spots, in the order of its panel.

    Attributes
    ----------
    table
        Its genes, indexed by symbol: ``measured``, ``mean_<units>`` and ``sd_<units>``.
    slopes
        For each scale ``(G,)``: how a gene rises with the log total in training; empty: not known.
    """

    table: pd.DataFrame
    slopes: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Agreement:
    """How well a prediction agrees with a measurement.

    Attributes
    ----------
    match
        Which spots were compared, and with which patches.
    left_out
        Spots with too few counts, which training would leave out, too.
    scales
        Scales that were compared.
    table
        One row per gene and Hallmark set that was measured: ``kind``, ``genes`` (how many were measured, of a set) out of ``of``
        (how many its prediction averages), and for each scale ``pcc_<units>`` and ``density_<units>``: what the predicted total
        count alone would reach; NaN where it is not known.
    """

    match: SpotMatch
    left_out: int
    scales: tuple[str, ...]
    table: pd.DataFrame

    def rank(self, name: str, units: str, kind: Kind = "gene") -> tuple[int, int] | None:
        """Place of a score by its correlation, 1 for the highest, and among how many; none if it has none."""
        values = self.table.loc[self.table["kind"] == kind, f"pcc_{units}"].dropna()
        if name not in values.index:
            return None
        return int((values > values[name]).sum()) + 1, len(values)


def agreement(expression: Expression, predicted: PatchValues, statistics: Statistics | None = None) -> Agreement:
    """Correlate a prediction with a measurement, gene by gene and Hallmark set by set.

    Parameters
    ----------
    expression
        What was measured, on the panel of the prediction.
    predicted
        What was predicted.
    statistics
        Of the model; none: Hallmark sets are left out, and density alone counts with whichever sign it has here.

    Returns
    -------
    Agreement
        Correlations are NaN where fewer than two spots lie in a patch, or one of the two does not vary.
    """
    match = match_spots(expression.positions, predicted.centres, predicted.patch_px)
    tables = [_of_scale(expression, predicted, match, units, statistics) for units in predicted.scales]
    table = tables[0].join([other.drop(columns=["kind", "genes", "of"]) for other in tables[1:]])
    return Agreement(match, expression.left_out, predicted.scales, table)


def measured_values(
    expression: Expression, kind: Kind, name: str, units: str, statistics: Statistics | None = None
) -> np.ndarray | None:
    """What was measured of a gene or a Hallmark set, ``(S,)``; none if no such gene, or none of the set, was measured.

    A Hallmark score is standardised as that of the prediction is, by the mean and standard deviation of the training spots, over those
    of its genes that were measured here.
    """
    if kind == "gene":
        if name not in expression.genes:
            return None
        place = expression.genes.index(name)
        if not expression.measured[place]:
            return None
        return convert_units(expression.counts_log1p[:, place], expression.total, "log1p", units)
    if statistics is None:
        return None
    members = frozenset(hallmark_sets().get(name, ()))
    places = [place for place, gene in enumerate(expression.genes) if gene in members]
    rows = statistics.table.loc[[expression.genes[place] for place in places]]
    mask = _usable(rows, units) & expression.measured[places]
    if not mask.any():
        return None
    values = convert_units(expression.counts_log1p[:, places], expression.total, "log1p", units)
    return _hallmarks(values, rows, units, mask, [name])[name].to_numpy()


def _of_scale(
    expression: Expression, predicted: PatchValues, match: SpotMatch, units: str, statistics: Statistics | None
) -> pd.DataFrame:
    import pandas as pd

    total = predicted.total[match.patches]
    guess = convert_units(predicted.expression[match.patches], total, predicted.units, units)
    truth = convert_units(expression.counts_log1p[match.spots], expression.total[match.spots], "log1p", units)
    genes = expression.measured
    found = {
        "kind": "gene",
        "genes": 1,
        "of": 1,
        f"pcc_{units}": pcc(guess, truth, genes),
        f"density_{units}": _density(total, truth, genes, None if statistics is None else statistics.slopes.get(units)),
    }
    table = pd.DataFrame(found, index=list(expression.genes))[genes]
    if statistics is None or not len(match):
        return table
    rows = statistics.table.loc[list(expression.genes)]
    trained, both = _usable(rows, units), _usable(rows, units) & expression.measured
    of_prediction, of_truth = (
        _hallmarks(values, rows, units, mask, list(hallmark_sets()))
        for values, mask in ((guess, trained), (truth, both))
    )
    of_both, of_trained = (
        {gene for gene, used in zip(expression.genes, mask, strict=True) if used} for mask in (both, trained)
    )
    sets = pd.DataFrame(
        {
            "kind": "hallmark",
            "genes": [len(of_both.intersection(members)) for members in hallmark_sets().values()],
            "of": [len(of_trained.intersection(members)) for members in hallmark_sets().values()],
            f"pcc_{units}": pcc(of_prediction.to_numpy(), of_truth.to_numpy()),
            f"density_{units}": _density(total, of_truth.to_numpy(), np.ones(len(hallmark_sets()), bool), None),
        },
        index=list(of_truth.columns),
    )
    return pd.concat([table, sets[sets["genes"] > 0]])


def _density(total: np.ndarray, truth: np.ndarray, mask: np.ndarray, slopes: np.ndarray | None) -> np.ndarray:
    """Correlation of the predicted log total with each gene; with the sign that training gave it, where that is known."""
    if not np.isfinite(total).all():
        return np.full(truth.shape[1], np.nan)
    depth = np.repeat(np.log1p(total.astype(np.float64))[:, None], truth.shape[1], axis=1)
    found = pcc(depth, truth, mask)
    return found if slopes is None else found * np.where(slopes < 0, -1.0, 1.0)


def _usable(rows: pd.DataFrame, units: str) -> np.ndarray:
    """Genes that a Hallmark score of the prediction averages: measured in training, and varying there."""
    return rows["measured"].to_numpy(bool) & (rows[f"sd_{units}"].to_numpy(float) > 0)


def _hallmarks(values: np.ndarray, rows: pd.DataFrame, units: str, mask: np.ndarray, names: list[str]) -> pd.DataFrame:
    mean, sd = rows[f"mean_{units}"].to_numpy(), rows[f"sd_{units}"].to_numpy()
    return hallmark_scores(values, tuple(rows.index), mean, sd, mask, names=names)

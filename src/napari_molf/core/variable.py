"""Which scores differ most from place to place on one slide.  No Qt.

A gene's spread is compared with that of the training spots: 1 means that it varies on this slide, as predicted, as much as it varied
among them.  Without that, abundant genes would always win.  A Hallmark score is made of such units already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_molf.core.scores import Score

if TYPE_CHECKING:
    import pandas as pd

    from napari_molf.core.run import Run

SAMPLE = 2000
"""Patches that are looked at; more change the order little and take long."""
HALLMARKS, GENES = 5, 10
MEASURE = (
    "The spread of the prediction over this slide at this guidance (the middle 90 % of patches, as a standard deviation),\n"
    "in units of the standard deviation of the training spots. Genes that were never measured have no such unit and are not ranked."
)
_MIDDLE = (5, 95)
_NORMAL = 3.29
"""Standard deviations between the 5th and the 95th percentile of a normal distribution."""


def robust_spread(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """(K,) spread of each column of (P, K) as a standard deviation that a few extreme patches do not change."""
    low, high = np.nanpercentile(values, _MIDDLE, axis=0)
    return (high - low) / _NORMAL


def most_variable(run: Run, guidance: float, hallmarks: int = HALLMARKS, genes: int = GENES) -> list[Score]:
    """Hallmarks, then genes, that vary most on the slide of a run; slow, not for the window's thread.

    Parameters
    ----------
    run
        The prediction.  Without its model nothing is known of the training spots, and genes are left out.
    guidance
        Guidance scale; without the model that of the file is used.
    hallmarks, genes
        How many of each.
    """
    scored, by_gene = _spreads(run, guidance)
    chosen = [Score("hallmark", name) for name in _largest(scored, hallmarks)]
    return chosen + [Score("gene", symbol) for symbol in _largest(by_gene, genes)]


def _spreads(run: Run, guidance: float) -> tuple[pd.Series, pd.Series]:
    """Spread of every Hallmark, and relative spread of every gene that has one."""
    import pandas as pd

    adata = run.scores.adata
    every = max(1, -(-adata.n_obs // SAMPLE))
    part = adata[::every]
    if run.bundle is None or not run.scores.can_guide:
        scored = part.obsm["hallmark"]
        return pd.Series(robust_spread(scored.to_numpy(np.float32)), scored.columns), pd.Series(dtype=float)
    from molf_engine.genes import hallmark_scores
    from molf_engine.prediction import Guided

    table = run.bundle.genes
    expression = Guided(part, run.bundle).expression(guidance)
    mean, sd, measured = (table[column].to_numpy() for column in ("mean", "sd", "measured"))
    scored = hallmark_scores(expression, tuple(table.index), mean, sd, measured)
    rankable = measured & (sd > 0)
    relative = robust_spread(expression[:, rankable]) / sd[rankable]
    return pd.Series(robust_spread(scored.to_numpy()), scored.columns), pd.Series(relative, table.index[rankable])


def _largest(spreads: pd.Series, count: int) -> list[str]:
    ordered = spreads[spreads > 0].sort_values(ascending=False, kind="stable")
    return [str(name) for name in ordered.index[:count]]

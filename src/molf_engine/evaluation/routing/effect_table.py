"""Differences of many sections put together: means over patients, how sure they are, and how many would be found by chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.evaluation.routing.effects import Effects
from molf_engine.genes.hallmark import MIN_GENES, hallmark_sets, hallmark_sizes

if TYPE_CHECKING:
    import pandas as pd

MIN_PATIENTS_FOR_TEST = 3
BOOTSTRAPS = 2_000
COLUMNS = (
    "kind", "expert", "name", "difference", "low", "high", "at equal depth", "same sign", "sections", "patients", "p", "q",
)  # fmt: skip


def effect_table(
    effects: Sequence[Effects],
    patients: Sequence[str],
    genes: Sequence[str],
    experts: Sequence[str],
    seed: int = 0,
) -> pd.DataFrame:
    """Every gene and Hallmark set for every expert, strongest first; ``q`` counts all tests of one kind over all experts.

    Parameters
    ----------
    effects : sequence of Effects
        One per section.
    patients : sequence of str
        Of each section.
    genes : sequence of str
        The panel.
    experts : sequence of str
        Names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`; ``kind`` is `gene`, `programme` or `depth`.
    """
    import pandas as pd

    kinds = {"gene": list(genes), "programme": list(hallmark_sets()), "depth": ["log total counts"]}
    tables = []
    for kind, names in kinds.items():
        of_kind = []
        for number, expert in enumerate(experts):
            table = combine(np.array([found.measured[kind][number] for found in effects]), patients, names, seed)
            table["at equal depth"] = np.nan
            if kind != "depth":
                equal = np.array([found.at_equal_depth[kind][number] for found in effects])
                mean = nan_mean(patient_means(equal, patients))
                table["at equal depth"] = table["name"].map(dict(zip(names, mean.tolist(), strict=True)))
            of_kind.append(table.assign(kind=kind, expert=expert))
        joined = pd.concat(of_kind, ignore_index=True)
        joined["q"] = benjamini_hochberg(joined["p"].to_numpy(dtype=np.float64))
        joined = joined.iloc[np.argsort(-joined["difference"].abs().to_numpy(), kind="stable")]
        tables.append(joined.sort_values("expert", kind="stable", key=lambda column: column.map(list(experts).index)))
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]


def combine(differences: np.ndarray, patients: Sequence[str], names: Sequence[str], seed: int = 0) -> pd.DataFrame:
    """Average the differences of one expert over patients, each patient being the mean of its sections.

    Columns: ``name``; ``difference``; ``low`` and ``high``, the central 95 % of bootstraps over patients (NaN for fewer than
    three); ``same sign``, the share of sections on the side of the mean; ``sections`` and ``patients``; ``p`` of a t-test over
    patients (NaN for fewer than three).  Only rows seen in at least half of the patients in which the expert has spots enough.

    Parameters
    ----------
    differences : ndarray
        (N, C), a row per section; NaN where nothing is known.
    patients : sequence of str
        (N,).
    names : sequence of str
        (C,).
    seed : int
        Of the bootstrap.
    """
    import pandas as pd

    differences = differences.astype(np.float64)
    rows = patient_means(differences, patients)
    rows = rows[np.isfinite(rows).any(axis=1)]
    seen = np.isfinite(rows).sum(axis=0)
    kept = np.flatnonzero(2 * seen >= max(2 * min(len(rows), 2), len(rows))) if len(rows) else np.empty(0, dtype=int)
    rows, seen, differences = rows[:, kept], seen[kept], differences[:, kept]
    mean = nan_mean(rows)
    signs = np.sign(differences) == np.sign(mean)
    sections = np.isfinite(differences).sum(axis=0)
    low, high = _bootstrap(rows, seed)
    return pd.DataFrame(
        {
            "name": [names[column] for column in kept.tolist()],
            "difference": mean,
            "low": np.where(seen >= MIN_PATIENTS_FOR_TEST, low, np.nan),
            "high": np.where(seen >= MIN_PATIENTS_FOR_TEST, high, np.nan),
            "same sign": (signs & np.isfinite(differences)).sum(axis=0) / np.maximum(sections, 1),
            "sections": sections,
            "patients": seen,
            "p": _t_test(rows, seen),
        }
    )


def patient_means(differences: np.ndarray, patients: Sequence[str]) -> np.ndarray:
    """Mean over the sections of each patient, (N, C) -> (patients, C), in order of name."""
    return np.array([nan_mean(differences[np.array(patients) == name]) for name in sorted(set(patients))])


def nan_mean(values: np.ndarray) -> np.ndarray:
    """Mean of the finite values of each column, NaN where there is none; (N, C) -> (C,)."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(values.shape[1], np.nan), where=count > 0)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Smallest false discovery rate at which each test is called; NaN stays NaN and is no test.

    References
    ----------
    Benjamini and Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q


def small_programmes(genes: pd.DataFrame) -> list[str]:
    """Hallmark sets with too few genes of the panel to be trusted, see :data:`molf_engine.genes.hallmark.MIN_GENES`."""
    sizes = hallmark_sizes(list(genes.index), genes["measured"].to_numpy())
    return [str(name) for name in sizes.index[sizes < MIN_GENES]]


def _bootstrap(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Central 95 % of the means over patients drawn with replacement, (C,) each."""
    if len(rows) < MIN_PATIENTS_FOR_TEST:
        nothing = np.full(rows.shape[1], np.nan)
        return nothing, nothing
    generator = np.random.default_rng(seed)
    # How often each patient is drawn is all that a bootstrap mean needs: one matrix product for all genes.
    times = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=BOOTSTRAPS).astype(np.float64)
    finite = np.isfinite(rows)
    drawn = times @ finite
    means = np.divide(times @ np.where(finite, rows, 0), drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
    low, high = np.nanpercentile(means, (2.5, 97.5), axis=0)
    return low, high


def _t_test(rows: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Two-sided p of a mean of 0, (C,); NaN for fewer than three patients."""
    from scipy.stats import t

    p = np.full(rows.shape[1], np.nan)
    enough = seen >= MIN_PATIENTS_FOR_TEST
    if not enough.any():
        return p
    chosen, count = rows[:, enough], seen[enough]
    mean = nan_mean(chosen)
    variance = np.where(np.isfinite(chosen), np.square(chosen - mean), 0).sum(axis=0) / (count - 1)
    statistic = np.divide(mean, np.sqrt(variance / count), out=np.full(len(mean), np.inf), where=variance > 0)
    p[enough] = 2 * t.sf(np.abs(statistic), count - 1)
    return p

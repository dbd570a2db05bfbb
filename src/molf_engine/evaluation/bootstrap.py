"""How far a mean over sections would move with other sections of the same kind: percentile bootstrap, models compared in pairs.

Sections, or patients, are drawn again within their cancer type, so that each draw has the types that the table has.  The spread of
training (seeds, splits) is another matter and is told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.errors import ConfigError

DRAWS = 2000
LEVEL = 0.95
FEWEST = 3
"""With fewer sections there is no interval."""
MANY = 5
"""With fewer sections of a type, the interval is said to be too narrow: the variance of n draws from n is (n - 1) / n of the true one."""

Unit = Literal["sections", "patients"]


@dataclass(frozen=True)
class Design:
    """Which sections were tested on which split: one row per pair, ``N`` in all, every one with a cancer type."""

    split: tuple[str, ...]
    code: tuple[str, ...]
    section: tuple[str, ...]
    patient: tuple[str, ...]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.section)

    def overall(self, values: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Mean over splits of the mean over cancer types of the mean over sections, (B,).

        That is a mean of the rows, with a share for each that :meth:`shares` gives.  Drawn again, a cancer type keeps the share that
        its rows have together: no draw has more of one type than the table.

        Parameters
        ----------
        values : ndarray
            (N,), NaN for rows that do not count.
        weights : ndarray, optional
            (B, N), how often each row is drawn; none: once, and B is 1.
        """
        counted = np.isfinite(values)
        shares = self.shares(counted)
        weights = (np.ones((1, len(self))) if weights is None else weights) * shares
        if not counted.any():
            return np.full(len(weights), np.nan)
        products = weights * np.where(counted, values, 0.0)
        total = np.zeros(len(weights))
        for rows in self._types:
            share = shares[rows].sum()
            if share:
                total += share * _ratio(products[:, rows].sum(axis=1), weights[:, rows].sum(axis=1))
        return total

    def shares(self, counted: np.ndarray) -> np.ndarray:
        """Share of each row in the mean over splits, types and sections, (N,); they add up to 1, rows that do not count have 0."""
        cells: dict[str, dict[str, list[int]]] = {}
        for row in np.flatnonzero(counted):
            cells.setdefault(self.split[row], {}).setdefault(self.code[row], []).append(int(row))
        shares = np.zeros(len(self))
        for types in cells.values():
            for rows in types.values():
                shares[rows] = 1 / (len(cells) * len(types) * len(rows))
        return shares

    @cached_property
    def _types(self) -> list[np.ndarray]:
        """Rows of each cancer type."""
        codes = np.array(self.code)
        return [np.flatnonzero(codes == code) for code in dict.fromkeys(self.code)]

    def only(self, rows: np.ndarray) -> Design:
        """Some rows, by a mask."""
        parts = (self.split, self.code, self.section, self.patient)
        return Design(*(tuple(value for value, kept in zip(part, rows, strict=True) if kept) for part in parts))

    @property
    def patients_known(self) -> bool:
        """Whether every section says of whom it is."""
        return bool(self.patient) and not {"", UNKNOWN} & set(self.patient)


@dataclass(frozen=True)
class Interval:
    """A percentile interval, or the reason why there is none."""

    low: float
    high: float
    units: int
    """Sections or patients that were drawn from."""
    over: Unit
    level: float = LEVEL
    draws: int = DRAWS
    seed: int = 0
    types: int = 0
    """Cancer types that they are of."""
    few: int = 0
    """Types with fewer than :data:`MANY` of them: they add too little to the width, and with one of them nothing."""
    reason: str = ""
    """Why there is no interval; empty if there is."""

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not self.reason

    def excludes(self, value: float = 0.0) -> bool:
        """Whether there is an interval and it lies to one side of a value."""
        return self.known and not self.low <= value <= self.high

    def text(self) -> str:
        """How it was made, in words, or why there is none."""
        if self.reason:
            return f"No interval can be given: {self.reason}."
        text = (
            f"{100 * self.level:g} % interval: percentiles of {self.draws:,} bootstrap draws (seed {self.seed}) of {self.units} "
            f"{self.over}, drawn within their cancer type."
        )
        if self.few:
            text += (
                f" It is too narrow: of {self.types} {'type' if self.types == 1 else 'types'}, {self.few} "
                f"{'has' if self.few == 1 else 'have'} fewer than {MANY} {self.over}, and one alone cannot vary."
            )
        return text


def interval(
    values: np.ndarray,
    design: Design,
    *,
    over: Unit = "sections",
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Interval of :meth:`Design.overall`.

    Parameters
    ----------
    values : ndarray
        (N,), one per row of the design; rows with NaN are left out.  For a comparison of two models, their differences.
    design : Design
        Which sections the values are of.
    over : {'sections', 'patients'}
        What is drawn again.  All sections of a patient are drawn together.
    level : float
        Of the interval, above 0 and below 1.
    draws : int
        1 or more.
    seed : int
        Of the draws; two models of one design get the same draws.

    Raises
    ------
    ConfigError
        For a level or number of draws out of range.
    """
    if not 0 < level < 1 or draws < 1:
        raise ConfigError(f"A bootstrap needs a level between 0 and 1 and 1 draw or more, not {level:g} and {draws}.")
    finite = np.isfinite(values)
    values, design = np.asarray(values)[finite], design.only(finite)
    clusters = _clusters(design, over)
    units = len({unit for cluster in clusters for unit in cluster})
    few = sum(len(cluster) < MANY for cluster in clusters)
    none = Interval(np.nan, np.nan, units, over, level, draws, seed, len(clusters), few)
    reason = ""
    if over == "patients" and not design.patients_known:
        reason = "the patient of some sections is unknown"
    elif units < FEWEST:
        reason = (
            f"{units} {over if units != 1 else over[:-1]} {'are' if units != 1 else 'is'} too few, {FEWEST} are needed"
        )
    elif all(len(cluster) == 1 for cluster in clusters):
        reason = f"no cancer type has two {over}"
    if reason:
        return Interval(**{**none.__dict__, "reason": reason})
    means = design.overall(values, _weights(design, over, draws, seed))
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(**{**none.__dict__, "low": float(low), "high": float(high)})


@dataclass(frozen=True)
class Difference:
    """How much higher one model scores than another on the same sections."""

    value: float
    interval: Interval

    def text(self, first: str, second: str, digits: int = 3) -> str:
        """What the difference says, in words."""
        sign = "higher" if self.value >= 0 else "lower"
        start = f"{first} scores {abs(self.value):.{digits}f} {sign} than {second}"
        if not self.interval.known:
            return f"{start}; {self.interval.text()[0].lower()}{self.interval.text()[1:]}"
        bounds = f"{self.interval.low:+.{digits}f} to {self.interval.high:+.{digits}f}".replace("-", "\N{MINUS SIGN}")
        verdict = "excludes" if self.interval.excludes(0.0) else "includes"
        return f"{start}; the interval of the paired difference, {bounds}, {verdict} 0."


def difference(first: np.ndarray, second: np.ndarray, design: Design, **settings: object) -> Difference:
    """First minus second model, section by section (N,) each, with its interval; settings as those of :func:`interval`."""
    pairs = np.asarray(first) - np.asarray(second)
    return Difference(float(design.overall(pairs)[0]), interval(pairs, design, **settings))  # type: ignore[arg-type]


def _clusters(design: Design, over: Unit) -> list[dict[str, list[int]]]:
    """Of each cancer type, the rows of each unit: a section that was tested on two splits is drawn for both."""
    names: Sequence[str] = design.section if over == "sections" else design.patient
    clusters: dict[str, dict[str, list[int]]] = {}
    for row, (code, name) in enumerate(zip(design.code, names, strict=True)):
        clusters.setdefault(code, {}).setdefault(name, []).append(row)
    return list(clusters.values())


@lru_cache(maxsize=8)
def _weights(design: Design, over: Unit, draws: int, seed: int) -> np.ndarray:
    """How often each row is drawn, (B, N), not to be written to; kept, for a table asks for the same draws again and again."""
    rng = np.random.default_rng(seed)
    weights = np.zeros((draws, len(design)))
    for cluster in _clusters(design, over):
        counts = rng.multinomial(len(cluster), np.full(len(cluster), 1 / len(cluster)), size=draws)
        for column, places in enumerate(cluster.values()):
            weights[:, places] = counts[:, [column]]
    weights.flags.writeable = False
    return weights


def _ratio(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return result

"""Two ways to average correlations, which give different numbers and never meet in one table.

Per section, as the paper does: PCC of each gene over the spots of one section, mean over genes, over the sections of a cancer type,
over cancer types.  Pooled, as HEST-bench does: PCC of each gene over all test spots of a fold together, mean over genes, then over
folds.  Pooling adds the differences between sections to what a model gets right, so its numbers are mostly higher.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.errors import DataError
from molf_engine.evaluation.bootstrap import Design
from molf_engine.evaluation.gene_sets import Groups
from molf_engine.evaluation.metrics import mean_finite
from molf_engine.evaluation.moments import pooled
from molf_engine.evaluation.results import SectionResult


@dataclass(frozen=True)
class Protocol:
    """A way to average, in words."""

    name: str
    text: str


PER_SECTION = Protocol(
    "per section",
    "Pearson correlation of each gene over the spots of one section, mean over genes, then over the sections of a cancer type, then "
    "over cancer types; sections are never pooled (the paper's protocol)",
)
POOLED = Protocol(
    "pooled",
    "Pearson correlation of each gene over the spots of all test sections of a cancer type in a fold together, mean over genes, then "
    "over folds (HEST-bench's protocol)",
)
MEASURE = Protocol(
    "measure",
    "measured on each section, mean over the sections of a cancer type, then over cancer types",
)


@dataclass(frozen=True)
class Score:
    """Mean PCC of one model: of one section (per section), or of one cancer type in one fold (pooled)."""

    model: str
    split: str
    seed: int
    code: str
    """Cancer type; empty: none is known."""
    section: str
    """Empty if pooled."""
    patient: str
    seen: bool
    value: float
    """NaN if no gene could be scored."""
    genes: int
    """Genes that every model could be scored on."""
    constant: int
    """Genes that could have been scored, but for this model: it predicts them as a constant, so nobody is compared on them."""
    spots: int


@dataclass(frozen=True)
class Scores:
    """Scores of several models on the same sections and genes; one protocol, one scale, one set of genes."""

    protocol: Protocol
    units: str
    genes: str
    """Name of the gene set."""
    rows: tuple[Score, ...]
    left_out: tuple[str, ...] = ()
    """Sections that not every model has a result on, in sentences."""

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Models, in the order of the results."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Cancer types, by name; sections without one are apart, see :meth:`without_code`."""
        return tuple(sorted({row.code for row in self.rows if row.code}))

    @cached_property
    def design(self) -> Design:
        """Split and section of each row of :meth:`values`."""
        keys = list(dict.fromkeys((row.split, row.code, row.section, row.patient) for row in self.rows if row.code))
        return Design(*zip(*keys, strict=True)) if keys else Design((), (), (), ())

    def values(self, model: str) -> np.ndarray:
        """Values of a model, mean over seeds, (N,): one per row of the design."""
        found: dict[tuple[str, str, str, str], list[float]] = {}
        for row in self.rows:
            if row.model == model and row.code:
                found.setdefault((row.split, row.code, row.section, row.patient), []).append(row.value)
        design = self.design
        keys = zip(design.split, design.code, design.section, design.patient, strict=True)
        return np.array([mean_finite(np.array(found.get(key, [np.nan]))) for key in keys])

    def overall(self, model: str, chosen: np.ndarray | None = None) -> float:
        """Mean over splits of the mean over cancer types of the mean over sections.

        Parameters
        ----------
        model : str
            Its name.
        chosen : ndarray, optional
            (N,) bool, only these rows of the design.
        """
        values = self.values(model)
        return float(self.design.overall(values if chosen is None else np.where(chosen, values, np.nan))[0])

    def of_type(self, model: str, code: str) -> float:
        """Mean over splits of the mean over the sections of one cancer type."""
        return self.overall(model, self.rows_of(lambda row: row.code == code))

    def spread(self, model: str, chosen: Callable[[Score], bool] = lambda _: True) -> float:
        """Standard deviation over trainings (split and seed) of their mean over cancer types; NaN if there is one."""
        runs: dict[tuple[str, int], list[Score]] = {}
        for row in self.rows:
            if row.model == model and row.code and chosen(row):
                runs.setdefault((row.split, row.seed), []).append(row)
        means = np.array([_over_types(rows) for rows in runs.values()])
        means = means[np.isfinite(means)]
        return float(means.std(ddof=1)) if len(means) > 1 else float("nan")

    def rows_of(self, chosen: Callable[[Score], bool]) -> np.ndarray:
        """(N,) bool, the rows of the design of which a score is chosen."""
        keys = {(row.split, row.code, row.section, row.patient) for row in self.rows if chosen(row)}
        design = self.design
        own = zip(design.split, design.code, design.section, design.patient, strict=True)
        return np.array([key in keys for key in own], dtype=bool)

    def without_code(self) -> tuple[Score, ...]:
        """Scores of sections without a cancer type: in no mean over types."""
        return tuple(row for row in self.rows if not row.code)

    @cached_property
    def seen(self) -> np.ndarray:
        """(N,) bool, the rows of patients that a model has learned from."""
        return self.rows_of(lambda row: row.seen)


class Comparison:
    """Correlations of several models on the sections that all of them have a result on, ready to be averaged over any genes.

    Parameters
    ----------
    results : iterable of SectionResult
        Of any number of models, variants, splits, seeds and sections.  Those without the scale are skipped.
    units : str
        Scale.
    genes : tuple of str
        Panel that sets of genes are columns of.  A model of a smaller panel is scored on its part of it, and so are the others.

    Raises
    ------
    DataError
        If no section has a result of every model, or a result is there twice.
    """

    def __init__(self, results: Iterable[SectionResult], units: str, genes: tuple[str, ...]) -> None:
        scaled = [result for result in results if units in result.scales]
        self.units, self.genes = units, genes
        self._place = {symbol: column for column, symbol in enumerate(genes)}
        self.models = tuple(dict.fromkeys(result.name for result in scaled))
        self.results, self.left_out = self._common(scaled)
        if not self.results:
            raise DataError(
                f"No section has a result of every model ({', '.join(self.models) or 'there is none'}) in {units}: nothing to compare."
            )
        keys = [(result.name, result.split, result.seed, result.section) for result in self.results]
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            raise DataError(f"There are two results of {twice[0]} on {twice[3]} (split {twice[1]!r}, seed {twice[2]}).")

    def per_section(self, name: str, groups: Groups) -> Scores:
        """Scores of every section (PCC over its own spots).

        Parameters
        ----------
        name : str
            Of the genes, for the caption.
        groups : sequence of ndarray, or callable
            Columns of one or more gene sets, each of which counts the same, whatever its size; or the same, told the split's name.
        """
        return self._averaged(PER_SECTION, name, groups, self._sections)

    def pooled(self, name: str, groups: Groups) -> Scores:
        """Scores of every cancer type in every fold (PCC over the spots of all its sections there)."""
        return self._averaged(POOLED, name, groups, self._folds)

    def measured(self, name: str, measure: Callable[[SectionResult], float]) -> Scores:
        """Scores by a measure of a section that is no correlation per gene, averaged in the same way."""
        rows = [_with(_about(result), measure(result), int(result.measured.sum()), 0) for result in self.results]
        return Scores(MEASURE, self.units, name, tuple(rows), self.left_out)

    @cached_property
    def _sections(self) -> list[_Group]:
        groups: dict[tuple[str, str], list[tuple[Score, np.ndarray]]] = {}
        for result in self.results:
            groups.setdefault((result.split, result.section), []).append(
                (_about(result), self._aligned(result.pcc(self.units), result))
            )
        return [_group(members) for members in groups.values()]

    @cached_property
    def _folds(self) -> list[_Group]:
        together: dict[tuple[str, str, str, int], list[SectionResult]] = {}
        for result in self.results:
            if _code(result):
                together.setdefault((result.split, _code(result), result.name, result.seed), []).append(result)
        groups: dict[tuple[str, str], list[tuple[Score, np.ndarray]]] = {}
        for (split, code, name, seed), members in together.items():
            moments = pooled(result.scales[self.units].moments for result in members)
            about = Score(
                model=name, split=split, seed=seed, code=code, section="", patient="",
                seen=any(result.seen for result in members), value=np.nan, genes=0, constant=0, spots=sum(r.spots for r in members),
            )  # fmt: skip
            groups.setdefault((split, code), []).append((about, self._aligned(moments.pcc(), members[0])))
        return [_group(members) for members in groups.values()]

    def _averaged(self, protocol: Protocol, name: str, sets: Groups, groups: Sequence[_Group]) -> Scores:
        rows = [row for group in groups for row in group.scored(sets(group.about[0].split) if callable(sets) else sets)]
        return Scores(protocol, self.units, name, tuple(rows), self.left_out)

    def _common(self, results: list[SectionResult]) -> tuple[list[SectionResult], tuple[str, ...]]:
        """Results on sections that every model has, and what was left out."""
        having: dict[tuple[str, str], set[str]] = {}
        for result in results:
            having.setdefault((result.split, result.section), set()).add(result.name)
        common = [result for result in results if len(having[result.split, result.section]) == len(self.models)]
        left_out = []
        for (split, section), models in having.items():
            if missing := [model for model in self.models if model not in models]:
                where = f"{section} ({split})" if split else section
                left_out.append(
                    f"{where} is left out: {', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no result on it."
                )
        return common, tuple(left_out)

    def _aligned(self, values: np.ndarray, result: SectionResult) -> np.ndarray:
        """Values of a result's own panel on the panel of the comparison, NaN for genes that it does not have."""
        if result.genes == self.genes:
            return values
        aligned = np.full(len(self.genes), np.nan)
        shared = [(self._place[symbol], column) for column, symbol in enumerate(result.genes) if symbol in self._place]
        if shared:
            places, columns = np.array(shared).T
            aligned[places] = values[columns]
        return aligned


@dataclass(frozen=True)
class _Group:
    """PCC of all models and seeds on the same spots, (R, G)."""

    about: tuple[Score, ...]
    pcc: np.ndarray

    @cached_property
    def shared(self) -> np.ndarray:
        """(G,) bool: every model has a PCC."""
        result: np.ndarray = np.isfinite(self.pcc).all(axis=0)
        return result

    def scored(self, sets: Sequence[np.ndarray]) -> list[Score]:
        """Score of each model and seed: mean over sets of the mean over the genes that all can be scored on."""
        every = np.unique(np.concatenate(sets)) if sets else np.empty(0, dtype=int)
        genes = int(self.shared[every].sum())
        scorable = np.isfinite(self.pcc[:, every])
        constant = (scorable.any(axis=0) & ~scorable).sum(axis=1)
        kept = [columns for index in sets if (columns := index[self.shared[index]]).size]
        means = [self.pcc[:, columns].mean(axis=1) for columns in kept]
        values = np.mean(means, axis=0) if means else np.full(len(self.about), np.nan)
        return [
            _with(about, float(value), genes, int(number))
            for about, value, number in zip(self.about, values, constant, strict=True)
        ]


def _group(members: list[tuple[Score, np.ndarray]]) -> _Group:
    return _Group(tuple(about for about, _ in members), np.array([values for _, values in members]))


def _code(result: SectionResult) -> str:
    return "" if result.code == UNKNOWN else result.code


def _about(result: SectionResult) -> Score:
    return Score(
        model=result.name, split=result.split, seed=result.seed, code=_code(result), section=result.section,
        patient=result.patient, seen=result.seen, value=np.nan, genes=0, constant=0, spots=result.spots,
    )  # fmt: skip


def _with(about: Score, value: float, genes: int, constant: int) -> Score:
    return replace(about, value=value, genes=genes, constant=constant)


def _over_types(rows: Sequence[Score]) -> float:
    types: dict[str, list[float]] = {}
    for row in rows:
        types.setdefault(row.code, []).append(row.value)
    return mean_finite(np.array([mean_finite(np.array(values)) for values in types.values()]))


def one_protocol(several: Sequence[Scores]) -> Protocol:
    """Protocol of scores that are to stand in one table.

    Raises
    ------
    DataError
        If they were averaged in different ways, or there is none.
    """
    protocols = {scores.protocol for scores in several}
    if len(protocols) != 1:
        raise DataError(
            "Correlations per section and over pooled spots differ by construction: they are never set in one table."
            if protocols
            else "There is no score to show."
        )
    return protocols.pop()

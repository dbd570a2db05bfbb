"""The table of regions: the score on show, those that go with it, and which experts decided.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.scores import Score
from napari_molf.regions.rows import REST, Rows
from napari_molf.regions.text import Cell, Table, provenance

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.regions.summary import Summary
    from napari_molf.core.run import Run

RELATED = 5
_STATISTICS = ("mean", "median", "lower quartile", "upper quartile")


@dataclass(frozen=True, eq=False)
class RegionSummary:
    """Summary of the regions and of what lies in none of them; R + 1 rows, S scores."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    areas: tuple[float, ...]
    scores: tuple[Score, ...]
    summary: Summary
    shares: np.ndarray
    experts: tuple[str, ...]
    provenance: tuple[str, ...]

    def brief(self) -> Table:
        """One row a region: all of the score on show, the means of the others, the experts."""
        others = self.scores[1:]
        # Whose they are is said above the table: with its long name in every column, one would see two of them.
        headers = ["region", "class", "patches", "mm2", *_STATISTICS]
        headers += [f"{score.name} mean" for score in others]
        headers += [f"share of {name}" for name in self.experts]
        rows = [
            (*self._head(row), *self._four(row, 0), *self.summary.mean[row, 1:], *self.shares[row])
            for row in self._rows
        ]
        return Table(tuple(headers), tuple(rows), self.provenance)

    def full(self) -> Table:
        """The same with all statistics of every score."""
        headers = ["region", "class", "patches", "mm2"]
        headers += [f"{score.name} {s}" for score in self.scores for s in _STATISTICS]
        headers += [f"share of {name}" for name in self.experts]
        rows = []
        for row in self._rows:
            values = [value for place in range(len(self.scores)) for value in self._four(row, place)]
            rows.append((*self._head(row), *values, *(float(share) for share in self.shares[row])))
        return Table(tuple(headers), tuple(rows), self.provenance)

    @property
    def _rows(self) -> range:
        return range(len(self.names))

    def _head(self, row: int) -> tuple[Cell, ...]:
        return self.names[row], self.classes[row], int(self.summary.patches[row]), self.areas[row]

    def _four(self, row: int, place: int) -> tuple[float, ...]:
        s = self.summary
        return tuple(float(table[row, place]) for table in (s.mean, s.median, s.lower, s.upper))


def summary_frame(run: Run, rows: Rows, score: Score, guidance: float, relative: bool) -> pd.DataFrame:
    """:func:`summarise` as a table with a row for each region; for another thread than the window's."""
    import pandas as pd

    table = summarise(run, rows, score, guidance, relative).brief()
    return pd.DataFrame(table.rows, columns=list(table.headers)).set_index("region")


def summarise(run: Run, rows: Rows, score: Score, guidance: float, relative: bool) -> RegionSummary:
    """Summarise what is predicted in each region; for another thread than the window's."""
    from molf_engine.regions.summary import expert_shares, summary

    scores = (score, *related(run, score))
    values = np.column_stack([run.scores.values(each, guidance, relative=relative) for each in scores])
    inside = np.vstack([rows.inside, ~rows.inside.any(axis=0, keepdims=True)])
    return RegionSummary(
        (*(region.name for region in rows.regions), REST),
        (*(region.classification for region in rows.regions), ""),
        (*rows.areas, float("nan")),
        scores,
        summary(values, inside),
        expert_shares(run.scores.top_expert, inside, len(run.expert_names)),
        run.expert_names,
        provenance(run, guidance, scale_line(run, score, relative)),
    )


def related(run: Run, score: Score) -> tuple[Score, ...]:
    """Scores that go with one: the best predicted genes of a Hallmark, or the Hallmarks that count a gene in."""
    from molf_engine.genes import hallmark_sets

    sets = hallmark_sets()
    if score.kind == "gene":
        return tuple(Score("hallmark", name) for name in run.scores.hallmarks if score.name in sets.get(name, ()))[
            :RELATED
        ]
    genes = run.scores.genes
    members = [gene for gene in sets.get(score.name, ()) if gene in genes and genes[gene].measured]
    members.sort(key=lambda gene: -np.nan_to_num(genes[gene].heldout_pcc, nan=-1.0))
    return tuple(Score("gene", gene) for gene in members[:RELATED])


def scale_line(run: Run, score: Score, relative: bool) -> str:
    """What the numbers are in."""
    scale = "counts per 10,000 (relative to local total)" if run.scores.is_relative(score, relative) else "counts"
    return f"scale: genes, log1p of {scale}; Hallmarks, sd of the training spots"

"""All genes and Hallmarks of two groups of patches compared.  No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.scores import Score
from napari_molf.regions.rows import Group, pair
from napari_molf.regions.summaries import scale_line
from napari_molf.regions.text import Table, provenance

if TYPE_CHECKING:
    from molf_engine.progress import ProgressCallback
    from molf_engine.regions.comparison import Comparison
    from napari_molf.core.run import Run

HEADERS = (
    "score", "effect", "spatial q", "predicted difference", "plain q", "mean A", "mean B", "doubt",
)  # fmt: skip
_STEP = 25


@dataclass(frozen=True, eq=False)
class Compared:
    """Group A against group B.

    Attributes
    ----------
    run_id
        The prediction.
    label_a, label_b
        The groups.
    inside_a, inside_b
        (P,) bool, without what lies in both.
    genes, hallmarks
        The comparisons.
    doubts
        Of each gene, what there is to doubt about it; empty: nothing.
    provenance
        Lines that say where the numbers come from.
    """

    run_id: str
    label_a: str
    label_b: str
    inside_a: np.ndarray
    inside_b: np.ndarray
    genes: Comparison
    hallmarks: Comparison
    doubts: tuple[str, ...]
    provenance: tuple[str, ...]

    def of(self, kind: str) -> Comparison:
        """The comparison of ``gene`` or ``hallmark``."""
        return self.genes if kind == "gene" else self.hallmarks

    def doubts_of(self, kind: str) -> tuple[str, ...]:
        """What there is to doubt about each score."""
        return self.doubts if kind == "gene" else ("",) * len(self.hallmarks.names)

    def table(self, kind: str) -> Table:
        """Every score, the largest effects first."""
        c, doubts = self.of(kind), self.doubts_of(kind)
        columns = (c.effect, c.spatial_q, c.difference, c.q, c.mean_a, c.mean_b)
        order = np.argsort(-np.nan_to_num(np.abs(c.effect), nan=-1.0), kind="stable")
        rows = tuple((c.names[i], *(float(column[i]) for column in columns), doubts[i]) for i in order)
        return Table(HEADERS, rows, self.provenance)


def compare_groups(
    run: Run, a: Group, b: Group, guidance: float, relative: bool, progress: ProgressCallback
) -> Compared:
    """Compare two groups over all genes and all Hallmarks; slow, not for the window's thread.

    Raises
    ------
    RegionError
        If a group is too small.
    Cancelled
        If ``progress`` says so.
    """
    from molf_engine.regions.comparison import compare

    inside_a, inside_b = pair(a, b)
    positions = np.asarray(run.scores.adata.obsm["spatial"], dtype=np.float64)
    hallmarks = [Score("hallmark", name) for name in run.scores.hallmarks]
    genes = [Score("gene", name) for name in run.scores.genes]
    tables = []
    # Hallmarks first: groups that are too small are refused before 1,386 genes are decoded.
    for scores in (hallmarks, genes):
        values = decode(run, scores, guidance, relative, progress)
        names = [score.name for score in scores]
        tables.append(compare(values, names, inside_a, inside_b, positions, progress=progress))
    lines = (
        scale_line(run, genes[0], relative),
        f"A: {a.label}, {tables[1].patches_a} patches; B: {b.label}, {tables[1].patches_b} patches",
        f"effect: rank-biserial correlation (Cliff's delta); {tables[1].warning}",
    )
    facts = run.scores.genes
    return Compared(
        run.id,
        a.label,
        b.label,
        inside_a & ~inside_b,
        inside_b & ~inside_a,
        tables[1],
        tables[0],
        tuple(facts[score.name].doubt or "" for score in genes),
        provenance(run, guidance, *lines),
    )


def decode(
    run: Run, scores: Sequence[Score], guidance: float, relative: bool, progress: ProgressCallback
) -> np.ndarray:
    """(P, S) values of scores."""
    from molf_engine.progress import Progress

    values = np.empty((len(run.patches), len(scores)), dtype=np.float32)
    for place, score in enumerate(scores):
        if place % _STEP == 0:
            progress(Progress("Decoding", place, len(scores), "scores"))
        values[:, place] = run.scores.values(score, guidance, relative=relative)
    return values

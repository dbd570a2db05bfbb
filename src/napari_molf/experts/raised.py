"""What the model predicts higher, and lower, where an expert decides: differences within one slide.  No Qt.

Both the gate and the values are the model's own, so that the differences describe the model.  They are given as sizes, never with
p-values: patches next to each other are alike, and thousands of them are not thousands of observations.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_molf.core.scores import Score

if TYPE_CHECKING:
    from napari_molf.core.run import Run

Kind = Literal["gene", "hallmark"]
CAVEAT = "Predictions of the same model: they describe the model, not biology."
COLUMNS = (
    "expert", "name of expert", "kind", "name", "standardised difference", "patches", "other patches", "units", "guidance",
    "model", "weights", "slide", "note",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One gene or Hallmark: mean where the expert decides less mean of the rest of the slide, over the pooled sd (Cohen's d)."""

    score: Score
    size: float


@dataclass(frozen=True)
class Raised:
    """Differences of every gene and Hallmark for every expert.

    Attributes
    ----------
    names
        Of the genes, and of the Hallmarks.
    sizes
        (E, G) and (E, 50) standardised differences; NaN where there is none.
    patches
        (E,) patches that each expert decides.
    guidance
        Guidance scale of the values.
    relative
        Whether they are relative to the local total.
    small
        Hallmarks that rest on too few genes of the panel to be trusted, and on how many.
    """

    names: dict[Kind, tuple[str, ...]]
    sizes: dict[Kind, NDArray[np.float32]]
    patches: NDArray[np.int64]
    guidance: float
    relative: bool
    small: Mapping[str, int] = field(default_factory=dict)

    def doubt(self, run: Run, score: Score) -> str | None:
        """One short sentence if a gene's or a Hallmark's map deserves distrust."""
        if score.kind == "gene":
            facts = run.scores.facts(score)
            return None if facts is None else facts.doubt
        return f"rests on {self.small[score.name]} genes only" if score.name in self.small else None

    def strongest(self, expert: int, kind: Kind, count: int) -> tuple[list[Difference], list[Difference]]:
        """Give the ``count`` highest above the rest of the slide and the ``count`` lowest below it, strongest first."""
        sizes = self.sizes[kind][expert]
        order = np.argsort(-np.nan_to_num(sizes), kind="stable")
        found = [Difference(Score(kind, self.names[kind][at]), float(sizes[at])) for at in order if sizes[at]]
        found = [difference for difference in found if np.isfinite(difference.size)]
        higher = [difference for difference in found if difference.size > 0]
        lower = [difference for difference in found[::-1] if difference.size < 0]
        return higher[:count], lower[:count]

    def why_none(self, expert: int, name: str) -> str | None:
        """Why nothing can be said of an expert; none if something can."""
        from molf_engine.evaluation.routing.effects import MIN_SPOTS

        mine, others = int(self.patches[expert]), int(self.patches.sum() - self.patches[expert])
        if mine < MIN_SPOTS:
            return f"{name} decides in {mine} patches: fewer than {MIN_SPOTS} say nothing."
        if others < MIN_SPOTS:
            return f"{name} decides in all patches but {others}: there is no rest of the slide to compare with."
        return None


def what_is_raised(run: Run, guidance: float, *, relative: bool) -> Raised:
    """Compare, for each expert, the patches that it decides with the rest of the slide; slow, not for the window's thread.

    Parameters
    ----------
    run
        The prediction.
    guidance
        Guidance scale of the values.
    relative
        Values relative to the local total, or expression.
    """
    from molf_engine.evaluation.routing.effects import standardised_differences
    from molf_engine.genes import MIN_GENES, hallmark_sizes

    scores = run.scores
    genes, hallmarks = scores.all_values(guidance, relative=relative)
    count = scores.routing.shape[1]
    decides = np.equal(scores.top_expert, np.arange(count)[:, None])
    known = np.asarray(np.isfinite(hallmarks).all(axis=0))
    measured = np.array([facts.measured for facts in scores.genes.values()])
    sizes = hallmark_sizes(tuple(scores.genes), measured)
    return Raised(
        names={"gene": tuple(scores.genes), "hallmark": scores.hallmarks},
        sizes={
            "gene": standardised_differences(genes, decides, measured),
            "hallmark": standardised_differences(hallmarks, decides, known),
        },
        patches=decides.sum(axis=1),
        guidance=guidance,
        relative=relative,
        small={str(name): int(size) for name, size in sizes.items() if size < MIN_GENES},
    )


def as_table(run: Run, raised: Raised, experts: list[int] | None = None, delimiter: str = ",") -> str:
    """All differences, strongest first, with where they come from, as text that a spreadsheet reads.

    Parameters
    ----------
    run
        Whose.
    raised
        Its differences.
    experts
        Only these, counted from 0.
    delimiter
        Between columns.
    """
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    total = int(raised.patches.sum())
    for expert in range(len(raised.patches)) if experts is None else experts:
        mine = int(raised.patches[expert])
        for kind in ("hallmark", "gene"):
            higher, lower = raised.strongest(expert, kind, len(raised.names[kind]))
            for difference in higher + lower[::-1]:
                size = f"{difference.size:.4f}"
                who = (f"E{expert + 1}", _plain(run.expert_names[expert]), kind, difference.score.name, size)
                what = (mine, total - mine, _units(run, difference.score, raised.relative), f"{raised.guidance:.4g}")
                writer.writerow((*who, *what, run.model, run.weights_hash, _plain(run.slide_name), CAVEAT))
    return out.getvalue()


def _units(run: Run, score: Score, relative: bool) -> str:
    return "log1p-cp10k" if run.scores.is_relative(score, relative) else "log1p"


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text

"""How well a model predicts each gene and each Hallmark set, in its own held-out figures.  No Qt, nothing fitted, nothing guessed."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_molf.core.scores import GeneFacts, Score

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from napari_molf.core.run import Run

WAVERS = "it says where the model wavers, not how wrong it is"
_RIVALS = (("ridge", "ridge"), ("mlp", "MLP"))


@dataclass(frozen=True)
class Skills:
    """Held-out figures of the genes of a model.

    Attributes
    ----------
    genes
        What is known of each gene.
    """

    genes: Mapping[str, GeneFacts]

    @cached_property
    def _sorted(self) -> np.ndarray:
        """Known correlations, ascending."""
        pcc = np.array([facts.heldout_pcc for facts in self.genes.values() if facts.measured], float)
        return np.sort(pcc[np.isfinite(pcc)])

    @property
    def tested(self) -> int:
        """How many genes have a held-out correlation."""
        return len(self._sorted)

    def better_than(self, gene: str) -> float | None:
        """Share, 0 to 100, of the other tested genes whose held-out correlation is lower; none for a gene that was not tested."""
        facts = self.genes[gene]
        if not facts.measured or math.isnan(facts.heldout_pcc) or self.tested < 2:
            return None
        below = int(np.searchsorted(self._sorted, facts.heldout_pcc, side="left"))
        return 100.0 * below / (self.tested - 1)

    def mean_of(self, genes: Sequence[str]) -> float | None:
        """Mean held-out correlation of those genes that were tested."""
        pcc = [self.genes[gene].heldout_pcc for gene in genes if gene in self.genes and self.genes[gene].measured]
        known = [value for value in pcc if not math.isnan(value)]
        return float(np.mean(known)) if known else None


def gene_line(gene: str, skills: Skills) -> str:
    """One line on a gene: its held-out PCC and its place among the genes."""
    facts, better = skills.genes[gene], skills.better_than(gene)
    if not facts.measured:
        return f"{gene} was not measured in training: its map means nothing."
    if better is None:
        return f"{gene}: held-out PCC not known."
    return f"{gene}: held-out PCC {facts.heldout_pcc:.2f}, better than {percent(better)} of {skills.tested:,} genes"


def percent(share: float) -> str:
    """Whole per cent with a space that does not break; 100 only for what is whole."""
    return f"{math.floor(share)}\u00a0%"


def means_line(metrics: Mapping[str, Any]) -> str | None:
    """``mean of all 0.09 (ridge 0.08, MLP 0.09)``, where the bundle knows it."""
    summary = metrics.get("summary") or {}
    if "molf" not in summary:
        return None
    rivals = ", ".join(f"{label} {summary[key]:.2f}" for key, label in _RIVALS if key in summary)
    return f"mean of all {summary['molf']:.2f}" + (f" ({rivals})" if rivals else "")


def set_line(name: str, skills: Skills) -> str:
    """One line on a Hallmark set: how many of its genes the model knows, and how well."""
    members = [gene for gene in set_genes(name) if gene in skills.genes and skills.genes[gene].measured]
    mean = skills.mean_of(members)
    said = f"mean held-out PCC {mean:.2f}" if mean is not None else "held-out PCC not known"
    return f"{name}: {len(members)} of its {len(set_genes(name))} genes in the panel, {said}"


def score_line(score: Score, skills: Skills) -> str | None:
    """:func:`gene_line` or :func:`set_line`; none for a score that the model does not have."""
    if score.kind == "gene":
        return gene_line(score.name, skills) if score.name in skills.genes else None
    return set_line(score.name, skills) if set_genes(score.name) else None


def set_genes(name: str) -> tuple[str, ...]:
    """Genes of a Hallmark set; none of a set that is not known."""
    from molf_engine.genes import hallmark_sets

    return tuple(hallmark_sets().get(name, ()))


def skills_of_bundle(bundle: Bundle) -> Skills:
    """From ``genes.tsv``."""
    table = bundle.genes
    measured, pcc = table["measured"].to_numpy(bool), table["heldout_pcc"].to_numpy(float)
    return Skills({str(g): GeneFacts(bool(m), float(p)) for g, m, p in zip(table.index, measured, pcc, strict=True)})


def skills_of_run(run: Run) -> Skills:
    """From the result itself: it carries what was known of its model, also where that is not at hand."""
    return Skills(run.scores.genes)


@dataclass(frozen=True)
class SetFigures:
    """A Hallmark set: genes in it, genes that the model knows, mean held-out PCC of those, and ridge's where it was kept."""

    name: str
    size: int
    known: int
    pcc: float | None
    ridge: float | None


def set_figures(skills: Skills, folder: Path | None) -> list[SetFigures]:
    """Every Hallmark set; ``folder``: the bundle, whose ``oracle.csv`` may hold ridge's figures."""
    from molf_engine.genes import hallmark_sets

    ridge = _ridge_of_sets(folder) if folder is not None else {}
    rows = []
    for name, genes in hallmark_sets().items():
        known = [gene for gene in genes if gene in skills.genes and skills.genes[gene].measured]
        rows.append(SetFigures(name, len(genes), len(known), skills.mean_of(known), ridge.get(name)))
    return rows


def _ridge_of_sets(folder: Path) -> dict[str, float]:
    """Mean over the held-out sections; empty where the file is missing or not what it should be."""
    found: dict[str, list[float]] = {}
    try:
        with (folder / "oracle.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                found.setdefault(row["genes"], []).append(float(row["ridge"]))
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {name: float(np.nanmean(values)) for name, values in found.items() if np.isfinite(values).any()}


def coverage_of(metrics: Mapping[str, Any]) -> tuple[float, float] | None:
    """Share of its draws that an interval spans and share of the held-out measurements in it, both 0 to 1.

    Over the panel in the model's own units, on the test sections or else on the validation sections.
    """
    rows = [
        row
        for row in metrics.get("coverage") or ()
        if row.get("genes") == "panel" and row.get("units") == metrics.get("units") and row.get("values")
    ]
    for role in ("test", "validation"):
        chosen = [row for row in rows if row.get("role") == role]
        if chosen:
            weights = [row["values"] for row in chosen]
            return float(chosen[0]["nominal"]), float(np.average([row["coverage"] for row in chosen], weights=weights))
    return None


def spread_sentence(metrics: Mapping[str, Any]) -> str:
    """What the spread over draws is, and what it is not, in the bundle's own figures."""
    known = coverage_of(metrics)
    if known is None:
        return f"Spread of the model's own draws. How it compares with measurements was not tested: {WAVERS}."
    nominal, held = known
    return (
        f"Spread of the model's own draws. On held-out tissue {100 * nominal:.0f}\u00a0% of them held "
        f"{100 * held:.0f}\u00a0% of the measurements: {WAVERS}."
    )

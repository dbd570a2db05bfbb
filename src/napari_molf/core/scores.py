"""What a prediction can show: genes, Hallmark scores, total, experts; and how far each can be trusted.

Values come from the decoder where the model is at hand, at any guidance scale, and else from the saved result, at its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

LOW_PCC = 0.1
"""A gene with a lower held-out correlation than this is shown with a warning."""

FloatArray = NDArray[np.floating]


class Decoder(Protocol):
    """What :class:`molf_engine.prediction.Guided` offers."""

    def gene(self, symbol: str, w: float, *, relative: bool = False) -> FloatArray:
        """(P,) expression of a gene."""
        ...

    def hallmark(self, name: str, w: float, *, relative: bool = False) -> FloatArray:
        """(P,) score of a Hallmark set."""
        ...

    def all_scores(self, w: float, *, relative: bool = False) -> tuple[FloatArray, FloatArray]:
        """(P, G) expression of the panel and (P, 50) scores of the Hallmark sets."""
        ...


@dataclass(frozen=True)
class Score:
    """One thing to look at."""

    kind: Literal["gene", "hallmark"]
    name: str


@dataclass(frozen=True)
class GeneFacts:
    """What is known of a gene's prediction; ``heldout_pcc`` is NaN if it was never tested."""

    measured: bool
    heldout_pcc: float

    @property
    def doubt(self) -> str | None:
        """One short sentence if the map deserves distrust."""
        if not self.measured:
            return "not measured in training: its map means nothing"
        if np.isnan(self.heldout_pcc):
            return "held-out skill unknown"
        if self.heldout_pcc < LOW_PCC:
            return f"low held-out skill (PCC {self.heldout_pcc:.2f})"
        return None


class Scores:
    """Scores of one prediction.

    Parameters
    ----------
    adata
        A prediction as DESIGN 3.1 describes it.
    guided
        The decoder of the model that made it; none if that model is not at hand: every score is then that of the file.
    """

    def __init__(self, adata: AnnData, guided: Decoder | None = None) -> None:
        self.adata = adata
        self._guided = guided
        self._uns: dict[str, Any] = adata.uns["molf"]

    @property
    def can_guide(self) -> bool:
        """Whether the guidance scale can be changed."""
        return self._guided is not None

    @property
    def guidance(self) -> float:
        """Guidance scale that the result was made with."""
        return float(self._uns["guidance"])

    @property
    def relative_units(self) -> bool:
        """Whether the result itself is relative to each patch's total."""
        return str(self._uns["units"]) == "log1p-cp10k"

    @cached_property
    def genes(self) -> dict[str, GeneFacts]:
        """Every gene and what is known of it, in the panel's order."""
        var = self.adata.var
        measured = var["measured"].to_numpy(bool) if "measured" in var else np.ones(len(var), bool)
        pcc = var["heldout_pcc"].to_numpy(float) if "heldout_pcc" in var else np.full(len(var), np.nan)
        return {str(g): GeneFacts(bool(m), float(p)) for g, m, p in zip(var.index, measured, pcc, strict=True)}

    @cached_property
    def hallmarks(self) -> tuple[str, ...]:
        """Names of the Hallmark sets."""
        return tuple(str(name) for name in self.adata.obsm["hallmark"].columns)

    def values(self, score: Score, w: float, *, relative: bool) -> FloatArray:
        """(P,) values at guidance ``w``; ``relative``: to the local total, instead of counts, where :meth:`is_relative` allows."""
        if self._guided is not None:
            ask = self._guided.gene if score.kind == "gene" else self._guided.hallmark
            return ask(score.name, w, relative=relative)
        if score.kind == "hallmark":
            return self.adata.obsm["hallmark"][score.name].to_numpy(np.float32)
        column = self.adata.X[:, self.adata.var_names.get_loc(score.name)]
        return self._in_scale(np.asarray(column, np.float32).ravel(), relative)

    def all_values(self, w: float, *, relative: bool) -> tuple[FloatArray, FloatArray]:
        """Every gene, (P, G), and every Hallmark, (P, 50), as :meth:`values` gives one of them; slow, not for the window's thread."""
        if self._guided is not None:
            return self._guided.all_scores(w, relative=relative)
        expression = self._in_scale(np.asarray(self.adata.X, np.float32), relative)
        return expression, self.adata.obsm["hallmark"].to_numpy(np.float32)

    def is_relative(self, score: Score, relative: bool) -> bool:
        """Whether the values are relative if that is asked for; Hallmarks of a file keep its scale, which their genes are gone from."""
        fixed = self._guided is None and score.kind == "hallmark"
        return self.relative_units if fixed else relative

    def _in_scale(self, x: FloatArray, relative: bool) -> FloatArray:
        if relative == self.relative_units:
            return x
        from molf_engine.genes.units import convert_units

        wanted = "log1p-cp10k" if relative else "log1p"
        return convert_units(x, self.adata.obs["total"].to_numpy(np.float32), str(self._uns["units"]), wanted)

    def facts(self, score: Score) -> GeneFacts | None:
        """What is known of a gene's prediction; none for a Hallmark."""
        return self.genes.get(score.name) if score.kind == "gene" else None

    def first_to_show(self) -> Score:
        """The Hallmark that varies most on this slide, or a gene where there is none."""
        frame = self.adata.obsm["hallmark"]
        spread = np.nan_to_num(frame.to_numpy(float)).std(axis=0) if len(frame.columns) else np.zeros(0)
        if spread.size and spread.max() > 0:
            return Score("hallmark", str(frame.columns[int(spread.argmax())]))
        return Score("gene", str(self.adata.var_names[0]))

    @cached_property
    def routing(self) -> FloatArray:
        """(P, E) weights of the experts, each row summing to 1."""
        return np.asarray(self.adata.obsm["routing"], np.float32)

    @cached_property
    def top_expert(self) -> NDArray[np.int64]:
        """(P,) expert with the largest weight, counted from 0."""
        return self.routing.argmax(axis=1)

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """(P, E) whether a patch uses an expert at all: the gate keeps a few of them for each patch."""
        return self.routing > 0

    @cached_property
    def gate_logits(self) -> FloatArray:
        """(P, E) how sure each expert was of a patch, before the gate chose."""
        return np.asarray(self.adata.obsm["gate_logits"], np.float32)

    @cached_property
    def entropy(self) -> FloatArray:
        """(P,) how undecided the gate was: 0 one expert, 1 all alike."""
        return self.adata.obs["routing_entropy"].to_numpy(np.float32)

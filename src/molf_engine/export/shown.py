"""A prediction as it is on show: at a guidance scale, in a scale of expression, with the names that a user gave its experts."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molf_engine.errors import MolfError

if TYPE_CHECKING:
    from anndata import AnnData

    from molf_engine.bundle import Bundle
    from molf_engine.prediction import Guided

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in level-0 pixels, counted from the outer corner of the first."""


@dataclass(frozen=True)
class ScoreName:
    """One thing to look at in a prediction.

    Attributes
    ----------
    kind
        A gene, a Hallmark set, the entropy of the gate, the weight of an expert, or something that is given with its values.
    name
        Symbol, set, ``entropy``, the expert's own name, or what is given is called.
    """

    kind: Literal["gene", "hallmark", "entropy", "weight", "given"]
    name: str


ENTROPY = ScoreName("entropy", "entropy")
"""How undecided the gate was."""


@dataclass(frozen=True)
class Given:
    """Values that are made of scores, such as a difference of two: (P,) and their unit in words."""

    values: np.ndarray
    unit: str


@dataclass(frozen=True)
class Shown:
    """A prediction as it is looked at.

    Parameters
    ----------
    adata : AnnData
        See :mod:`molf_engine.prediction.contract`.
    bundle : Bundle, optional
        The model that made it; needed for another guidance scale.  With it, values are decoded as the viewer decodes them.
    guidance : float, optional
        Guidance scale on show; that of the file if not given.
    relative : bool, optional
        Expression relative to each patch's total (True) or not (False); as the model learned it if not given.
    expert_names : sequence of str, optional
        Names that a user gave the experts, one each.
    given : mapping of str to Given
        What else is on show, by name.

    Raises
    ------
    MolfError
        If another guidance scale is asked for without the model, or there are not as many names as experts.
    """

    adata: AnnData
    bundle: Bundle | None = None
    guidance: float | None = None
    relative: bool | None = None
    expert_names: Sequence[str] | None = None
    given: Mapping[str, Given] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.bundle is None and self.scale != self.own_scale:
            raise MolfError(
                f"Guidance {self.scale:.3g} cannot be exported: the file holds guidance {self.own_scale:.3g}, and any other needs "
                f"the model {self.molf['bundle']}, which is not here. Export at {self.own_scale:.3g}, or get that model."
            )
        count = len(self.molf["expert_names"])
        if self.expert_names is not None and len(self.expert_names) != count:
            raise MolfError(f"{len(self.expert_names)} names were given for {count} experts. Give one for each.")

    @property
    def molf(self) -> dict[str, Any]:
        """Provenance as the prediction holds it."""
        provenance: dict[str, Any] = self.adata.uns["molf"]
        return provenance

    @property
    def own_scale(self) -> float:
        """Guidance scale that the prediction was made with."""
        return float(self.molf["guidance"])

    @property
    def scale(self) -> float:
        """Guidance scale on show."""
        return self.own_scale if self.guidance is None else float(self.guidance)

    @property
    def slide_name(self) -> str:
        """Name of the slide."""
        return str(self.molf["slide"]["name"])

    @property
    def um_per_pixel(self) -> float:
        """Side of a level-0 pixel, um."""
        return float(self.molf["um_per_pixel"])

    @property
    def patch_px(self) -> float:
        """Side of a patch, level-0 pixels."""
        return float(self.molf["patch_px"])

    @property
    def patch_names(self) -> list[str]:
        """(P,) names of the patches."""
        return [str(name) for name in self.adata.obs_names]

    @property
    def centres(self) -> np.ndarray:
        """(P, 2) centres x, y of the patches, level-0 pixels."""
        return np.asarray(self.adata.obsm["spatial"], np.float64)

    @cached_property
    def experts(self) -> tuple[str, ...]:
        """Names of the experts; one that a user left unnamed keeps its own."""
        own = [str(name) for name in self.molf["expert_names"]]
        given = self.expert_names or own
        return tuple(name.strip() or before for name, before in zip(given, own, strict=True))

    @property
    def top_expert(self) -> np.ndarray:
        """(P,) expert with the largest weight, counted from 0."""
        codes: np.ndarray = self.adata.obs["expert"].cat.codes.to_numpy(np.int64)
        return codes

    @property
    def hallmarks(self) -> tuple[ScoreName, ...]:
        """Every Hallmark set."""
        return tuple(ScoreName("hallmark", str(name)) for name in self.adata.obsm["hallmark"].columns)

    @property
    def box(self) -> Box:
        """What the patches cover."""
        half = self.patch_px / 2
        (left, top), (right, bottom) = self.centres.min(axis=0) - half, self.centres.max(axis=0) + half
        return float(left), float(top), float(right), float(bottom)

    def find(self, names: Iterable[str]) -> tuple[ScoreName, ...]:
        """Genes and Hallmark sets by name, each once; case does not matter, nor does ``HALLMARK_`` before a set.

        Raises
        ------
        MolfError
            Naming what is not there, and what comes near.
        """
        known = {gene.upper(): ScoreName("gene", gene) for gene in map(str, self.adata.var_names)}
        known |= {score.name.upper(): score for score in self.hallmarks}
        found: dict[ScoreName, None] = {}
        for name in names:
            key = name.strip().upper().replace(" ", "_").removeprefix("HALLMARK_")
            if not key:
                continue
            if key not in known:
                near = difflib.get_close_matches(key, known, 3, 0.6)
                hint = (
                    f"Did you mean {' or '.join(known[one].name for one in near)}?" if near else "Check its spelling."
                )
                raise MolfError(f"{name.strip()} is neither a gene nor a Hallmark set of this prediction. {hint}")
            found[known[key]] = None
        return tuple(found)

    def values(self, score: ScoreName) -> np.ndarray:
        """(P,) float32 values of a score, as they are on show."""
        if score.kind == "given":
            return np.asarray(self.given[score.name].values, np.float32)
        if score.kind == "entropy":
            entropy: np.ndarray = self.adata.obs["routing_entropy"].to_numpy(np.float32)
            return entropy
        if score.kind == "weight":
            return np.asarray(self.adata.obsm["routing"], np.float32)[:, self._expert_of(score)]
        if self._guided is not None:
            ask = self._guided.gene if score.kind == "gene" else self._guided.hallmark
            return np.asarray(ask(score.name, self.scale, relative=self.relative), np.float32)
        if score.kind == "hallmark":
            column: np.ndarray = self.adata.obsm["hallmark"][score.name].to_numpy(np.float32)
            return column
        x = np.asarray(self.adata.X[:, self.adata.var_names.get_loc(score.name)], np.float32).ravel()
        from molf_engine.genes.units import convert_units

        return convert_units(x, self.adata.obs["total"].to_numpy(np.float32), str(self.molf["units"]), self.units)

    def column(self, name: str) -> np.ndarray | None:
        """(P,) float32 column of what is known of each patch (``routing_entropy``, ``distance``, ...), if it has that column."""
        if name not in self.adata.obs:
            return None
        values: np.ndarray = self.adata.obs[name].to_numpy(np.float32)
        return values

    def most_variable(self, count: int) -> tuple[ScoreName, ...]:
        """Hallmark sets that vary most over the slide, the most variable first; sets without a value are left out."""
        spread = {score: float(np.std(self.values(score))) for score in self.hallmarks}
        ordered = sorted((score for score in spread if spread[score] > 0), key=lambda score: -spread[score])
        return tuple(ordered[:count])

    @property
    def units(self) -> str:
        """Scale of gene expression: ``log1p`` or ``log1p-cp10k``."""
        if self.relative is None:
            return str(self.molf["units"])
        return "log1p-cp10k" if self.relative else "log1p"

    def title_of(self, score: ScoreName) -> str:
        """What a score is called on a figure."""
        if score.kind == "weight":
            return f"Weight of {self.experts[self._expert_of(score)]}"
        return "Routing entropy" if score.kind == "entropy" else score.name

    def unit_of(self, score: ScoreName) -> str:
        """What the values of a score are, in words."""
        if score.kind == "given":
            return self.given[score.name].unit
        if score.kind in ("entropy", "weight"):
            return "0 to 1"
        if score.kind == "gene":
            return "log(1 + counts per 10,000)" if self.units == "log1p-cp10k" else "log(1 + counts)"
        # Without the model, the scores are those of the file, in its own scale.
        own = str(self.molf["units"]) if self.bundle is None else self.units
        return f"mean z-score of {'counts per 10,000' if own == 'log1p-cp10k' else 'counts'}"

    def _expert_of(self, score: ScoreName) -> int:
        return [str(name) for name in self.molf["expert_names"]].index(score.name)

    @cached_property
    def _guided(self) -> Guided | None:
        from molf_engine.prediction import Guided

        return None if self.bundle is None else Guided(self.adata, self.bundle)

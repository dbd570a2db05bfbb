"""The map while it fills: provisional values of the patches that are encoded so far.  No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_molf.core.scores import Score

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from molf_engine.bundle.latents import SlideLatents
    from molf_engine.prediction import Guided


class Filling:
    """Values of one score, patch by patch.

    Decoding is slow enough to be done beside the window's thread: :meth:`add` is called there, :meth:`decode` is not.

    Parameters
    ----------
    bundle
        The model.
    patches
        P, how many there will be.
    score
        What to show; none: the Hallmark that varies most over the first patches.
    """

    def __init__(self, bundle: Bundle, patches: int, score: Score | None = None) -> None:
        self._bundle = bundle
        self._values = np.full(patches, np.nan, np.float32)
        self._arrived: list[tuple[NDArray[np.integer], SlideLatents]] = []
        self.score = score
        self.guidance = bundle.config.guidance

    @property
    def waiting(self) -> bool:
        """Whether patches have arrived that are not decoded."""
        return bool(self._arrived)

    def add(self, index: NDArray[np.integer], latents: SlideLatents) -> None:
        """Note the latents of some patches."""
        self._arrived.append((index, latents))

    def decode(self) -> tuple[Score, NDArray[np.float32]]:
        """What is shown, and its (P,) values so far, NaN where a patch is still to come."""
        arrived, self._arrived = self._arrived, []
        if arrived:
            index = np.concatenate([index for index, _ in arrived])
            conditional = np.concatenate([latents.conditional for _, latents in arrived])
            unconditional = np.concatenate([latents.unconditional for _, latents in arrived])
            guided = self._guided(conditional, unconditional)
            if self.score is None:
                self.score = self._most_varying(guided)
            self._values[index] = self._decode(guided, self.score)
        assert self.score is not None
        return self.score, self._values.copy()

    def _decode(self, guided: Guided, score: Score) -> NDArray[np.float32]:
        # In the model's own units: a model without a depth of its own knows no totals before it is done.
        relative = self._bundle.config.units == "log1p-cp10k"
        ask = guided.gene if score.kind == "gene" else guided.hallmark
        return np.asarray(ask(score.name, self.guidance, relative=relative), np.float32)

    def _most_varying(self, guided: Guided) -> Score:
        from molf_engine.genes.hallmark import hallmark_scores

        genes = self._bundle.genes
        scores = hallmark_scores(
            guided.expression(self.guidance),
            tuple(genes.index),
            genes["mean"].to_numpy(),
            genes["sd"].to_numpy(),
            genes["measured"].to_numpy(),
        )
        spread = np.nan_to_num(scores.to_numpy()).std(axis=0)
        return Score("hallmark", str(scores.columns[int(spread.argmax())]))

    def _guided(self, conditional: np.ndarray, unconditional: np.ndarray) -> Guided:
        import pandas as pd
        from anndata import AnnData

        from molf_engine.prediction import Guided

        names = pd.RangeIndex(len(conditional)).astype(str)
        shell = AnnData(
            obs=pd.DataFrame({"total": np.zeros(len(names), np.float32)}, index=names),
            obsm={"latent_cond": conditional, "latent_uncond": unconditional},
            uns={"molf": {"weights_hash": self._bundle.weights_hash, "bundle": self._bundle.id}},
        )
        return Guided(shell, self._bundle)

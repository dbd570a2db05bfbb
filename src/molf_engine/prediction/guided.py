"""Any guidance scale from a finished prediction, without a network: decode(u + w (c - u)).

Numpy only: a viewer answers with it while the slider moves.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.bundle import Bundle, find_bundle_by_hash
from molf_engine.errors import PredictionError
from molf_engine.flow.guidance import guide
from molf_engine.genes.hallmark import hallmark_scores, hallmark_sets
from molf_engine.genes.units import convert_units

if TYPE_CHECKING:
    import anndata as ad

    from molf_engine.bundle.decoder import LatentDecoder


_BLOCK_COLUMNS = 128


class Guided:
    """A prediction whose guidance scale can be changed.

    Parameters
    ----------
    adata : AnnData
        See :mod:`molf_engine.prediction.contract`.
    bundle : Bundle, optional
        The model it was made with; looked for among the known ones if not given.

    Raises
    ------
    PredictionError
        If the bundle is not the one that made the prediction, or is not known here.
    """

    def __init__(self, adata: ad.AnnData, bundle: Bundle | None = None) -> None:
        molf = adata.uns["molf"]
        bundle = bundle or find_bundle_by_hash(molf["weights_hash"])
        if bundle is None or bundle.weights_hash != molf["weights_hash"]:
            raise PredictionError(
                f"Changing the guidance scale needs the model {molf['bundle']} (weights {molf['weights_hash'][:8]}), which is not "
                "here. Choose the folder it is in as the model."
            )
        self.bundle = bundle
        self.units: str = bundle.config.units
        self._genes = {symbol: place for place, symbol in enumerate(bundle.genes.index)}
        self._conditional = np.asarray(adata.obsm["latent_cond"], dtype=np.float32)
        self._unconditional = np.asarray(adata.obsm["latent_uncond"], dtype=np.float32)
        self._predicted_total = adata.obs["total"].to_numpy(dtype=np.float32)
        # One slot: every score of a guidance scale shares the hidden layer, and a slider only ever shows one scale.
        self._latest: tuple[float, np.ndarray] | None = None

    def expression(self, guidance: float) -> np.ndarray:
        """The whole panel in the model's units, (P, G)."""
        return self._decoder.columns(self._hidden(guidance))

    def total(self, guidance: float) -> np.ndarray:
        """Predicted total counts, (P,).  A model that did not learn depth has one estimate for all guidance scales."""
        return self._decoder.total(self._hidden(guidance)) if self._decoder.has_depth else self._predicted_total

    def gene(self, symbol: str, guidance: float, *, relative: bool | None = None) -> np.ndarray:
        """One gene, (P,).

        Parameters
        ----------
        symbol : str
            HGNC symbol.
        guidance : float
            w.
        relative : bool, optional
            True: log1p of counts per 10,000 (composition); False: log1p of counts; neither: the model's units.
        """
        if symbol not in self._genes:
            raise PredictionError(f"{symbol} is not among the {len(self._genes)} genes of {self.bundle.name}.")
        return self._columns([self._genes[symbol]], guidance, relative)[:, 0]

    def hallmark(self, name: str, guidance: float, *, relative: bool | None = None) -> np.ndarray:
        """Score of one Hallmark set, (P,), in the model's units, or in the scale chosen as in :meth:`gene`."""
        sets = hallmark_sets()
        if name not in sets:
            raise PredictionError(f"There is no Hallmark set {name}. Names are like {next(iter(sets))}.")
        # Only the set's own columns are decoded: that is what keeps the slider live.
        members = [self._genes[gene] for gene in sets[name] if gene in self._genes]
        rows = self.bundle.genes.iloc[members]
        relative = self.units == "log1p-cp10k" if relative is None else relative
        units = "log1p-cp10k" if relative else "log1p"
        return hallmark_scores(
            self._columns(members, guidance, relative),
            tuple(rows.index),
            rows[f"mean_{units}"].to_numpy(),
            rows[f"sd_{units}"].to_numpy(),
            rows["measured"].to_numpy(),
            names=[name],
        )[name].to_numpy()

    def all_scores(self, guidance: float, *, relative: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Expression of the whole panel, (P, G), and all 50 Hallmark scores, (P, 50), in the scale chosen as in :meth:`gene`."""
        values = np.empty((len(self._conditional), len(self._genes)), dtype=np.float32)
        # Blocks of columns: changing the scale of all of them at once takes several times their memory.
        for start in range(0, values.shape[1], _BLOCK_COLUMNS):
            index = list(range(start, min(start + _BLOCK_COLUMNS, values.shape[1])))
            values[:, index] = self._columns(index, guidance, relative)
        units = self.units if relative is None else "log1p-cp10k" if relative else "log1p"
        genes = self.bundle.genes
        mean, sd = genes[f"mean_{units}"].to_numpy(), genes[f"sd_{units}"].to_numpy()
        scores = hallmark_scores(values, tuple(genes.index), mean, sd, genes["measured"].to_numpy())
        return values, scores.to_numpy()

    @cached_property
    def _decoder(self) -> LatentDecoder:
        return self.bundle.decoder()

    def _hidden(self, guidance: float) -> np.ndarray:
        latest = self._latest
        if latest is None or latest[0] != guidance:
            latest = (
                guidance,
                self._decoder.hidden(guide(self._conditional, self._unconditional, guidance)),
            )
            self._latest = latest
        return latest[1]

    def _columns(self, index: list[int], guidance: float, relative: bool | None) -> np.ndarray:
        values = self._decoder.columns(self._hidden(guidance), index)
        wanted = self.units if relative is None else "log1p-cp10k" if relative else "log1p"
        return values if wanted == self.units else convert_units(values, self.total(guidance), self.units, wanted)

"""AnnData of what is on show: for scanpy, squidpy, and for opening here again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from anndata import AnnData

    from molf_engine.export.shown import Shown


def write_anndata(shown: Shown, path: Path, *, overwrite: bool = True, progress: ProgressCallback = silent) -> None:
    """Write the whole prediction, every gene of it, at the guidance scale on show; ``path`` ends in `.h5ad` or `.zarr`.

    Raises
    ------
    MolfError
        If it cannot be written there.
    """
    from molf_engine.prediction import write_prediction

    progress(Progress("Decoding every gene", 0, 0))
    adata = as_shown(shown)
    progress(Progress("Writing", 0, 0))
    write_prediction(adata, path, overwrite=overwrite)


def as_shown(shown: Shown) -> AnnData:
    """The prediction with ``X``, totals and Hallmark scores at the guidance scale on show; itself if that is its own.

    Another scale is decoded from the two latents, which is the default estimate: a spread over draws does not belong to it.
    """
    named = list(shown.experts) != [str(name) for name in shown.molf["expert_names"]]
    moved = shown.scale != shown.own_scale
    if not moved and not named:
        return shown.adata
    adata = shown.adata.copy()
    molf: dict[str, Any] = dict(adata.uns["molf"])
    if moved:
        _decode(shown, adata)
        molf.update(guidance=shown.scale, estimate="mean", steps=1, draws=0)
    if named:
        # The contract ties the expert column to the model's own names, which stay; those of the user stand beside them.
        molf["expert_labels"] = list(shown.experts)
        adata.obs["expert_label"] = [shown.experts[expert] for expert in shown.top_expert]
        adata.obs["expert_label"] = adata.obs["expert_label"].astype("category")
    adata.uns["molf"] = molf
    return adata


def _decode(shown: Shown, adata: AnnData) -> None:
    from molf_engine.genes.hallmark import hallmark_scores
    from molf_engine.prediction import Guided

    assert shown.bundle is not None  # Shown has checked it
    guided = Guided(adata, shown.bundle)
    genes = shown.bundle.genes
    adata.X = np.asarray(guided.expression(shown.scale), np.float32)
    adata.obs["total"] = np.asarray(guided.total(shown.scale), np.float32)
    adata.layers.pop("sd", None)
    adata.obsm["hallmark"] = hallmark_scores(
        adata.X,
        tuple(genes.index),
        genes["mean"].to_numpy(),
        genes["sd"].to_numpy(),
        genes["measured"].to_numpy(),
    ).set_index(adata.obs_names)

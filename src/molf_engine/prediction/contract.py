"""What a prediction is: an AnnData with one row per patch and one column per gene.  Spelled here once, and checked on reading.

========================  ==========  =======================================================================================
``X``                     (P, G)      float32 expression in the scale that ``uns["molf"]["units"]`` names
``layers["sd"]``          (P, G)      spread over draws, only if draws were asked for
``obs``                               ``row``, ``col`` (-1: free position), ``total`` (predicted total counts), ``expert``,
                                      ``routing_entropy`` (0..1), ``distance`` from the training features, ``unfamiliar``;
                                      imported weights know neither of the last two, and no ``total`` (NaN)
``obsm["spatial"]``       (P, 2)      patch centres x, y in level-0 pixels
``obsm["gate_logits"]``   (P, E)      conditional branch at t = 0, z0 = 0, without noise
``obsm["routing"]``       (P, E)      the weights used, 0 where an expert was not chosen
``obsm["hallmark"]``      (P, 50)     scores of the Hallmark sets (a DataFrame)
``obsm["latent_cond"]``   (P, L)      end of one Euler step from z0 = 0, conditional
``obsm["latent_uncond"]`` (P, L)      the same, unconditional
``var``                               ``measured`` in training, ``heldout_pcc``
``uns["spatial"][id]``                thumbnail and scale factors, as squidpy and scanpy read them
``uns["molf"]``                       provenance, see :data:`PROVENANCE`
========================  ==========  =======================================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.errors import PredictionError
from molf_engine.genes import hallmark_sets

if TYPE_CHECKING:
    import anndata as ad

SCHEMA_VERSION = 1

NOTICE = "research use only: predicted, not measured"

PROVENANCE = (
    "schema_version",
    "bundle",
    "weights_hash",
    "encoder",
    "cancer_code",
    "guidance",
    "estimate",
    "steps",
    "draws",
    "seed",
    "units",
    "experts_per_patch",
    "um_per_pixel",
    "patch_um",
    "patch_px",
    "slide",
    "software",
    "expert_names",
    "notice",
)
"""Keys of ``uns["molf"]``; besides them ``grid`` (origin, stride, shape) where the patches lie on one, ``regions`` ((N, 2) outlines
x, y in level-0 pixels, by number) where it was limited to some, and ``expert_labels``, one for each of ``expert_names``, where the user
has given names to experts."""

OBS = ("row", "col", "total", "expert", "routing_entropy")
OBSM = ("spatial", "gate_logits", "routing", "hallmark", "latent_cond", "latent_uncond")
VAR = ("measured", "heldout_pcc")


def validate(adata: ad.AnnData, source: str = "This AnnData") -> None:
    """Check a prediction against its contract; keys that the contract does not know are left alone.

    Raises
    ------
    PredictionError
        Naming everything that is missing or of the wrong shape, or the unknown schema version.
    """
    molf = adata.uns.get("molf")
    if not isinstance(molf, dict) or "schema_version" not in molf:
        raise PredictionError(f'{source} is not a prediction of napari-molf: uns["molf"] is missing.')
    version = molf["schema_version"]
    if not isinstance(version, int | np.integer) or version != SCHEMA_VERSION:
        raise PredictionError(
            f"{source} is a prediction in version {version} of its format; this program reads version {SCHEMA_VERSION}. "
            f"Open it with the version of napari-molf that wrote it ({molf.get('software', 'unknown')})."
        )
    faults = _faults(adata, molf)
    if faults:
        raise PredictionError(f"{source} breaks the contract of a prediction: {'; '.join(faults)}.")


def _faults(adata: ad.AnnData, molf: dict[str, Any]) -> list[str]:
    faults = [f'uns["molf"]["{key}"] is missing' for key in PROVENANCE if key not in molf]
    faults += [f'obs["{key}"] is missing' for key in OBS if key not in adata.obs]
    faults += [f'var["{key}"] is missing' for key in VAR if key not in adata.var]
    faults += [f'obsm["{key}"] is missing' for key in OBSM if key not in adata.obsm]
    if faults:
        return faults
    if adata.X is None or adata.X.dtype != np.float32:
        faults.append("X is not float32")
    if molf["units"] not in ("log1p", "log1p-cp10k"):
        faults.append(f"units {molf['units']!r} are unknown")
    if not adata.obs_names.is_unique:
        faults.append("patch names are not unique")
    if not adata.var_names.is_unique:
        faults.append("gene symbols are not unique")
    experts = len(molf["expert_names"])
    for key, width in (("spatial", 2), ("gate_logits", experts), ("routing", experts)):
        if adata.obsm[key].shape[1] != width:
            faults.append(f'obsm["{key}"] has {adata.obsm[key].shape[1]} columns, not {width}')
    if not hasattr(adata.obsm["hallmark"], "columns") or adata.obsm["hallmark"].shape[1] != len(hallmark_sets()):
        faults.append(f'obsm["hallmark"] is not a table of {len(hallmark_sets())} named scores')
    if list(getattr(adata.obs["expert"].dtype, "categories", ())) != list(molf["expert_names"]):
        faults.append('obs["expert"] is not a category over uns["molf"]["expert_names"]')
    if "grid" in molf and not {"origin", "stride", "shape"} <= set(molf["grid"]):
        faults.append('uns["molf"]["grid"] lacks origin, stride or shape')
    if adata.obsm["latent_cond"].shape != adata.obsm["latent_uncond"].shape:
        faults.append("the two latents differ in shape")
    return faults


def routing_entropy(gate_logits: np.ndarray) -> np.ndarray:
    """Shannon entropy of the softmax over all gate logits over log E, (P, E) -> (P,) in 0..1."""
    experts = gate_logits.shape[1]
    if experts == 1:
        return np.zeros(len(gate_logits), dtype=np.float32)
    from scipy.special import entr, softmax

    entropy: np.ndarray = entr(softmax(gate_logits.astype(np.float64), axis=1)).sum(axis=1) / np.log(experts)
    return entropy.astype(np.float32)

"""Predict the expression of a slide's patches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molf_engine import __version__
from molf_engine.baselines import total_counts
from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.bundle.latents import Branches, Precision, SlideLatents, noise_keys, sample_latents, slide_latents
from molf_engine.encoders import FeatureCache, encode_patches
from molf_engine.errors import ConfigError, DataError, SlideError
from molf_engine.flow.guidance import WHOLE, check_interval, check_scale, guide
from molf_engine.genes.hallmark import hallmark_scores
from molf_engine.prediction.contract import NOTICE, SCHEMA_VERSION, routing_entropy
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import Patches, Slide, fingerprint, patch_grid, thumbnail

if TYPE_CHECKING:
    import anndata as ad

    from molf_engine.bundle.decoder import LatentDecoder
    from molf_engine.nn.velocity import VelocityField

Estimate = Literal["mean", "sample", "released"]

PartialCallback = Callable[[Patches, np.ndarray, SlideLatents], None]
"""Called with the grid, the indices of newly encoded patches and their provisional latents."""

SAMPLE_STEPS = 16
RELEASED_STEPS = 2

_BLOCK_PATCHES = 1024


@dataclass(frozen=True)
class Estimation:
    """How a value is drawn from the model.

    Attributes
    ----------
    kind : str
        `mean`: one Euler step from z0 = 0, the conditional mean, for maps; `sample`: many steps from noise, for honest spread;
        `released`: two steps from noise, as the released sampler does.
    steps : int or None
        Steps of Euler's method; none: 1, 16 or 2.
    draws : int
        Paths to average over (after decoding) for `sample` and `released`; from 2 on their spread is kept as ``layers["sd"]``.
    seed : int
        Of the noise.
    guidance_interval : tuple of float
        Times between which paths of several steps are guided; outside they follow the conditional velocity alone.
    """

    kind: Estimate = "mean"
    steps: int | None = None
    draws: int = 1
    seed: int = 0
    guidance_interval: tuple[float, float] = WHOLE

    def __post_init__(self) -> None:
        if self.kind not in ("mean", "sample", "released"):
            raise ConfigError(f"The estimate {self.kind!r} is unknown: mean, sample or released.")
        if self.draws < 1:
            raise ConfigError(f"draws must be at least 1, not {self.draws}.")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"The seed must be between 0 and 2^63, not {self.seed}.")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps must be at least 1, not {self.steps}.")
        if self.kind == "mean" and (self.steps or 1) != 1:
            raise ConfigError('The estimate "mean" is one step by definition. For more steps choose --estimate sample.')
        if self.kind == "mean" and self.draws > 1:
            raise ConfigError('The estimate "mean" has no spread. For draws choose --estimate sample.')
        if self.kind == "mean" and tuple(self.guidance_interval) != WHOLE:
            raise ConfigError(
                'The estimate "mean" is one step, at t = 0: it has no guidance interval. Choose --estimate sample.'
            )
        check_interval(self.guidance_interval, self.step_count)

    @property
    def step_count(self) -> int:
        """Steps taken."""
        return self.steps or {"mean": 1, "sample": SAMPLE_STEPS, "released": RELEASED_STEPS}[self.kind]


def predict_slide(
    slide: Slide,
    bundle: Bundle,
    *,
    patches: Patches | None = None,
    regions: Sequence[np.ndarray] | None = None,
    stride_um: float | None = None,
    code: str = UNKNOWN_CODE,
    guidance: float | None = None,
    estimation: Estimation | None = None,
    features: np.ndarray | None = None,
    cache: FeatureCache | None = None,
    workers: int | None = None,
    precision: Precision = "float32",
    progress: ProgressCallback = silent,
    on_partial: PartialCallback | None = None,
) -> ad.AnnData:
    """Predict expression for patches of a slide.

    Parameters
    ----------
    slide : Slide
        See :func:`molf_engine.slides.open_slide`.
    bundle : Bundle
        The trained model.
    patches : Patches, optional
        Where to predict; a grid over the tissue if not given.
    regions : sequence of ndarray, optional
        Polygons (N, 2) of x, y in level-0 pixels that the grid is limited to.
    stride_um : float, optional
        Distance between patches of the grid; the side of a patch if not given.
    code : str
        Cancer code, one that the bundle knows.
    guidance : float, optional
        Guidance scale w; the bundle's choice if not given.
    estimation : Estimation, optional
        The conditional mean if not given.
    features : ndarray, optional
        (P, D) features of ``patches`` computed elsewhere, by the bundle's encoder.
    cache : FeatureCache, optional
        Keeps features, so that the next model or code does not encode again.
    workers : int, optional
        Threads that read patches; as many as there are cores, four at most, if not given.
    precision : str
        `bfloat16`: matrix products of the network in bfloat16, several times as fast where the processor has it; gate, latents and
        decoding stay in float32.
    progress : callable
        Told about each phase; may raise ``Cancelled``.
    on_partial : callable, optional
        Given provisional latents as patches are encoded; they know only the neighbours of their batch.

    Returns
    -------
    AnnData
        See :mod:`molf_engine.prediction.contract`.

    Raises
    ------
    MolfError
        If the slide has no scale, no tissue or no readable patch, or the bundle does not know the code.
    """
    index = bundle.code_index(code)
    estimation = estimation or Estimation()
    guidance = check_scale(bundle.config.guidance if guidance is None else guidance)
    # Asked for before tissue is looked for: imported weights have no encoder.
    encoder = bundle.encoder() if features is None else None
    limits: dict[str, np.ndarray] = {}
    if patches is None:
        limits = {str(number): np.asarray(region, np.float64) for number, region in enumerate(regions or ())}
        progress(Progress("Finding tissue", 0, 0))
        patch = bundle.config.patch
        stride = patch.stride_um if stride_um is None else stride_um
        patches = patch_grid(slide, patch.size_um, stride_um=stride, regions=regions)
    field = bundle.velocity()
    if encoder is not None:
        show = _partial_results(field, patches, index, on_partial) if on_partial else None
        features = encode_patches(
            slide, patches, encoder, cache=cache, progress=progress, on_batch=show, workers=workers
        )
    assert features is not None
    _check_features(features, patches, bundle)
    readable = np.isfinite(features).all(axis=1)
    if not readable.any():
        raise SlideError(f"{slide.path}: none of the {len(patches)} patches could be read. The file may be damaged.")
    broken = int((~readable).sum())
    patches, features = patches.subset(np.flatnonzero(readable)), features[readable]

    progress(Progress("Predicting", 0, len(patches)))
    branches = Branches(field, features, patches.positions_um, index, precision)
    latents = slide_latents(field, features, patches.positions_um, index, branches=branches)
    decoder = bundle.decoder()
    hidden = decoder.hidden(guide(latents.conditional, latents.unconditional, guidance))
    spread = None
    if estimation.kind == "mean":
        values = decoder.columns(hidden)
    else:
        values, spread = _mean_and_spread(
            decoder,
            sample_latents(
                field,
                features,
                patches.positions_um,
                index,
                guidance=guidance,
                steps=estimation.step_count,
                seed=estimation.seed,
                draws=estimation.draws,
                keys=noise_keys(patches.centres),
                interval=estimation.guidance_interval,
                branches=branches,
                callback=lambda done: progress(Progress("Drawing", done, estimation.draws, "draws")),
            ),
            progress,
        )
    total = decoder.total(hidden) if decoder.has_depth else _total_beside(bundle, features)
    adata = _assemble(bundle, slide, patches, latents, features, values, spread, total)
    adata.uns["molf"] = _provenance(bundle, slide, patches, code, guidance, estimation, broken, precision)
    if limits:
        adata.uns["molf"]["regions"] = limits
    progress(Progress("Predicting", len(patches), len(patches)))
    return adata


def _partial_results(
    field: VelocityField, patches: Patches, code: int, on_partial: PartialCallback
) -> Callable[[np.ndarray, np.ndarray], None]:
    """What is done with each batch of features: provisional latents, as if the batch were the slide."""

    def show(rows: np.ndarray, features: np.ndarray) -> None:
        readable = np.isfinite(features).all(axis=1)
        if readable.any():
            shown = rows[readable]
            on_partial(patches, shown, slide_latents(field, features[readable], patches.positions_um[shown], code))

    return show


def _check_features(features: np.ndarray, patches: Patches, bundle: Bundle) -> None:
    expected = (len(patches), bundle.config.features)
    if features.shape != expected:
        raise DataError(
            f"The features have shape {features.shape}; {len(patches)} patches of the encoder {bundle.config.encoder} need "
            f"{expected}. They were made by another encoder or for other patches."
        )


def _total_beside(bundle: Bundle, features: np.ndarray) -> np.ndarray:
    """Total counts (P,) for a network that has not learned them: those of the rival, NaN where the bundle has none."""
    rival = bundle.rivals().get(f"depth.{bundle.config.units}")
    return np.full(len(features), np.nan, np.float32) if rival is None else total_counts(rival, features)


def _mean_and_spread(
    decoder: LatentDecoder, ends: Sequence[np.ndarray], progress: ProgressCallback
) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean expression over draws, from their end points (P, L) each: (P, G) and, from two draws on, its spread.

    Averaged after decoding, which also averages over the decoder's bends.
    """
    shape = (len(ends[0]), decoder.expression(ends[0][:1]).shape[1])
    means = np.empty(shape, dtype=np.float32)
    spreads = np.empty(shape, dtype=np.float32) if len(ends) > 1 else None
    # Running sums, and few patches at a time: the draws of a whole slide would not fit into memory once they are decoded.
    for start in range(0, len(means), _BLOCK_PATCHES):
        progress(Progress("Decoding draws", start, len(means)))
        block = slice(start, start + _BLOCK_PATCHES)
        mean, squares = np.zeros(1), np.zeros(1)
        for count, end in enumerate(ends, start=1):
            value = decoder.expression(end[block]).astype(np.float64)
            delta = value - mean
            mean = mean + delta / count
            squares = squares + delta * (value - mean)
        means[block] = mean
        if spreads is not None:
            spreads[block] = np.sqrt(squares / (len(ends) - 1))
    return means, spreads


def _assemble(
    bundle: Bundle,
    slide: Slide,
    patches: Patches,
    latents: SlideLatents,
    features: np.ndarray,
    values: np.ndarray,
    spread: np.ndarray | None,
    total: np.ndarray,
) -> ad.AnnData:
    import anndata as ad
    import pandas as pd

    genes, experts = bundle.genes, bundle.config.expert_names
    names = pd.Index(patches.names, name="patch")
    obs = pd.DataFrame(
        {
            "row": patches.rows.astype(np.int64),
            "col": patches.cols.astype(np.int64),
            "total": total.astype(np.float32),
            "expert": pd.Categorical.from_codes(latents.routing.argmax(axis=1), categories=list(experts)),
            "routing_entropy": routing_entropy(latents.gate_logits),
        },
        index=names,
    )
    reference = bundle.reference()
    if reference is not None:
        obs["distance"] = reference.distance(features)
        obs["unfamiliar"] = obs["distance"] > reference.threshold
    var = genes[["measured", "heldout_pcc"]].copy()
    var.index.name = "symbol"
    hallmark = hallmark_scores(
        values, tuple(genes.index), genes["mean"].to_numpy(), genes["sd"].to_numpy(), genes["measured"].to_numpy()
    ).set_index(names)
    image, scale = _picture(slide)
    return ad.AnnData(
        X=values.astype(np.float32),
        obs=obs,
        var=var,
        layers={} if spread is None else {"sd": spread},
        obsm={
            "spatial": patches.centres.astype(np.float64),
            "gate_logits": latents.gate_logits,
            "routing": latents.routing,
            "hallmark": hallmark,
            "latent_cond": latents.conditional,
            "latent_uncond": latents.unconditional,
        },
        uns={
            "spatial": {
                slide.name: {
                    "images": {"hires": image, "lowres": image},
                    "scalefactors": {
                        "tissue_hires_scalef": scale,
                        "tissue_lowres_scalef": scale,
                        "spot_diameter_fullres": float(patches.size_px),
                        "fiducial_diameter_fullres": float(patches.size_px),
                    },
                    "metadata": {},
                }
            }
        },
    )


def _picture(slide: Slide) -> tuple[np.ndarray, float]:
    """Thumbnail of at most 1024 px, and thumbnail px per level-0 px."""
    image = thumbnail(slide, 1024)
    return image, image.shape[1] / slide.levels[0].width


def _provenance(
    bundle: Bundle,
    slide: Slide,
    patches: Patches,
    code: str,
    guidance: float,
    estimation: Estimation,
    broken: int,
    precision: Precision,
) -> dict[str, Any]:
    molf: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "bundle": bundle.id,
        "weights_hash": bundle.weights_hash,
        "encoder": bundle.config.encoder,
        "cancer_code": code,
        "guidance": guidance,
        "estimate": estimation.kind,
        "steps": estimation.step_count,
        "draws": estimation.draws if estimation.kind != "mean" else 0,
        "seed": estimation.seed,
        "precision": precision,
        "guidance_interval": np.asarray(estimation.guidance_interval, dtype=np.float64),
        "units": bundle.config.units,
        "experts_per_patch": bundle.config.flow.active if bundle.config.flow.velocity == "moe" else 1,
        "um_per_pixel": patches.um_per_pixel,
        "patch_um": patches.size_um,
        "patch_px": patches.size_px,
        "slide": {
            "name": slide.name,
            "path": str(slide.path),
            "width": slide.levels[0].width,
            "height": slide.levels[0].height,
            "fingerprint": fingerprint(slide),
            "um_per_pixel_source": slide.um_per_pixel_source,
        },
        "broken_patches": broken,
        "simulated": bundle.config.simulated,
        "hallmark_standardised": bundle.has_statistics,
        "software": f"napari-molf {__version__}",
        "expert_names": list(bundle.config.expert_names),
        "notice": NOTICE,
    }
    if patches.grid is not None:
        grid = patches.grid
        molf["grid"] = {
            "origin": np.asarray(grid.origin, dtype=np.float64),
            "stride": float(grid.stride_px),
            "stride_um": float(grid.stride_um),
            "shape": np.asarray(grid.shape, dtype=np.int64),
        }
    return molf

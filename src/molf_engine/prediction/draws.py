"""How far a model's own draws differ: the end points of paths from noise, kept so that the spread of any score is decoded on demand.

The spread is that of the model.  It says where the model wavers; it is no interval for a measurement, see
:mod:`molf_engine.evaluation.coverage`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.errors import ConfigError, PredictionError, SlideError
from molf_engine.files import atomic_path
from molf_engine.flow.guidance import check_scale
from molf_engine.prediction.guided import Guided
from molf_engine.prediction.predict import SAMPLE_STEPS
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.encoders import FeatureCache
    from molf_engine.slides import Patches, Slide

DEFAULT_DRAWS = 16

_BLOCK_ROWS = 1 << 15
"""Rows, draws times patches, that are decoded at once."""
_KEEP_ROWS = 1 << 18
"""Up to so many rows the decoder's hidden layer is kept between two scores; it is an eighth of a GB at a width of 128."""


@dataclass(frozen=True, eq=False)
class Draws:
    """K draws for P patches.

    Attributes
    ----------
    ends : ndarray
        (K, P, L) float32, end points of guided paths from noise.
    guidance : float
        Guidance scale that they were drawn at.
    seed : int
        Of the noise.
    weights_hash : str
        Of the model.
    """

    ends: np.ndarray
    guidance: float
    seed: int
    weights_hash: str

    def __len__(self) -> int:
        return len(self.ends)


def draw_slide(
    slide: Slide,
    bundle: Bundle,
    patches: Patches,
    *,
    code: str = UNKNOWN_CODE,
    guidance: float | None = None,
    draws: int = DEFAULT_DRAWS,
    steps: int = SAMPLE_STEPS,
    seed: int = 0,
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> Draws:
    """Draw from the model at the patches of a slide, with the noise of :func:`~molf_engine.prediction.predict_slide`.

    Parameters
    ----------
    slide : Slide
        See :func:`molf_engine.slides.open_slide`.
    bundle : Bundle
        The trained model.
    patches : Patches
        All patches of one prediction: they are each other's context.
    code : str
        Cancer code, one that the bundle knows.
    guidance : float, optional
        Guidance scale w; the bundle's choice if not given.
    draws, steps, seed : int
        See :class:`molf_engine.prediction.Estimation`; at least two draws.
    cache : FeatureCache, optional
        Where the features of the prediction were kept.
    progress : callable
        Told about each phase; may raise ``Cancelled``.

    Raises
    ------
    MolfError
        If a patch cannot be read, or the bundle does not know the code or has no encoder.
    """
    from molf_engine.bundle.latents import noise_keys, sample_latents
    from molf_engine.encoders import encode_patches

    if draws < 2:
        raise ConfigError(f"A spread needs at least 2 draws, not {draws}.")
    index = bundle.code_index(code)
    guidance = check_scale(bundle.config.guidance if guidance is None else guidance)
    features = encode_patches(slide, patches, bundle.encoder(), cache=cache, progress=progress)
    if not np.isfinite(features).all():
        raise SlideError(f"{slide.path}: a patch that was predicted cannot be read any more. Predict the slide again.")
    progress(Progress("Drawing", 0, draws, "draws"))
    ends = sample_latents(
        bundle.velocity(),
        features,
        patches.positions_um,
        index,
        guidance=guidance,
        steps=steps,
        seed=seed,
        draws=draws,
        keys=noise_keys(patches.centres),
        callback=lambda done: progress(Progress("Drawing", done, draws, "draws")),
    )
    return Draws(np.stack(ends).astype(np.float32, copy=False), guidance, seed, bundle.weights_hash)


class SpreadDecoder:
    """Standard deviation over draws of any score, in either scale.

    Parameters
    ----------
    draws : Draws
        Of a prediction.
    bundle : Bundle
        The model that drew.
    total : ndarray, optional
        (P,) total counts of the prediction, for a model that did not learn depth.

    Raises
    ------
    PredictionError
        If another model drew, or there is one draw only.
    """

    def __init__(self, draws: Draws, bundle: Bundle, total: np.ndarray | None = None) -> None:
        if draws.weights_hash != bundle.weights_hash:
            raise PredictionError(f"These draws were made by another model than {bundle.name}. Draw again.")
        if len(draws) < 2:
            raise PredictionError("A spread needs at least 2 draws. Draw again with more.")
        self._bundle = bundle
        self.draws = draws
        self._ends = draws.ends
        self._total = np.full(draws.ends.shape[1], np.nan, np.float32) if total is None else np.asarray(total)
        self._kept: dict[int, Guided] = {}

    def gene(self, symbol: str, *, relative: bool | None = None) -> np.ndarray:
        """Spread of one gene, (P,); ``relative`` as in :meth:`molf_engine.prediction.Guided.gene`."""
        return self._spread(lambda block: block.gene(symbol, 1.0, relative=relative))

    def hallmark(self, name: str, *, relative: bool | None = None) -> np.ndarray:
        """Spread of the score of one Hallmark set, (P,)."""
        return self._spread(lambda block: block.hallmark(name, 1.0, relative=relative))

    def _spread(self, score: Callable[[Guided], np.ndarray]) -> np.ndarray:
        count, patches, _ = self._ends.shape
        spread = np.empty(patches, np.float32)
        step = max(1, _BLOCK_ROWS // count)
        for start in range(0, patches, step):
            values = score(self._block(start, min(start + step, patches))).reshape(count, -1)
            spread[start : start + step] = values.std(axis=0, ddof=1, dtype=np.float64)
        return spread

    def _block(self, start: int, stop: int) -> Guided:
        if start in self._kept:
            return self._kept[start]
        count, patches, width = self._ends.shape
        block = Guided.of_latents(
            self._bundle, self._ends[:, start:stop].reshape(-1, width), np.tile(self._total[start:stop], count)
        )
        if count * patches <= _KEEP_ROWS:
            self._kept[start] = block
        return block


def write_draws(draws: Draws, path: Path) -> None:
    """Write draws, whole or not at all, to a ``.npz`` file."""
    with atomic_path(Path(path)) as beside:
        np.savez(
            beside, ends=draws.ends, guidance=draws.guidance, seed=draws.seed, weights_hash=np.array(draws.weights_hash)
        )


def read_draws(path: Path) -> Draws:
    """Read what :func:`write_draws` wrote.  Raises :class:`PredictionError` if it is damaged."""
    import zipfile

    try:
        with np.load(path, allow_pickle=False) as file:
            return Draws(file["ends"], float(file["guidance"]), int(file["seed"]), str(file["weights_hash"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise PredictionError(f"{path} cannot be read; it holds no draws, or is damaged: {error}") from error

"""The rivals that look at one patch at a time, fitted and asked section by section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Self

import numpy as np

from molf_engine.baselines.depth import DepthOnly
from molf_engine.baselines.mlp import MLP
from molf_engine.baselines.ridge import Ridge
from molf_engine.baselines.rival import Rival
from molf_engine.baselines.storage import read_rival, write_rival
from molf_engine.baselines.streaming import fit_depth, fit_ridge
from molf_engine.baselines.whole_slide import Prediction, RivalSlide, every_training_spots, totals
from molf_engine.errors import BundleError, DataError
from molf_engine.progress import Progress, ProgressCallback, silent

MLP_ROWS = 40_000
"""Spots that the network learns from at most, held in memory together: about 1 GB with 1,500 features and as many genes."""

Slides = Sequence[RivalSlide]
_Fit = Callable[[Slides, Slides, int, int], Rival]


@dataclass
class RowRival:
    """A :class:`~molf_engine.baselines.rival.Rival` behind the calls of :class:`~molf_engine.baselines.whole_slide.SlideRival`.

    Parameters
    ----------
    name, title, reduced
        See :class:`~molf_engine.baselines.whole_slide.SlideRival`.
    fit_rows
        Training and held-out sections, number of genes and seed to a fitted rival.
    from_tensors
        A stored rival.
    """

    name: str
    title: str
    reduced: str
    fit_rows: _Fit = field(repr=False)
    from_tensors: Callable[[Mapping[str, np.ndarray]], Rival] = field(repr=False)

    _rival: Rival | None = field(default=None, repr=False)

    @property
    def parameters(self) -> int:
        """Number of fitted values; 0 before :meth:`fit`."""
        return sum(value.size for value in self._rival.tensors().values()) if self._rival else 0

    def fit(
        self,
        slides: Slides,
        held_out: Slides,
        genes: tuple[str, ...],
        seed: int = 0,
        progress: ProgressCallback = silent,
    ) -> Self:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        phase = f"fitting {self.name}"
        progress(Progress(phase, 0, 1, "fits"))
        self._rival = self.fit_rows(slides, held_out, len(genes), seed)
        progress(Progress(phase, 1, 1, "fits"))
        return self

    def predict(self, slide: RivalSlide) -> Prediction:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        rival = self._fitted()
        # An infinite feature is as unusable as a missing one, and would warn on its way through the sums.
        usable = np.isfinite(slide.features).all(axis=1, keepdims=True)
        features = np.where(usable, slide.features, np.float32(0))
        values = np.where(usable, rival.predict(features), np.float32(np.nan))
        return Prediction(values, np.where(usable[:, 0], totals(rival.log_total(features)), np.float32(np.nan)))

    def save(self, folder: Path) -> None:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        write_rival(folder, self.name, {}, self._fitted().tensors())

    def load(self, folder: Path) -> Self:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        _, tensors = read_rival(folder, self.name)
        self._rival = self.from_tensors(tensors)
        return self

    def _fitted(self) -> Rival:
        if self._rival is None:
            raise BundleError(f"The rival {self.name} has not been fitted: call fit or load first.")
        return self._rival


def ridge() -> RowRival:
    """Ridge on principal components, fitted in passes over the sections."""
    return RowRival(
        "ridge",
        "Ridge on 256 principal components (penalty by generalised cross-validation)",
        "",
        lambda slides, held_out, genes, seed: fit_ridge(partial(every_training_spots, slides, genes)),
        Ridge.from_tensors,
    )


def depth() -> RowRival:
    """Depth only, fitted in passes over the sections."""
    return RowRival(
        "depth",
        "Depth only (each gene a line on the predicted log total count)",
        "",
        lambda slides, held_out, genes, seed: fit_depth(partial(every_training_spots, slides, genes)),
        DepthOnly.from_tensors,
    )


def mlp(rows: int = MLP_ROWS, network: MLP | None = None) -> RowRival:
    """Fit the MLP on at most ``rows`` spots: all of them, or as many drawn at random, each with the same chance.

    ``network`` gives other settings than the defaults.
    """

    def fit(slides: Slides, held_out: Slides, genes: int, seed: int) -> Rival:
        training = _some_rows(slides, genes, rows, seed)
        if training is None:
            raise DataError("No spot is left to fit on: no section has a spot with features.")
        validation = _some_rows(held_out, genes, max(1, rows // 4), seed)
        if validation is None:
            return _new(network).fit(*training, seed=seed)
        kept_back = np.arange(len(training[0]) + len(validation[0])) >= len(training[0])
        together = [np.concatenate(pair) for pair in zip(training, validation, strict=True)]
        return _new(network).fit(together[0], together[1], together[2], together[3], seed, kept_back)

    return RowRival(
        "mlp",
        "MLP (two hidden layers on the features of one patch)",
        f"Learns from at most {rows:,} spots, drawn at random where there are more.",
        fit,
        MLP.from_tensors,
    )


def _new(network: MLP | None) -> MLP:
    return MLP() if network is None else replace(network)


def _some_rows(
    slides: Slides, genes: int, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Features, targets, mask and log totals of at most ``most`` spots, in the order of the sections; None if there is no spot."""
    lengths = [len(rows.features) for rows in every_training_spots(slides, genes)]
    count = sum(lengths)
    if not count:
        return None
    index = np.arange(count)
    if count > most:
        index = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    bounds = np.searchsorted(index, np.cumsum([0, *lengths]))
    offsets = np.cumsum([0, *lengths])
    parts = []
    for place, rows in enumerate(every_training_spots(slides, genes)):
        own = index[bounds[place] : bounds[place + 1]] - offsets[place]
        measured = np.broadcast_to(rows.measured, (len(own), genes))
        parts.append((rows.features[own], rows.targets[own], measured, rows.log_total[own]))
    features, targets, mask, log_total = (np.concatenate(column) for column in zip(*parts, strict=True))
    return features, targets, mask, log_total

"""What the networks among the rivals have in common: units, labels, training, prediction, and a folder on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Generator, Tensor, nn

from molf_engine.baselines.fitting import Batch, Budget, train
from molf_engine.baselines.spread import Spread
from molf_engine.baselines.storage import read_rival, write_rival
from molf_engine.baselines.whole_slide import (
    Prediction,
    RivalSlide,
    SpotRows,
    every_training_spots,
    totals,
    training_spots,
)
from molf_engine.errors import BundleError, DataError
from molf_engine.progress import ProgressCallback, silent

_KEPT_BYTES = 512 * 2**20
"""Sections kept in memory once read; the others are read again in every pass."""


@dataclass(frozen=True)
class Units:
    """Means and sds of features ``(D,)`` and of genes and log total ``(C,)``, over the training spots that have them."""

    feature_mean: np.ndarray
    feature_sd: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    """0 for a gene that does not vary, which leaves the loss and is predicted as its mean."""

    @classmethod
    def of(cls, sections: Iterator[SpotRows]) -> Units:
        """From one pass over the sections.  Raises :class:`DataError` if they have no spot."""
        features, values = Spread(), Spread()
        for rows in sections:
            features.add(rows.features)
            values.add(np.column_stack([rows.targets, rows.log_total]), np.append(rows.measured, True))
        if not features.count.any():
            raise DataError("No spot is left to fit on: no section has a spot with features.")
        sd = np.sqrt(np.where(values.variance > 1e-12, values.variance, 0.0))
        arrays = features.mean, features.sd_or_1(), values.mean, sd
        return cls(*(array.astype(np.float32) for array in arrays))

    def tensors(self) -> dict[str, np.ndarray]:
        """Arrays by name."""
        return {f"units.{name}": value for name, value in vars(self).items()}


@dataclass(frozen=True)
class Labels:
    """Names that training saw; their number is their place + 1, and 0 is unknown."""

    organs: tuple[str, ...] = ()
    technologies: tuple[str, ...] = ()

    @classmethod
    def of(cls, slides: Sequence[RivalSlide]) -> Labels:
        """From one pass over the sections."""
        seen = [(slide.organ, slide.technology) for slide in (slides[index] for index in range(len(slides)))]
        organs, technologies = ({name for name in names if name} for names in zip(*seen, strict=True))
        return cls(tuple(sorted(organs)), tuple(sorted(technologies)))

    def numbers(self, slide: RivalSlide) -> tuple[int, int]:
        """Numbers of a section's organ and technology."""
        return _number(slide.organ, self.organs), _number(slide.technology, self.technologies)


def _number(name: str, names: tuple[str, ...]) -> int:
    return names.index(name) + 1 if name in names else 0


class NetworkRival(ABC):
    """A network that predicts standardised genes and log total of the spots of a section."""

    name: ClassVar[str]
    title: ClassVar[str]
    reduced: ClassVar[str]
    settings: Any
    """Frozen dataclass that says how the network is made."""
    budget: Budget
    draws: int = 1
    """Of which a prediction is the mean."""
    seed: int = 0
    """Of the noise in prediction; that of the fit."""

    _network: nn.Module | None = None

    @abstractmethod
    def configure(self, settings: dict[str, Any]) -> None:
        """Take the settings of a stored rival."""

    @abstractmethod
    def build(self, width: int, channels: int, labels: Labels) -> nn.Module:
        """Network for ``width`` features and ``channels`` values, of a whole section."""

    def prepare(self, network: nn.Module, sections: Iterator[SpotRows], units: Units) -> nn.Module:
        """Return the network with what it learns from one more pass over the sections, not by gradient; by default nothing."""
        return network

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch, generator: Generator) -> Tensor:
        """Loss of the network on a batch."""

    @abstractmethod
    def estimate(self, network: nn.Module, batch: Batch, draws: int) -> Tensor:
        """``(S, C)`` standardised prediction for a batch; never looks at its values."""

    @property
    def parameters(self) -> int:
        """Number of fitted values; 0 before :meth:`fit`."""
        return sum(value.numel() for value in self._network.parameters()) if self._network else 0

    def fit(
        self,
        slides: Sequence[RivalSlide],
        held_out: Sequence[RivalSlide],
        genes: tuple[str, ...],
        seed: int = 0,
        progress: ProgressCallback = silent,
    ) -> Self:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        if not len(slides):
            raise DataError("No spot is left to fit on: there is no training section.")
        self.seed, self._genes = seed, genes
        self._units = Units.of(every_training_spots(slides, len(genes)))
        self._labels = Labels.of(slides)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.build(len(self._units.feature_mean), len(genes) + 1, self._labels)
        network = self.prepare(network, every_training_spots(slides, len(genes)), self._units)

        sections, held = (_Batches(each, self._units, self._labels) for each in (slides, held_out))
        self._network = train(network, self, sections, held, self.budget, seed, progress, f"fitting {self.name}")
        return self

    @torch.no_grad()
    def predict(self, slide: RivalSlide) -> Prediction:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        network = self._fitted()
        units, spots = self._units, len(slide.features)
        features = np.asarray(slide.features, dtype=np.float32)
        if features.ndim != 2 or features.shape[1] != len(units.feature_mean):
            raise DataError(
                f"Features of shape {features.shape} do not fit a rival fitted on (S, {len(units.feature_mean)})."
            )
        usable = np.isfinite(features).all(axis=1) & np.isfinite(slide.positions_um).all(axis=1)
        values = np.full((spots, len(units.mean)), np.nan, dtype=np.float32)
        if usable.any():
            batch = _unmeasured(features[usable], slide, usable, units, self._labels)
            values[usable] = self.estimate(network, batch, self.draws).numpy() * units.sd + units.mean
        return Prediction(values[:, :-1], totals(values[:, -1]))

    def save(self, folder: Path) -> None:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        weights = {f"network.{name}": value.numpy() for name, value in self._fitted().state_dict().items()}
        facts = {
            "settings": asdict(self.settings),
            "seed": self.seed,
            "genes": list(self._genes),
            "organs": list(self._labels.organs),
            "technologies": list(self._labels.technologies),
        }
        write_rival(folder, self.name, facts, weights | self._units.tensors())

    def load(self, folder: Path) -> Self:
        """See :class:`~molf_engine.baselines.whole_slide.SlideRival`."""
        facts, tensors = read_rival(folder, self.name)
        try:
            self.configure(facts["settings"])
            self.seed, self._genes = int(facts["seed"]), tuple(facts["genes"])
            self._labels = Labels(tuple(facts["organs"]), tuple(facts["technologies"]))
            self._units = Units(*(tensors.pop(f"units.{name}") for name in Units.__dataclass_fields__))
            weights = {name.removeprefix("network."): torch.from_numpy(value) for name, value in tensors.items()}
            # The random weights made here are overwritten at once, and leave torch's own numbers alone.
            with torch.random.fork_rng(devices=[]):
                network = self.build(len(self._units.feature_mean), len(self._units.mean), self._labels)
            network.load_state_dict(weights)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise BundleError(f"{folder} does not hold a whole {self.name} rival ({error}): fit it again.") from error
        self._network = network.requires_grad_(False)
        return self

    def _fitted(self) -> nn.Module:
        if self._network is None:
            raise BundleError(f"The rival {self.name} has not been fitted: call fit or load first.")
        return self._network


class _Batches(Sequence[Batch]):
    """Sections as batches, read as they are asked for; the last ones read are kept, up to a size."""

    def __init__(self, slides: Sequence[RivalSlide], units: Units, labels: Labels) -> None:
        self._slides, self._units, self._labels = slides, units, labels
        self._kept: OrderedDict[int, Batch] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._slides)

    def __getitem__(self, index: int) -> Batch:  # type: ignore[override]
        if index not in self._kept:
            batch = _measured(self._slides[index], self._units, self._labels)
            self._kept[index] = batch
            self._bytes += _size(batch)
            while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= _size(self._kept.popitem(last=False)[1])
        return self._kept[index]


def _size(batch: Batch) -> int:
    return int(batch.features.nbytes + batch.values.nbytes)


def _measured(slide: RivalSlide, units: Units, labels: Labels) -> Batch:
    rows = training_spots(slide, len(units.mean) - 1, len(units.feature_mean))
    counted = np.append(rows.measured, True) & (units.sd > 0)
    values = np.column_stack([rows.targets, rows.log_total])
    standardised = np.where(counted, (values - units.mean) / np.where(units.sd > 0, units.sd, 1), 0)
    return Batch(
        torch.from_numpy((rows.features - units.feature_mean) / units.feature_sd),
        torch.from_numpy(standardised.astype(np.float32)),
        torch.from_numpy(counted.astype(np.float32)),
        rows.positions_um,
        *labels.numbers(slide),
    )


def _unmeasured(features: np.ndarray, slide: RivalSlide, usable: np.ndarray, units: Units, labels: Labels) -> Batch:
    return Batch(
        torch.from_numpy((features - units.feature_mean) / units.feature_sd),
        torch.zeros(len(features), len(units.mean)),
        torch.ones(len(units.mean)),
        np.asarray(slide.positions_um, dtype=np.float64)[usable],
        *labels.numbers(slide),
    )

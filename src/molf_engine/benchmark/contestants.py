"""Models as the benchmark sees them: each says on which genes it predicts, and predicts the spots of a section in every scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from molf_engine.baselines.whole_slide import RivalSlide, SlideRival
from molf_engine.benchmark.elsewhere import outside_prediction
from molf_engine.benchmark.settings import Outside
from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.config import Units
from molf_engine.data import Section
from molf_engine.data.spots import Spots, SpotSource
from molf_engine.evaluation.scoring import Predictions, predict_models
from molf_engine.genes import convert_units
from molf_engine.genes.units import UNITS


class Contestant(Protocol):
    """A fitted model."""

    @property
    def variant(self) -> str:
        """What was changed in it, for the tables."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of what :meth:`predict` gives."""

    @property
    def genes(self) -> tuple[str, ...]:
        """The panel on which it predicts."""

    @property
    def keeps(self) -> bool:
        """Whether it always predicts the same, so that a result of it that is there already holds."""

    def predict(self, spots: Spots) -> Predictions:
        """Expression of the spots on :attr:`genes`, model -> scale -> (S, G); empty where it has nothing to say of this section."""


@dataclass(frozen=True)
class MoLF:
    """A bundle, with the rivals that it brings or without them."""

    bundle: Bundle
    variant: str = ""
    rivals: bool = False

    @property
    def models(self) -> tuple[str, ...]:
        """MoLF and, if asked for, the bundle's rivals."""
        return ("molf", "ridge", "mlp", "depth") if self.rivals else ("molf",)

    @property
    def genes(self) -> tuple[str, ...]:
        """The bundle's panel."""
        return tuple(self.bundle.genes.index)

    @property
    def keeps(self) -> bool:
        """It is on disk, fitted."""
        return True

    def predict(self, spots: Spots) -> Predictions:
        """The conditional mean at the bundle's guidance scale."""
        config = self.bundle.config
        code = spots.section.code if spots.section.code in config.trained_codes else UNKNOWN_CODE
        predicted = predict_models(
            self.bundle,
            self.bundle.velocity(),
            spots.features,
            spots.positions_um,
            self.bundle.code_index(code),
            config.guidance,
        )
        return {name: predicted[name] for name in self.models}


@dataclass(frozen=True)
class OneForEachTissue:
    """A bundle for each cancer type, each trained on its own type alone."""

    bundles: dict[str, Bundle]
    variant: str

    @property
    def models(self) -> tuple[str, ...]:
        """MoLF alone."""
        return ("molf",)

    @property
    def genes(self) -> tuple[str, ...]:
        """The panel of its bundles."""
        return tuple(next(iter(self.bundles.values())).genes.index)

    @property
    def keeps(self) -> bool:
        """It is on disk, fitted."""
        return True

    def predict(self, spots: Spots) -> Predictions:
        """What the bundle of the section's type says; nothing where that type has none."""
        bundle = self.bundles.get(spots.section.code)
        return {} if bundle is None else MoLF(bundle, self.variant).predict(spots)


@dataclass(frozen=True)
class FittedRival:
    """A rival of the paper on a panel of its own."""

    rival: SlideRival
    genes: tuple[str, ...]
    units: Units
    """Scale that it was fitted in."""
    folder: Path
    """Where it is kept."""
    variant: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """Its name."""
        return (self.rival.name,)

    @property
    def keeps(self) -> bool:
        """It is on disk, fitted."""
        return True

    def predict(self, spots: Spots) -> Predictions:
        """Its prediction, in both scales."""
        predicted = self.rival.predict(rival_slide(spots, self.units))
        scales = {units: convert_units(predicted.values, predicted.total, self.units, units) for units in UNITS}
        return {self.rival.name: scales}


@dataclass(frozen=True)
class FromElsewhere:
    """Predictions of another tool."""

    outside: Outside
    genes: tuple[str, ...]
    variant: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """Its name."""
        return (self.outside.name,)

    @property
    def keeps(self) -> bool:
        """Its files may have been written anew."""
        return False

    def predict(self, spots: Spots) -> Predictions:
        """What the tool wrote, in the scale that it wrote."""
        values = outside_prediction(self.outside, spots)
        return {} if values is None else {self.outside.name: {self.outside.units: values}}


def rival_slide(spots: Spots, units: Units) -> RivalSlide:
    """A section as the rivals see it, in the scale ``units``."""
    expression, section = spots.expression, spots.section
    return RivalSlide(
        id=section.id,
        features=spots.features,
        positions_um=spots.positions_um,
        targets=expression.in_units(units),
        measured=expression.measured,
        log_total=np.log(expression.total),
        code=section.code,
        organ=section.organ,
        technology=section.technology,
    )


class RivalSlides(Sequence[RivalSlide]):
    """Sections as the rivals see them, each read when it is asked for."""

    def __init__(
        self, source: SpotSource, sections: Sequence[Section], genes: tuple[str, ...], min_counts: float, units: Units
    ) -> None:
        self._source, self._sections, self._genes = source, sections, genes
        self._min_counts, self._units = min_counts, units

    def __len__(self) -> int:
        """Count the sections."""
        return len(self._sections)

    @overload
    def __getitem__(self, index: int) -> RivalSlide: ...
    @overload
    def __getitem__(self, index: slice) -> list[RivalSlide]: ...
    def __getitem__(self, index: int | slice) -> RivalSlide | list[RivalSlide]:
        """Read a section."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        spots = self._source.read(self._sections[index], self._genes, self._min_counts)
        return rival_slide(spots, self._units)

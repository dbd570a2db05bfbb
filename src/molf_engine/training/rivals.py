"""The rivals of a bundle, fitted on the rows that MoLF learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args, overload

import numpy as np

from molf_engine.baselines import MLP, DepthOnly, Ridge, Rival, RivalSlide, row_rival
from molf_engine.baselines.row_rival import MLP_ROWS, RowRival
from molf_engine.bundle import Bundle
from molf_engine.config import RunConfig, Units
from molf_engine.errors import ConfigError
from molf_engine.genes.units import UNITS
from molf_engine.training.sections import Roles
from molf_engine.training.slides import TrainingSlide


def check_same_rows(bundle: Bundle, config: RunConfig, roles: Roles, genes: tuple[str, ...]) -> None:
    """Raise :class:`ConfigError` unless the rivals of a bundle were fitted on what this run learns from."""
    trained = bundle.config
    ours = (
        config.data.units,
        config.data.min_counts,
        tuple(s.id for s in roles.train),
        tuple(s.id for s in roles.validation),
        genes,
    )
    theirs = (
        trained.units,
        trained.min_counts,
        trained.training_sections,
        trained.validation_sections,
        tuple(bundle.genes.index),
    )
    if ours != theirs:
        raise ConfigError(f"The rivals of {bundle.name} were fitted on other sections, genes or units: fit them anew.")


def fit_rivals(
    slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide], config: RunConfig
) -> dict[str, np.ndarray]:
    """Ridge, MLP and depth-only on the rows that MoLF learns from; the MLP stops early on MoLF's validation sections.

    Up to ``MLP_ROWS`` spots are taken into memory at once; more are gone through section by section, which gives ridge and depth the
    same fit, and the MLP a random part of the spots.

    Returns
    -------
    dict
        Arrays under ``ridge.``, ``mlp.`` and ``depth.<scale>.``.
    """
    spots = sum(len(slide.features) for part in (slides, held_out) for slide in part)
    fitted = _at_once(slides, held_out, config) if spots <= MLP_ROWS else _in_passes(slides, held_out, config)
    return {f"{name}.{key}": value for name, rival in fitted for key, value in rival.tensors().items()}


def _at_once(
    slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide], config: RunConfig
) -> Iterator[tuple[str, Rival]]:
    every = [*slides, *held_out]
    features = np.concatenate([s.features.numpy() for s in every])
    measured = np.concatenate([np.broadcast_to(s.expression.measured, s.expression.counts_log1p.shape) for s in every])
    log_total = np.log(np.concatenate([s.expression.total for s in every]))
    validation = np.concatenate([np.full(len(s.features), place >= len(slides)) for place, s in enumerate(every)])
    seed, own = config.training.seed, config.data.units
    targets = np.concatenate([s.expression.in_units(own) for s in every])
    for rival in (Ridge(), MLP()):
        yield rival.name, rival.fit(features, targets, measured, log_total, seed, validation)
    for units in UNITS:
        targets = np.concatenate([s.expression.in_units(units) for s in every])
        yield f"depth.{units}", DepthOnly().fit(features, targets, measured, log_total, seed, validation)


def _in_passes(
    slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide], config: RunConfig
) -> Iterator[tuple[str, Rival]]:
    def fit(rival: RowRival, units: Units) -> Rival:
        genes = len(slides[0].expression.genes)
        return rival.fit_rows(_Views(slides, units), _Views(held_out, units), genes, config.training.seed)

    yield "ridge", fit(row_rival.ridge(), config.data.units)
    yield "mlp", fit(row_rival.mlp(), config.data.units)
    for units in get_args(Units):
        yield f"depth.{units}", fit(row_rival.depth(), units)


class _Views(Sequence[RivalSlide]):
    """Training slides as rivals see them."""

    def __init__(self, slides: Sequence[TrainingSlide], units: Units) -> None:
        self._slides, self._units = slides, units

    def __len__(self) -> int:
        return len(self._slides)

    @overload
    def __getitem__(self, index: int) -> RivalSlide: ...
    @overload
    def __getitem__(self, index: slice) -> list[RivalSlide]: ...
    def __getitem__(self, index: int | slice) -> RivalSlide | list[RivalSlide]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        slide = self._slides[index]
        expression = slide.expression
        return RivalSlide(
            id=slide.id,
            features=slide.features.numpy(),
            positions_um=slide.positions.numpy(),
            targets=expression.in_units(self._units),
            measured=expression.measured,
            log_total=np.log(expression.total),
        )

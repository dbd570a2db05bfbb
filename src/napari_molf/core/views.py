"""One state of the map, and its values: a score, or what it differs by from another guidance scale or another score.  No Qt."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_molf.core.maps import robust_limits
from napari_molf.core.scores import Score, Scores

FloatArray = NDArray[np.floating]
Limits = tuple[float, float]

REMEMBERED = 32
"""Decoded scores that are kept: panels at a fixed guidance scale need not be decoded again while the slider moves."""


@dataclass(frozen=True)
class Wanted:
    """A score at a guidance scale; none: at the scale of the slider."""

    score: Score
    guidance: float | None = None

    def at(self, guidance: float) -> float:
        """Its guidance scale while the slider is at ``guidance``."""
        return guidance if self.guidance is None else self.guidance


@dataclass(frozen=True)
class Minus:
    """What is to be taken away from whatever is shown.

    Attributes
    ----------
    score
        A score; none: the one that is shown.
    guidance
        Its guidance scale; none: that of the slider.
    """

    score: Score | None
    guidance: float | None

    def of(self, shown: Score) -> Wanted:
        """What that is while ``shown`` is on the map."""
        return Wanted(self.score or shown, self.guidance)


@dataclass(frozen=True)
class View:
    """One state of the map.

    Attributes
    ----------
    run_id
        The prediction it shows.
    score, guidance
        What is shown, and at which guidance scale.
    relative
        Whether expression is relative to each patch's total.
    fit
        Whether to choose new colour limits for it.
    minus
        What is taken away from it; none: the score itself is shown.
    beside
        What else is decoded with it, for panels beside the map.
    """

    run_id: str
    score: Score
    guidance: float
    relative: bool
    fit: bool
    minus: Wanted | None = None
    beside: tuple[Wanted, ...] = ()

    @property
    def standardised(self) -> bool:
        """Whether two scores of unlike units are compared: each in standard deviations from its mean over the slide."""
        return self.minus is not None and self.minus.score.kind != self.score.kind

    @property
    def subject(self) -> str:
        """What is on the map, without guidance scale and model: ``EPCAM``, ``EPCAM minus CD3E``."""
        if self.minus is None or self.minus.score == self.score:
            return self.score.name
        return f"{self.score.name} minus {self.minus.score.name}"

    @property
    def scale(self) -> str:
        """The guidance scales that are on the map: ``2``, ``4 minus 1``."""
        if self.minus is None or self.minus.guidance is None:
            return f"{self.guidance:.3g}"
        return f"{self.guidance:.3g} minus {self.minus.guidance:.3g}"


class Decoded:
    """Scores of one prediction, the latest of them remembered.  One thread at a time."""

    def __init__(self, scores: Scores) -> None:
        self._scores = scores
        self._kept: OrderedDict[tuple[Score, float, bool], FloatArray] = OrderedDict()

    def values(self, score: Score, guidance: float, *, relative: bool) -> FloatArray:
        """(P,) values; not to be written to."""
        key = (score, guidance, relative)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = self._scores.values(score, guidance, relative=relative)
        self._kept.move_to_end(key)
        while len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return found

    def show(self, view: View) -> tuple[FloatArray, Limits | None]:
        """(P,) values of what is on the map, and limits for them if the view wants new ones; those of a difference always."""
        first = self.values(view.score, view.guidance, relative=view.relative)
        if view.minus is None:
            return first, robust_limits(first) if view.fit else None
        second = self.values(view.minus.score, view.minus.at(view.guidance), relative=view.relative)
        if view.standardised:
            first, second = standardise(first), standardise(second)
        values = first - second
        return values, symmetric_limits(values, (first, second))

    def beside(self, view: View) -> tuple[FloatArray, ...]:
        """(P,) values of each panel beside the map, those that follow the slider first: they share what is decoded."""
        found: dict[Wanted, FloatArray] = {}
        for wanted in sorted(view.beside, key=lambda each: each.guidance is not None):
            found[wanted] = self.values(wanted.score, wanted.at(view.guidance), relative=view.relative)
        return tuple(found[wanted] for wanted in view.beside)


def standardise(values: ArrayLike) -> FloatArray:
    """(P,) values in standard deviations from their mean over the slide; a constant map is zero."""
    x = np.asarray(values, np.float64)
    spread = float(np.nanstd(x)) if np.isfinite(x).any() else 0.0
    centred = x - np.nanmean(x) if np.isfinite(x).any() else x
    return (centred / spread if spread > 1e-12 else 0.0 * centred).astype(np.float32)


def symmetric_limits(difference: ArrayLike, of: tuple[ArrayLike, ArrayLike]) -> Limits:
    """Limits alike on both sides of 0 for a (P,) difference ``of`` two (P,) maps.

    They are at least a quarter of the range of the maps themselves: what is small beside them stays pale, and noise is not
    stretched to full colour.
    """
    finite = np.abs(np.asarray(difference, np.float64))
    finite = finite[np.isfinite(finite)]
    reach = float(np.percentile(finite, 99)) if finite.size else 0.0
    ranges = [high - low for low, high in (robust_limits(each) for each in of)]
    reach = _round_up(max(reach, 0.25 * max(ranges)))
    return (-reach, reach)


def _round_up(reach: float) -> float:
    """The next of 1, 1.5, 2, 3, 5 and their tenfolds: numbers that a colour bar can write."""
    unit = 10.0 ** np.floor(np.log10(reach))
    return float(next(step * unit for step in (1, 1.5, 2, 3, 5, 10) if step * unit >= reach * (1 - 1e-9)))


def caption(view: View, scores: Scores, model: str) -> str:
    """Layer name: what is shown, minus what, at which guidance scale, by which model."""
    relative = scores.is_relative(view.score, view.relative) and not view.standardised
    parts = [f"{view.subject} / total" if relative else view.subject]
    if view.standardised:
        parts.append("each standardised over this slide")
    return " · ".join([*parts, f"guidance {view.scale}", model])


def caption_of(wanted: Wanted, view: View, scores: Scores) -> str:
    """Name of a panel: what it shows, at which guidance scale."""
    relative = " / total" if scores.is_relative(wanted.score, view.relative) else ""
    return f"{wanted.score.name}{relative} · guidance {wanted.at(view.guidance):.3g}"

"""Guidance sweep: how a model measures up at each guidance scale, and which scale Filter-and-Rank takes (paper, eq. 11-12).

One Euler step from z0 = 0 needs two network evaluations per section; every scale follows from their end points, so a sweep is a matter
of decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from molf_engine.data.expression import Expression
from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.guidance import filter_and_rank
from molf_engine.evaluation.metrics import cosine, mse, wasserstein_per_spot
from molf_engine.flow.guidance import check_scale, guide

SCALES = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
TOLERANCE = 0.05


@dataclass(frozen=True)
class SectionSweep:
    """Measures of one section at ``K`` guidance scales."""

    section: str
    scales: tuple[float, ...]
    mse: tuple[float, ...]
    w1: tuple[float, ...]
    """1-Wasserstein distance per spot, mean over spots."""
    cosine: tuple[float, ...]


@dataclass(frozen=True)
class Sweep:
    """Measures at ``K`` guidance scales, mean over sections, and the scale that they lead to."""

    model: str
    split: str
    units: str
    role: str
    """Of the sections: a scale that is used for test sections is chosen on `validation` sections."""
    scales: tuple[float, ...]
    mse: tuple[float, ...]
    w1: tuple[float, ...]
    cosine: tuple[float, ...]
    chosen: int
    """Place of the scale that Filter-and-Rank takes."""
    sections: tuple[str, ...] = ()
    tolerance: float = TOLERANCE
    seed: int = 0

    @property
    def scale(self) -> float:
        """The guidance scale that Filter-and-Rank takes."""
        return self.scales[self.chosen]

    @property
    def limit(self) -> float:
        """Largest Wasserstein distance that the filter lets through."""
        return float((1 + self.tolerance) * np.nanmin(self.w1))

    @property
    def valid(self) -> tuple[bool, ...]:
        """Which scales pass the filter."""
        limit = self.limit * (1 + 1e-12)
        return tuple(bool(value <= limit) for value in self.w1)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Sweep:
        """Read :meth:`as_json` back.  Raises :class:`DataError` if it is something else."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        try:
            return cls(**plain)
        except TypeError as error:
            raise DataError(f"This is no guidance sweep: {error}.") from error


def sweep_section(
    conditional: np.ndarray,
    unconditional: np.ndarray,
    decode: Callable[[np.ndarray], np.ndarray],
    expression: Expression,
    units: str,
    scales: Sequence[float] = SCALES,
) -> SectionSweep:
    """Measure one section at every guidance scale.

    Parameters
    ----------
    conditional, unconditional : ndarray
        (S, L), end latents of one Euler step from z0 = 0.
    decode : callable
        Latents (S, L) -> expression (S, G) in ``units``.
    expression : Expression
        What was measured on the same spots.
    units : str
        ``log1p`` or ``log1p-cp10k``.
    scales : sequence of float
        Guidance scales w, 0 or more.

    Raises
    ------
    ConfigError
        If there is no scale, or one is negative or not finite.
    """
    if not scales:
        raise ConfigError("A guidance sweep needs at least one scale.")
    measured, mask = expression.in_units(units), expression.measured
    rows = []
    for scale in map(check_scale, scales):
        predicted = decode(guide(conditional, unconditional, scale))
        rows.append([measure(predicted, measured, mask) for measure in (mse, wasserstein_per_spot, cosine)])
    columns = [tuple(column) for column in zip(*rows, strict=True)]
    return SectionSweep(expression.section_id, tuple(map(float, scales)), *columns)


def sweep(
    sections: Sequence[SectionSweep],
    *,
    model: str,
    units: str,
    role: str = "validation",
    split: str = "",
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> Sweep:
    """Mean over sections, and the choice.

    Raises
    ------
    DataError
        If there is no section, their scales differ, or no scale has finite measures.
    """
    if not sections or len({one.scales for one in sections}) > 1:
        raise DataError("A guidance sweep needs sections that were measured at the same scales.")
    scales = sections[0].scales
    errors, distances, cosines = (
        np.mean([getattr(one, name) for one in sections], axis=0) for name in ("mse", "w1", "cosine")
    )
    return Sweep(
        model=model,
        split=split,
        units=units,
        role=role,
        scales=scales,
        mse=tuple(errors.tolist()),
        w1=tuple(distances.tolist()),
        cosine=tuple(cosines.tolist()),
        chosen=filter_and_rank(scales, distances, cosines, errors, tolerance),
        sections=tuple(one.section for one in sections),
        tolerance=tolerance,
        seed=seed,
    )

"""The pair of calls that every rival of the paper answers: ``fit`` on sections, ``predict`` a whole section.

A rival sees a section as a whole, its positions included; the rivals that look at one patch at a time
(:mod:`molf_engine.baselines.row_rival`) answer the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from molf_engine.errors import DataError
from molf_engine.progress import ProgressCallback, silent

LARGEST_LOG_TOTAL = 16.0
"""An extrapolated log total count stops here, far above any patch."""


@dataclass(frozen=True)
class RivalSlide:
    """One section (``S`` spots, ``D`` features, ``G`` genes)."""

    id: str
    features: np.ndarray
    """``(S, D)`` float32. A row that is not finite is a patch that cannot be predicted, and is not learned from."""
    positions_um: np.ndarray
    """``(S, 2)``: x and y of the centres in um."""
    targets: np.ndarray
    """``(S, G)`` float32 expression, every section in one scale; anything where unmeasured."""
    measured: np.ndarray
    """``(G,)`` bool: this section measured this gene."""
    log_total: np.ndarray
    """``(S,)`` natural logarithm of the total counts."""
    code: str = ""
    """Cancer type (OncoTree)."""
    organ: str = ""
    technology: str = ""


@dataclass(frozen=True)
class Prediction:
    """What a rival says of the spots of one section; NaN for a spot without features."""

    values: np.ndarray
    """``(S, G)`` float32 expression in the scale of the training targets."""
    total: np.ndarray
    """``(S,)`` float32 total counts."""


class SlideRival(Protocol):
    """Predicts the expression of a section from the features and positions of its patches."""

    @property
    def name(self) -> str:
        """Short name, of tables and commands."""
        ...

    @property
    def title(self) -> str:
        """Name and source, for reports."""
        ...

    @property
    def reduced(self) -> str:
        """In what it is smaller than, or otherwise different from, the original; empty: in nothing."""
        ...

    @property
    def parameters(self) -> int:
        """Number of fitted values; 0 before :meth:`fit`."""
        ...

    def fit(
        self,
        slides: Sequence[RivalSlide],
        held_out: Sequence[RivalSlide],
        genes: tuple[str, ...],
        seed: int = 0,
        progress: ProgressCallback = silent,
    ) -> Self:
        """Fit on training sections; the same seed gives the same fit on a CPU.

        Parameters
        ----------
        slides
            Training sections. May read each from disk as it is asked for: it is gone through several times, one section after another.
        held_out
            Sections that no weight is fitted on; early stopping looks at them. May be empty.
        genes
            ``G`` symbols, the columns of the targets. A gene that no section measures is predicted as 0.
        seed
            Of everything that is random.
        progress
            Told what is done.

        Raises
        ------
        DataError
            If shapes differ between sections, a measured target or total is not finite, or nothing is left to fit on.
        """
        ...

    def predict(self, slide: RivalSlide) -> Prediction:
        """Predict one section from its features, positions and labels; never looks at ``targets`` or ``log_total``.

        Raises :class:`DataError` for features of another width.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the fitted rival to a folder, which is replaced if it exists.  Raises :class:`MolfError` if that is refused."""
        ...

    def load(self, folder: Path) -> Self:
        """Become the rival that was saved: the same predictions.  Raises :class:`BundleError`."""
        ...


@dataclass(frozen=True)
class SpotRows:
    """The spots of one section that can be learned from: finite features, unmeasured targets 0."""

    features: np.ndarray
    positions_um: np.ndarray
    targets: np.ndarray
    measured: np.ndarray
    log_total: np.ndarray


def training_spots(slide: RivalSlide, genes: int, width: int | None = None) -> SpotRows:
    """Check one section, and leave out the spots without features.

    Parameters
    ----------
    slide
        Section with targets.
    genes
        ``G``.
    width
        ``D`` of the other sections; none: this is the first.

    Raises
    ------
    DataError
        If shapes do not fit together, or a position, a measured target or a log total is not finite.
    """
    features = np.asarray(slide.features, dtype=np.float32)
    targets, log_total = np.asarray(slide.targets), np.asarray(slide.log_total)
    positions, measured = np.asarray(slide.positions_um, dtype=np.float64), np.asarray(slide.measured, dtype=bool)
    spots = len(features)
    found = (features.ndim, positions.shape, targets.shape, measured.shape, log_total.shape)
    if found != (2, (spots, 2), (spots, genes), (genes,), (spots,)):
        raise DataError(
            f"Section {slide.id}: features {features.shape}, positions {positions.shape}, targets {targets.shape}, measured "
            f"{measured.shape} and log totals {log_total.shape} should be (S, D), (S, 2), (S, {genes}), ({genes},) and (S,)."
        )
    if width is not None and features.shape[1] != width:
        raise DataError(
            f"Section {slide.id} has features of width {features.shape[1]}, other sections of width {width}: "
            "use features of one encoder."
        )
    kept = np.isfinite(features).all(axis=1)
    targets = np.where(measured, targets[kept], 0).astype(np.float32)
    finite = np.isfinite(targets).all(1) & np.isfinite(log_total[kept]) & np.isfinite(positions[kept]).all(1)
    if bad := int((~finite).sum()):
        raise DataError(
            f"Section {slide.id}: {bad} of {spots} spots have counts, totals or positions that are not finite: leave them out."
        )
    return SpotRows(features[kept], positions[kept], targets, measured, log_total[kept].astype(np.float64))


def every_training_spots(slides: Sequence[RivalSlide], genes: int) -> Iterator[SpotRows]:
    """Go through the sections once, each checked against the first; one is held at a time."""
    width: int | None = None
    for index in range(len(slides)):
        rows = training_spots(slides[index], genes, width)
        width = rows.features.shape[1]
        yield rows


def totals(log_total: np.ndarray) -> np.ndarray:
    """``(S,)`` predicted log totals to float32 counts."""
    return np.exp(np.clip(log_total, 0, LARGEST_LOG_TOTAL)).astype(np.float32)

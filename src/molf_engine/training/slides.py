"""One training slide as tensors, and the random numbers that belong to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from molf_engine.config import Units
from molf_engine.data.expression import Expression


@dataclass(frozen=True)
class TrainingSlide:
    """Spots of one section, S rows.

    Attributes
    ----------
    id, patient : str
        Names of the section and of its patient.
    features : Tensor
        (S, D).
    positions : Tensor
        Spot centres x, y in um, (S, 2).
    targets : Tensor
        (S, G'): expression in the model's units; a last column of log(1 + total counts) where depth is learned apart.
    measured : Tensor
        (G',) float, 1 where the section measured the gene.
    code : int
        Row of the cancer code.
    expression : Expression
        The measurement itself, for scoring.
    um_per_pixel : float
        Of the slide.
    """

    id: str
    patient: str
    features: Tensor
    positions: Tensor
    targets: Tensor
    measured: Tensor
    code: int
    expression: Expression
    um_per_pixel: float

    @property
    def nbytes(self) -> int:
        """Memory that its tensors and its measurement take, in bytes."""
        tensors = (self.features, self.positions, self.targets)
        return sum(tensor.nbytes for tensor in tensors) + self.expression.counts_log1p.nbytes

    def to(self, device: torch.device) -> TrainingSlide:
        """Tensors moved to ``device``."""
        if self.features.device == device:
            return self
        return replace(
            self,
            features=self.features.to(device),
            positions=self.positions.to(device),
            targets=self.targets.to(device),
            measured=self.measured.to(device),
        )


def make_targets(expression: Expression, units: Units, depth: bool) -> tuple[Tensor, Tensor]:
    """Targets (S, G') and their mask (G',), see :class:`TrainingSlide`."""
    values = expression.in_units(units)
    measured = expression.measured.astype(np.float32)
    if depth:
        values = np.column_stack([values, np.log1p(expression.total)]).astype(np.float32)
        measured = np.append(measured, np.float32(1))
    return torch.from_numpy(np.ascontiguousarray(values)), torch.from_numpy(measured)


def column_statistics(slides: Sequence[TrainingSlide]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each column over the rows in which it was measured, (G',) each; 0 and 1 where it never was."""
    mean, sd = masked_statistics(
        lambda: ((slide.targets.cpu().numpy(), slide.measured.cpu().numpy()) for slide in slides)
    )
    return mean.astype(np.float32), sd.astype(np.float32)


def masked_statistics(tables: Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and sd of each column over the rows in which it was measured, in two passes over the slides.

    Parameters
    ----------
    tables : callable
        Gives, at each call, the (S, G) values of every slide with the (G,) mask of what it measured.

    Returns
    -------
    mean, sd : ndarray
        (G,) float64; 0 and 1 where a column was never measured.
    """
    sums = [
        (measured * np.float64(len(values)), (values.astype(np.float64) * measured).sum(0))
        for values, measured in tables()
    ]
    count, total = (np.sum(column, axis=0) for column in zip(*sums, strict=True))
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    squares = np.sum(
        [((values.astype(np.float64) - mean) ** 2 * measured).sum(0) for values, measured in tables()], axis=0
    )
    return mean, np.sqrt(np.divide(squares, count, out=np.ones_like(total), where=count > 0))


class Batch(NamedTuple):
    """Slides of one step, one after the other along the rows; nothing is padded.

    ``features`` (P, D), ``positions`` (P, 2), ``targets`` and ``measured`` (P, G'), ``codes`` (P,) and ``lengths``, the spots of each
    slide, whose sum is P.
    """

    features: Tensor
    positions: Tensor
    targets: Tensor
    measured: Tensor
    codes: Tensor
    lengths: tuple[int, ...]


def join(slides: Sequence[TrainingSlide]) -> Batch:
    """Slides as one batch; a single slide is not copied."""
    parts = [
        (
            slide.features,
            slide.positions,
            slide.targets,
            slide.measured.expand_as(slide.targets),
            torch.full((len(slide.features),), slide.code, device=slide.features.device),
        )
        for slide in slides
    ]
    columns = parts[0] if len(parts) == 1 else [torch.cat(column) for column in zip(*parts, strict=True)]
    features, positions, targets, measured, codes = columns
    lengths = tuple(len(slide.features) for slide in slides)
    return Batch(features, positions, targets, measured, codes, lengths)


def key_of(*key: object) -> int:
    """Seed that belongs to a key such as (seed, stage, epoch, slide).

    A step's noise then depends on nothing that came before it and on no other slide of its batch: a run that was killed and started
    again, or shared among processes, goes on as if it had not been.
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1

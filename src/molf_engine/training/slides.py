"""One training slide as tensors, and the random numbers that belong to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

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
    """

    id: str
    patient: str
    features: Tensor
    positions: Tensor
    targets: Tensor
    measured: Tensor
    code: int
    expression: Expression

    def to(self, device: torch.device) -> TrainingSlide:
        """Tensors moved to ``device``."""
        return TrainingSlide(
            self.id,
            self.patient,
            self.features.to(device),
            self.positions.to(device),
            self.targets.to(device),
            self.measured.to(device),
            self.code,
            self.expression,
        )


def make_targets(expression: Expression, units: Units, depth: bool) -> tuple[Tensor, Tensor]:
    """Targets (S, G') and their mask (G',), see :class:`TrainingSlide`."""
    values = expression.in_units(units)
    measured = expression.measured.astype(np.float32)
    if depth:
        values = np.column_stack([values, np.log1p(expression.total)]).astype(np.float32)
        measured = np.append(measured, np.float32(1))
    return torch.from_numpy(np.ascontiguousarray(values)), torch.from_numpy(measured)


def column_statistics(slides: list[TrainingSlide]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, sd and number of the rows in which each column was measured, (G',) each; 0 and 1 where it never was."""
    count = sum(slide.measured.numpy() * len(slide.targets) for slide in slides)
    total = sum((slide.targets.double() * slide.measured).sum(0).numpy() for slide in slides)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    squares = sum(((slide.targets.double().numpy() - mean) ** 2 * slide.measured.numpy()).sum(0) for slide in slides)
    sd = np.sqrt(np.divide(squares, count, out=np.ones_like(total), where=count > 0))
    return mean.astype(np.float32), sd.astype(np.float32), np.asarray(count)


def seed_step(seed: int, *key: object) -> None:
    """Seed torch from the run's seed and a key such as (stage, epoch, slide).

    A step's noise then depends on nothing that came before it: a run that was killed and started again goes on as if it had not been.
    """
    digest = hashlib.sha256("/".join(map(str, (seed, *key))).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "little") >> 1)

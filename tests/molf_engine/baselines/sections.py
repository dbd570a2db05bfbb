"""Small sections whose expression is known, for the rivals that see whole sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from molf_engine.baselines import RivalSlide

GENES = tuple("ABCDEF")
NEVER = GENES.index("E")


def section(number: int, spots: int = 40) -> RivalSlide:
    """Expression linear in the first features; gene C is missing in the second section, gene E in all."""
    rng = np.random.default_rng(number)
    features = rng.normal(size=(spots, 5)).astype(np.float32)
    weights = np.random.default_rng(99).normal(size=(2, len(GENES)))
    targets = np.maximum(2 + features[:, :2] @ weights * 0.5 + 0.1 * rng.normal(size=(spots, len(GENES))), 0)
    measured = np.ones(len(GENES), dtype=bool)
    measured[NEVER] = False
    measured[2] = number != 1
    return RivalSlide(
        f"S{number}",
        features,
        rng.uniform(0, 1500, size=(spots, 2)),
        np.where(measured, targets, np.nan).astype(np.float32),
        measured,
        8 + 0.5 * features[:, 0] + 0.05 * rng.normal(size=spots),
        organ="Breast" if number % 2 else "Lung",
        technology="Visium",
    )


def sections(count: int = 3) -> list[RivalSlide]:
    return [section(number, 30 + 5 * number) for number in range(count)]


def moved(slide: RivalSlide, turn: np.ndarray, shift: tuple[float, float]) -> RivalSlide:
    return replace(slide, positions_um=slide.positions_um @ turn.T + shift)


def reordered(slide: RivalSlide, order: np.ndarray) -> RivalSlide:
    rows = {name: getattr(slide, name)[order] for name in ("features", "positions_um", "targets", "log_total")}
    return replace(slide, **rows)


class FromDisk(Sequence):
    """Makes each section as it is asked for, and counts how many are alive at once."""

    def __init__(self, count: int) -> None:
        self.count, self.alive, self.most_alive = count, 0, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError(index)
        import weakref

        made = section(index, 30 + 5 * index)
        self.alive += 1
        self.most_alive = max(self.most_alive, self.alive)
        weakref.finalize(made, self._gone)
        return made

    def _gone(self) -> None:
        self.alive -= 1

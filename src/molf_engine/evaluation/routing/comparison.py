"""Two models on the same spots: which expert of one is which of the other, and how much of the routing stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molf_engine.errors import DataError
from molf_engine.evaluation.routing.observe import RoutedSection


@dataclass(frozen=True)
class Comparison:
    """How the routing of two models compares on ``spots`` spots that both have seen."""

    counts: np.ndarray
    """``(E, F)`` spots whose first expert is the row in the first model and the column in the second."""
    matched: tuple[tuple[int, int], ...]
    """Pairs of experts that share the most spots; some may have no partner."""
    spots: int

    @property
    def agreement(self) -> float:
        """Share of spots whose first experts are partners."""
        return sum(int(self.counts[pair]) for pair in self.matched) / self.spots

    @property
    def by_chance(self) -> float:
        """Agreement, with the same partners, if the two models chose independently of each other with these shares."""
        rows, columns = self.counts.sum(axis=1) / self.spots, self.counts.sum(axis=0) / self.spots
        return float(sum(rows[row] * columns[column] for row, column in self.matched))

    @property
    def kappa(self) -> float:
        """Cohen's kappa: agreement beyond chance, 1 for the same routing, about 0 for none; NaN if chance alone would agree."""
        chance = self.by_chance
        return (self.agreement - chance) / (1 - chance) if chance < 1 else float("nan")


def match_experts(first: np.ndarray, second: np.ndarray, shape: tuple[int, int]) -> Comparison:
    """Pair the experts so that as many spots as can be agree (Hungarian method).

    Parameters
    ----------
    first, second : ndarray
        (S,) first expert of each spot in either model.
    shape : tuple of int
        Number of experts in either.

    Raises
    ------
    DataError
        If there is no spot.
    """
    from scipy.optimize import linear_sum_assignment

    if not len(first):
        raise DataError("The two models have no spot in common: nothing can be compared.")
    counts = np.zeros(shape, dtype=np.int64)
    np.add.at(counts, (first, second), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    # Experts that share no spot are paired by chance: that is no partnership.
    return Comparison(counts, tuple(pair for pair in pairs if counts[pair]), len(first))


def compare(one: Sequence[RoutedSection], other: Sequence[RoutedSection]) -> Comparison:
    """Match the experts of two models over the spots that both have, found by their place on the slide.

    Raises
    ------
    DataError
        If a section is missing in one, or no spot is common.
    """
    partners = {section.id: section for section in other}
    pairs = []
    for section in one:
        if section.id not in partners:
            raise DataError(f"{section.id} was routed by one model only. Give both the same sections.")
        partner = partners[section.id]
        mine, theirs = common_rows(section.centres, partner.centres)
        pairs.append((section.chosen[mine, 0], partner.chosen[theirs, 0]))
    first, second = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return match_experts(first, second, (one[0].require_logits().shape[1], other[0].require_logits().shape[1]))


def common_rows(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the points (P, 2) and (Q, 2) that are the same points, in matching order; of repeated points the first."""
    # As complex numbers: one value per point, and exact.
    first, second = (points[:, 0] + 1j * points[:, 1] for points in (one, other))
    _, mine, theirs = np.intersect1d(first, second, return_indices=True)
    return mine, theirs

"""Do cancer types use the experts differently?  A permutation test on patients, and the share of variance that type explains."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.routing.divergence import distance_matrix
from molf_engine.evaluation.routing.usage import SectionUse

PERMUTATIONS = 9_999


@dataclass(frozen=True)
class TypeTest:
    """Answer of :func:`compare_types`; the figures are NaN where ``reason`` says why nothing can be said."""

    types: tuple[str, ...]
    units: int
    """Patients (or sections whose patient is not known), each with the mean of its sections."""
    distance: float
    """Mean Jensen-Shannon distance between the types' mean use."""
    distance_by_chance: float
    """Its mean over permuted labels: types differ by chance alone."""
    p: float
    smallest_p: float
    """The smallest p that a test of so few patients can give."""
    explained: float
    """Share of the variance of the patients' use that type explains."""
    explained_by_chance: float
    """Its mean over permuted labels."""
    permutations: int
    reason: str = ""


def compare_types(uses: Sequence[SectionUse], seed: int = 0, permutations: int = PERMUTATIONS) -> TypeTest:
    """Permute the patients' types, and count how often the types' mean use is as far apart as it is.

    The statistic is the mean Jensen-Shannon distance between every two types.  Sections of one patient are no independent
    witnesses: they are averaged first.  Sections of unknown type are left out.

    Parameters
    ----------
    uses : sequence of SectionUse
        One per section.
    seed : int
        Of the permutations.
    permutations : int
        Random ones, beside the labels as they are.
    """
    labels, shares = _patients([use for use in uses if use.type != UNKNOWN])
    types = tuple(sorted(set(labels)))
    if reason := _reason(labels, types):
        nan = float("nan")
        return TypeTest(types, len(labels), nan, nan, nan, nan, nan, nan, 0, reason)
    members = np.array([[label == name for label in labels] for name in types])
    generator = np.random.default_rng(seed)
    least = max(1 / (1 + permutations), smallest_p(list(Counter(labels).values())))
    distance, explained = _mean_distance(members, shares), explained_variance(members, shares)
    by_chance = np.empty((permutations, 2))
    for row in by_chance:
        permuted = members[:, generator.permutation(len(labels))]
        row[:] = _mean_distance(permuted, shares), explained_variance(permuted, shares)
    # Rounding must not make the observed labels, or their mirror images, less extreme than themselves.
    as_far = int((by_chance[:, 0] >= distance - 1e-12).sum())
    return TypeTest(
        types=types,
        units=len(labels),
        distance=distance,
        distance_by_chance=float(by_chance[:, 0].mean()),
        # Random permutations may by luck miss those that are as good as the labels themselves.
        p=max((1 + as_far) / (1 + permutations), least),
        smallest_p=least,
        explained=explained,
        explained_by_chance=float(by_chance[:, 1].mean()),
        permutations=permutations,
    )


def explained_variance(members: np.ndarray, shares: np.ndarray) -> float:
    """Between-type sum of squares over the total one; NaN if all rows are equal.

    Parameters
    ----------
    members : ndarray
        (T, N) bool, who belongs to which type.
    shares : ndarray
        (N, E).
    """
    centre = shares.mean(axis=0)
    total = float(np.square(shares - centre).sum())
    between = float((members.sum(axis=1) * np.square(_means(members, shares) - centre).sum(axis=1)).sum())
    return between / total if total > 0 else float("nan")


def smallest_p(sizes: Sequence[int]) -> float:
    """Share of the ways to label that cannot be told from the best one: types of equal size can swap their names."""
    ways = math.factorial(sum(sizes)) // math.prod(math.factorial(size) for size in sizes)
    return math.prod(math.factorial(count) for count in Counter(sizes).values()) / ways


def _patients(uses: Sequence[SectionUse]) -> tuple[list[str], np.ndarray]:
    """Type and mean use of each patient, ``(N, E)``; one with sections of two types counts once for each."""
    groups: dict[tuple[str, str], list[np.ndarray]] = {}
    for use in uses:
        groups.setdefault((use.type, use.patient), []).append(use.shares)
    return [name for name, _ in groups], np.array([np.mean(shares, axis=0) for shares in groups.values()])


def _reason(labels: Sequence[str], types: Sequence[str]) -> str:
    """Why the question cannot be answered; empty if it can."""
    if len(types) < 2:
        return f"all sections are of one cancer type ({types[0]})" if types else "no section has a known cancer type"
    if max(Counter(labels).values()) < 2:
        return "no cancer type has more than one patient, so differences between types cannot be told from those between patients"
    return ""


def _means(members: np.ndarray, shares: np.ndarray) -> np.ndarray:
    means: np.ndarray = members @ shares / members.sum(axis=1, keepdims=True)
    return means


def _mean_distance(members: np.ndarray, shares: np.ndarray) -> float:
    matrix = distance_matrix(_means(members, shares))
    return float(matrix[np.triu_indices(len(matrix), 1)].mean())

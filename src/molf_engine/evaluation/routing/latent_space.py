"""The latent space as a picture (paper, Figure 5) and as a number: who has whom for a neighbour."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from molf_engine.data.sections import UNKNOWN
from molf_engine.evaluation.routing.observe import RoutedSection

PER_TYPE = 1_500
NEIGHBOURS = 15
MIN_DISTANCE = 0.1
UMAP_REMEDY = 'pip install "napari-molf[umap]"'


@dataclass(frozen=True)
class LatentSample:
    """Spots of all sections, at most so many of each cancer type (``N`` spots)."""

    measured: np.ndarray
    """``(N, L)`` means of the VAE's latents of what was measured."""
    predicted: np.ndarray
    """``(N, L)`` end latents that the flow predicts."""
    types: np.ndarray
    sections: np.ndarray
    patients: np.ndarray
    """``(N,)`` names."""
    experts: np.ndarray | None
    """``(N,)`` number of the first expert; none without experts."""

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.types)


@dataclass(frozen=True)
class Embedding:
    """Points in a plane: ``(N, 2)`` and how they were found, `UMAP` or `PCA`."""

    points: np.ndarray
    method: str


@dataclass(frozen=True)
class Purity:
    """How many of a spot's nearest neighbours share its label, mean over spots, and by chance."""

    label: str
    space: str
    neighbours: str
    """``all``, or ``other sections``: a section's own spots look alike whatever their label."""
    spots: int
    purity: float
    chance: float


def sample_latents(routed: Sequence[RoutedSection], per_type: int = PER_TYPE, seed: int = 0) -> LatentSample:
    """At most ``per_type`` spots of each type, its sections sharing the room as evenly as they can.

    The order is that of the sections: labels and latents come from one index, so they cannot be mismatched.
    """
    generator = np.random.default_rng(seed)
    picked: list[np.ndarray] = [np.empty(0, dtype=int)] * len(routed)
    for name in sorted({section.type for section in routed}):
        members = [place for place, section in enumerate(routed) if section.type == name]
        room = fair_shares([len(routed[place].rows) for place in members], per_type)
        for place, count in zip(members, room, strict=True):
            picked[place] = np.sort(generator.choice(len(routed[place].rows), count, replace=False))
    counts = [len(rows) for rows in picked]
    moe = all(section.logits is not None for section in routed)
    pairs = list(zip(routed, picked, strict=True))
    return LatentSample(
        np.concatenate([section.measured[rows] for section, rows in pairs]),
        np.concatenate([section.predicted[rows] for section, rows in pairs]),
        np.repeat([section.type for section in routed], counts),
        np.repeat([section.id for section in routed], counts),
        np.repeat([section.patient for section in routed], counts),
        np.concatenate([section.chosen[section.rows[rows], 0] for section, rows in pairs]) if moe else None,
    )


def fair_shares(sizes: Sequence[int], room: int) -> list[int]:
    """Fill ``room`` places from groups of these sizes, as evenly as they allow; fewer if all together are fewer."""
    shares, left = [0] * len(sizes), room
    for rank, place in enumerate(sorted(range(len(sizes)), key=lambda group: sizes[group])):
        shares[place] = min(sizes[place], left // (len(sizes) - rank))
        left -= shares[place]
    return shares


@dataclass(frozen=True)
class Plane:
    """A plane in the latent space: what it passes through (L,), its two directions (2, L), and its share of the variance."""

    centre: np.ndarray
    axes: np.ndarray
    share: float

    def project(self, latents: np.ndarray) -> np.ndarray:
        """Coordinates in the plane, (..., L) -> (..., 2)."""
        points: np.ndarray = (latents - self.centre) @ self.axes.T
        return points


def has_umap() -> bool:
    """Whether umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def embed(latents: np.ndarray, seed: int = 0, umap: bool | None = None) -> Embedding:
    """Two dimensions: UMAP (15 neighbours, least distance 0.1, cosine) as in the paper, or the first two principal components.

    Parameters
    ----------
    latents : ndarray
        (N, L).
    seed : int
        Of UMAP.
    umap : bool, optional
        Whether to use UMAP; if it is installed, and there are more spots than neighbours, unless it is said.
    """
    if umap is None:
        umap = has_umap() and len(latents) > NEIGHBOURS + 1
    if not umap:
        return Embedding(principal_plane(latents).project(latents), "PCA")
    import warnings

    with warnings.catch_warnings():
        # It says that a seed makes it run on one thread, which is what a seed is given for.
        warnings.filterwarnings("ignore", message="n_jobs value")
        umap_learn = importlib.import_module("umap")
        reducer = umap_learn.UMAP(
            n_neighbors=NEIGHBOURS, min_dist=MIN_DISTANCE, metric="cosine", random_state=seed, n_jobs=1
        )
        return Embedding(np.asarray(reducer.fit_transform(latents), dtype=np.float64), "UMAP")


def principal_plane(latents: np.ndarray) -> Plane:
    """Plane of the first two principal components of (N, L); the largest entry of each is positive, so that it is one plane."""
    centre = latents.mean(axis=0, dtype=np.float64)
    _, spread, axes = np.linalg.svd(latents - centre, full_matrices=False)
    axes = axes[:2]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    total = float(np.square(spread).sum())
    share = float(np.square(spread[:2]).sum()) / total if total > 0 else float("nan")
    return Plane(centre, axes * np.sign(largest), share)


def neighbour_purity(sample: LatentSample, neighbours: int = NEIGHBOURS) -> list[Purity]:
    """Share of each spot's nearest neighbours (cosine) with its label, for type and first expert, beside chance.

    Chance is the share of all spots that could be neighbours and have the label.  Without a second section of its type a spot has
    no neighbour of its type in other sections, and is left out there.
    """
    labels: list[tuple[str, np.ndarray]] = []
    if len({name for name in sample.types if name != UNKNOWN}) > 1:
        labels.append(("type", sample.types))
    if sample.experts is not None:
        labels.append(("first expert", sample.experts))
    found = []
    for space, latents in (("measured", sample.measured), ("predicted", sample.predicted)):
        for apart in (False, True):
            if apart and len(set(sample.sections)) < 2:
                continue
            nearest = _nearest(latents, sample.sections if apart else None, neighbours)
            for label, values in labels:
                purity, chance, spots = _purity(nearest, values, sample.sections if apart else None)
                found.append(Purity(label, space, "other sections" if apart else "all", spots, purity, chance))
    return found


def _nearest(latents: np.ndarray, sections: np.ndarray | None, count: int) -> np.ndarray:
    """Rows of the nearest others by cosine, ``(N, K)``; with ``sections``, those of other sections only."""
    from sklearn.neighbors import NearestNeighbors

    if sections is None:
        count = min(count, len(latents) - 1)
        index = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(latents)
        # Asked without points it leaves each point out of its own neighbours.
        return np.asarray(index.kneighbors(return_distance=False))
    names = sorted(set(sections))
    count = min(count, *(int((sections != name).sum()) for name in names))
    nearest = np.empty((len(latents), count), dtype=int)
    for name in names:
        own, others = np.flatnonzero(sections == name), np.flatnonzero(sections != name)
        index = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(latents[others])
        nearest[own] = others[index.kneighbors(latents[own], return_distance=False)]
    return nearest


def _purity(nearest: np.ndarray, labels: np.ndarray, sections: np.ndarray | None) -> tuple[float, float, int]:
    """Mean purity, mean chance, and how many spots have a possible neighbour with their label."""
    same = (labels[nearest] == labels[:, None]).mean(axis=1) if nearest.size else np.zeros(len(labels))
    chance = np.empty(len(labels))
    for label in set(labels):
        alike = labels == label
        if sections is None:
            chance[alike] = (alike.sum() - 1) / (len(labels) - 1)
            continue
        for name in set(sections[alike]):
            elsewhere = sections != name
            chance[alike & ~elsewhere] = (alike & elsewhere).sum() / elsewhere.sum()
    possible = chance > 0
    if not possible.any():
        return float("nan"), float("nan"), 0
    return float(same[possible].mean()), float(chance[possible].mean()), int(possible.sum())

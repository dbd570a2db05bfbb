"""Paths from noise to the end latent under the learned flow (paper, Figures 3 and 4), and how straight they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.bundle import Bundle
from molf_engine.bundle.latents import Branches
from molf_engine.data.sections import UNKNOWN, Section
from molf_engine.data.spots import SpotSource, Symbols
from molf_engine.evaluation.routing.latent_space import Plane, principal_plane
from molf_engine.evaluation.routing.observe import code_for
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from torch import Tensor

    from molf_engine.flow.solver import VelocityFunction

STEPS = 32
SECTIONS = 6
SHOWN = 100
"""Paths of a section that are drawn."""


@dataclass(frozen=True)
class SectionPaths:
    """Paths of one section's spots on the conditional branch, unguided (``P`` spots, of which ``Q`` are drawn)."""

    section: str
    type: str
    steps: int
    paths: np.ndarray
    """``(Q, steps + 1, L)`` float32, from noise to the end."""
    one_step: np.ndarray
    """``(Q, L)`` float32, where one step from the same noise ends."""
    experts: np.ndarray | None
    """``(Q,)`` first expert at t = 0, z0 = 0; none without experts."""
    straightness: np.ndarray
    """``(P,)`` length of the path over its chord: 1 is straight."""
    one_step_error: np.ndarray
    """``(P,)`` distance between the ends of one step and of many, over the chord: 0 if one step is enough."""


def choose_sections(sections: Sequence[Section], most: int = SECTIONS) -> list[Section]:
    """Pick the first section of each cancer type, types in order of name; sections of unknown type only if there is no other."""
    firsts: dict[str, Section] = {}
    for section in sections:
        firsts.setdefault(section.code, section)
    if len(firsts) > 1:
        firsts.pop(UNKNOWN, None)
    return [firsts[name] for name in sorted(firsts)][:most]


def follow(
    bundle: Bundle,
    source: SpotSource,
    sections: Sequence[Section],
    *,
    steps: int = STEPS,
    shown: int = SHOWN,
    seed: int = 0,
    symbols: Symbols | None = None,
    progress: ProgressCallback = silent,
) -> list[SectionPaths]:
    """Follow every spot of some sections from noise, in one step and in many.

    Parameters
    ----------
    bundle : Bundle
        With or without experts.
    source : SpotSource
        Of its encoder's features.
    sections : sequence of Section
        Few: their paths are kept.
    steps : int
        Of Euler's method.
    shown : int
        Paths that are kept of each section.
    seed : int
        Of the noise, and of the choice of paths.
    symbols, progress
        See :func:`molf_engine.evaluation.routing.observe.observe`.
    """
    import torch

    from molf_engine.flow.solver import keyed_noise

    field, genes = bundle.velocity(), tuple(bundle.genes.index)
    results = []
    for place, section in enumerate(sections):
        progress(Progress("Following paths", place, len(sections), "sections"))
        spots = source.read(section, genes, bundle.config.min_counts, symbols, progress)
        code = bundle.code_index(code_for(bundle, section))
        branches = Branches(field, spots.features, spots.positions_um, code)
        count = len(spots.features)
        rows = np.sort(np.random.default_rng(seed).choice(count, min(shown, count), replace=False))
        start = keyed_noise(seed, range(count), field.latent).to(branches.device)

        def velocity(z: Tensor, t: float, branches: Branches = branches) -> Tensor:
            return field(z, t, branches.conditional).value

        with torch.inference_mode():
            routing = field(torch.zeros_like(start), 0.0, branches.conditional).routing
            experts = None if routing is None else routing.chosen[:, 0].cpu().numpy()[rows]
            results.append(trace_section(section, velocity, start, rows, steps, experts))
    return results


def trace_section(
    section: Section,
    velocity: VelocityFunction,
    start: Tensor,
    rows: np.ndarray,
    steps: int,
    experts: np.ndarray | None,
) -> SectionPaths:
    """Follow a velocity in one step and in many, and measure the paths.

    Parameters
    ----------
    section : Section
        Whose spots these are.
    velocity : callable
        (z (P, L), t) -> (P, L).
    start : Tensor
        (P, L).
    rows : ndarray
        (Q,) paths that are kept.
    steps : int
        Of Euler's method.
    experts : ndarray, optional
        (Q,) first expert of the paths that are kept.
    """
    from molf_engine.flow.solver import euler

    trace = _Trace(start, rows)
    one = euler(velocity, start, 1).cpu().numpy()
    many = euler(velocity, start, steps, trace).cpu().numpy()
    chord = np.linalg.norm(many - start.cpu().numpy(), axis=1)

    def over_chord(length: np.ndarray) -> np.ndarray:
        return np.divide(length, chord, out=np.full(len(chord), np.nan), where=chord > 0)

    return SectionPaths(
        section.id,
        section.code,
        steps,
        np.stack(trace.points, axis=1),
        one[rows],
        experts,
        over_chord(trace.length),
        over_chord(np.linalg.norm(one - many, axis=1)),
    )


class _Trace:
    """Points of some paths, and the length of all."""

    def __init__(self, start: Tensor, rows: np.ndarray) -> None:
        self._before, self._rows = start, rows
        self.length = np.zeros(len(start))
        self.points = [start.cpu().numpy()[rows]]

    def __call__(self, step: int, z: Tensor) -> None:
        self.length += (z - self._before).norm(dim=1).cpu().numpy()
        self._before = z
        self.points.append(z.cpu().numpy()[self._rows])


def plane_of_ends(paths: Sequence[SectionPaths]) -> Plane:
    """First two principal components of where many steps end, each section with the same number of paths at most."""
    return principal_plane(np.concatenate([found.paths[:, -1] for found in paths]))

"""The patches that each expert is surest of (paper, Figure 8), cut from the slides."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from molf_engine.data.sections import open_section
from molf_engine.errors import MolfError
from molf_engine.evaluation.routing.observe import RoutedSection
from molf_engine.evaluation.routing.ranking import surest
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.slides import read_patch

logger = logging.getLogger(__name__)

COUNT = 36
PER_SECTION = 4
SIZE_PX = 112


@dataclass(frozen=True)
class Exemplar:
    """A patch with a high gate logit of one expert."""

    expert: int
    section: str
    type: str
    centre: tuple[float, float]
    """x and y in level-0 pixels."""
    logit: float
    used: bool
    """Whether the expert is among the patch's top k, not only sure of it."""


@dataclass(frozen=True)
class Images:
    """Pixels of exemplars by section and centre, and why some could not be read."""

    pixels: dict[tuple[str, tuple[float, float]], np.ndarray]
    """``(SIZE_PX, SIZE_PX, 3)`` uint8."""
    missing: dict[str, str]
    """Section to reason."""

    def of(self, exemplar: Exemplar) -> np.ndarray | None:
        """Pixels of an exemplar; none where its slide cannot be read."""
        return self.pixels.get((exemplar.section, exemplar.centre))


def section_limit(sections: int, count: int = COUNT) -> int:
    """Patches that one section may give to a montage: 4, or as many as it takes where sections are few."""
    return max(PER_SECTION, math.ceil(count / sections))


def exemplars(
    routed: Sequence[RoutedSection], expert: int, *, count: int = COUNT, per_section: int | None = None
) -> list[Exemplar]:
    """Patches with the highest gate logit of an expert, best first.

    Parameters
    ----------
    routed : sequence of RoutedSection
        Of a model with experts.
    expert : int
        Its number.
    count : int
        At most so many.
    per_section : int, optional
        At most so many of one section, so that one slide does not fill the page; none: no limit, as in the paper.
    """
    found = []
    for section in routed:
        logits = section.require_logits()[:, expert]
        rows = surest(logits, count if per_section is None else per_section)
        used = (section.chosen[rows] == expert).any(axis=1)
        for row, uses in zip(rows.tolist(), used.tolist(), strict=True):
            x, y = section.centres[row].tolist()
            found.append(Exemplar(expert, section.id, section.type, (x, y), float(logits[row]), uses))
    return sorted(found, key=lambda exemplar: -exemplar.logit)[:count]


def read_images(
    routed: Sequence[RoutedSection],
    wanted: Sequence[Exemplar],
    size_um: float,
    progress: ProgressCallback = silent,
) -> Images:
    """Cut exemplars from their slides, each slide opened once; a slide that is gone or damaged leaves gaps and a reason."""
    sections = {section.id: section.section for section in routed}
    names = sorted({exemplar.section for exemplar in wanted})
    pixels, missing = {}, {}
    for place, name in enumerate(names):
        progress(Progress("Cutting patches", place, len(names), "sections"))
        section = sections[name]
        if not section.slide_path.exists():
            missing[name] = f"its slide {section.slide_path} is not there"
            continue
        centres = {exemplar.centre for exemplar in wanted if exemplar.section == name}
        try:
            with closing(open_section(section)) as slide:
                for centre in sorted(centres):
                    pixels[name, centre] = read_patch(slide, centre, size_um, SIZE_PX)
        except MolfError as error:
            missing[name] = str(error)
            logger.warning("%s: its patches cannot be shown: %s", name, error)
    return Images(pixels, missing)

"""What is read and computed beside the window's thread: measured spots, the same on a run's panel, and how the two agree.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_molf.core.run import Run
from napari_molf.core.scores import Score

if TYPE_CHECKING:
    from molf_engine.data.expression import Expression
    from molf_engine.data.measured import MeasuredSpots
    from molf_engine.evaluation.at_spots import Agreement, SpotMatch, Statistics
    from molf_engine.prediction import Guided


@dataclass(frozen=True)
class Place:
    """The slide that spots are to lie on.

    Attributes
    ----------
    path
        Its file.
    size
        (width, height), level-0 pixels.
    um_per_pixel
        At level 0; none if nobody has said.
    """

    path: Path
    size: tuple[int, int]
    um_per_pixel: float | None


@dataclass(frozen=True, eq=False)
class Opened:
    """Measured spots of a slide, and what is odd about them."""

    spots: MeasuredSpots
    place: Place
    notes: tuple[str, ...]

    def on_image(self) -> tuple[NDArray[np.floating], tuple[str, ...]]:
        """(P, 2) centres x, y and names of the spots that lie on the image: only there can be predicted."""
        positions, names = self.spots.positions, self.spots.names
        inside = np.flatnonzero(np.all((positions >= 0) & (positions < self.place.size), axis=1))
        return positions[inside], tuple(names[place] for place in inside)


def open_spots(path: Path, positions: Path | None, place: Place) -> Opened:
    """Read measured spots and check that they lie on a slide.

    Raises
    ------
    MolfError
        If they cannot be read, or belong to another slide.
    """
    from molf_engine.data.measured import notes_on_slide, read_measured

    spots = read_measured(path, positions)
    return Opened(spots, place, notes_on_slide(spots, place.size, place.um_per_pixel, place.path.name))


class OnPanel:
    """Measured spots on the panel of a run, each matched with the patch it lies in.

    Parameters
    ----------
    run
        The prediction.
    opened
        What was measured.

    Raises
    ------
    MolfError
        If nothing of the panel was measured.
    """

    def __init__(self, run: Run, opened: Opened) -> None:
        from molf_engine.evaluation.at_spots import match_spots

        self.run = run
        self.spots = opened.spots
        self.role, self.seen = _known(run, opened.spots)
        min_counts = run.bundle.config.min_counts if run.bundle is not None else 0.0
        # As training reads them, so that the correlations are those of `molf-engine evaluate`.
        self.expression: Expression = opened.spots.on_panel(tuple(run.scores.genes), min_counts)
        patch_px = float(run.scores.adata.uns["molf"]["patch_px"])
        self.match: SpotMatch = match_spots(self.expression.positions, self._centres, patch_px)

    def values(self, score: Score, units: str) -> NDArray[np.floating] | None:
        """(S,) what was measured of a score; none if it was not."""
        from molf_engine.evaluation.at_spots import measured_values

        return measured_values(self.expression, score.kind, score.name, units, self._statistics)

    def agreement(self, guidance: float) -> Agreement:
        """Correlations of every gene and Hallmark set at a guidance scale."""
        from molf_engine.evaluation.at_spots import PatchValues, agreement

        adata = self.run.scores.adata
        if self._guided is not None:
            values, total, units = (
                self._guided.expression(guidance),
                self._guided.total(guidance),
                self._guided.units,
            )
        else:
            values, total = np.asarray(adata.X), adata.obs["total"].to_numpy(np.float32)
            units = str(adata.uns["molf"]["units"])
        size = float(adata.uns["molf"]["patch_px"])
        return agreement(self.expression, PatchValues(values, units, total, self._centres, size), self._statistics)

    @property
    def _centres(self) -> NDArray[np.floating]:
        return np.asarray(self.run.scores.adata.obsm["spatial"], np.float64)

    @cached_property
    def _guided(self) -> Guided | None:
        from molf_engine.prediction import Guided

        return None if self.run.bundle is None else Guided(self.run.scores.adata, self.run.bundle)

    @cached_property
    def _statistics(self) -> Statistics | None:
        from molf_engine.evaluation.at_spots import Statistics
        from molf_engine.genes.units import UNITS

        bundle = self.run.bundle
        if bundle is None:
            return None
        rivals = bundle.rivals()
        depth = {units: rivals[f"depth.{units}"].tensors()["slopes"] for units in UNITS if f"depth.{units}" in rivals}
        return Statistics(bundle.genes, depth)


def _known(run: Run, spots: MeasuredSpots) -> tuple[str, bool]:
    """What the section was to the model (``training``, ``validation``, ``test``, ``new``), and whether its patient was seen."""
    from molf_engine.evaluation.scoring import role_of

    if run.bundle is None:
        return "new", False
    roles = {role_of(run.bundle, name) for name in (spots.id, run.slide_name, run.slide_path.stem)}
    role = next((role for role in ("training", "validation", "test") if role in roles), "new")
    return role, spots.section.patient in {patient.id for patient in run.bundle.config.patients}

"""What is exported of what is on show: the prediction, its scores, the look of the map, the part in view.  No Qt."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.export.shown import ENTROPY, Given, ScoreName, Shown
from napari_molf.core.compat import camera, canvas_size
from napari_molf.core.load import local_load

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from molf_engine.export import Format
    from molf_engine.export.figure import Look
    from molf_engine.export.shown import Box
    from napari_molf.core.layers import Role
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Score

_COLOURS = 64


@dataclass(frozen=True)
class OnShow:
    """What the map shows.

    Attributes
    ----------
    run
        The prediction.
    score
        The gene or Hallmark that is chosen.
    guidance, relative
        As the sliders and buttons say.
    role
        Which map is visible: that of the score, or one of the experts.
    expert
        Whose weight or load is visible, if one is; counted from 0.
    difference
        Name and values of the difference that the map shows in place of the score.
    """

    run: Run
    score: Score | None
    guidance: float
    relative: bool
    role: Role = "score"
    expert: int = 0
    difference: tuple[str, Given] | None = None

    def shown(self) -> Shown:
        """The prediction for the engine to write; slow the first time its values are asked for.

        Raises
        ------
        MolfError
            If its guidance was moved and its model is not at hand.
        """
        run = self.run
        # A model that is not at hand leaves the guidance where the file has it.
        guidance = self.guidance if run.scores.can_guide else None
        given = {} if self.difference is None else dict([self.difference])
        if self.role == "load":
            load = local_load(run.patches, run.scores.used[:, self.expert])
            given[self._load] = Given(load, "share of the patches around")
        return Shown(run.scores.adata, run.bundle, guidance, self.relative, run.expert_names, given)

    @property
    def visible(self) -> ScoreName | None:
        """What is to be seen; none for the map of the top experts."""
        if self.role == "expert":
            return None
        if self.role == "entropy":
            return ENTROPY
        if self.role == "weight":
            return ScoreName("weight", str(self.run.scores.adata.uns["molf"]["expert_names"][self.expert]))
        if self.role == "load":
            return ScoreName("given", self._load)
        if self.difference is not None:
            return ScoreName("given", self.difference[0])
        return None if self.score is None else named(self.score)

    @property
    def _load(self) -> str:
        return f"Load of {self.run.expert_names[self.expert]}"


def named(score: Score) -> ScoreName:
    """A score of the viewer as the engine names it."""
    return ScoreName(score.kind, score.name)


def suggested_name(on_show: OnShow, chosen: Format) -> str:
    """Name of a file that says what is in it: slide, what is seen where that is one thing, guidance where that was moved."""
    parts = [on_show.run.slide_name]
    if chosen.takes == "one":
        visible = on_show.visible
        parts.append("experts" if visible is None else visible.name)
    if on_show.run.scores.can_guide and on_show.guidance != on_show.run.scores.guidance:
        parts.append(f"w{on_show.guidance:.3g}")
    # What one system allows in a name, another may not.
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "-", " ".join(parts)) + chosen.suffix


def folder_for(run: Run, last: Path | None) -> Path:
    """Where a file dialog opens: where the last file went, else beside the file of the result, else at home."""
    for folder in (last, None if run.path is None else run.path.parent):
        if folder is not None and folder.is_dir():
            return folder
    return Path.home()


def look_of(layer: Layer | None, box: Box | None = None) -> Look:
    """Colours, limits and opacity of a map that is on show; the defaults if it was deleted."""
    from molf_engine.export.figure import Look

    if layer is None:
        return Look(box=box)
    view: Any = layer
    # Points carry their values' colours on their faces; a labels layer has none to choose.
    colours = getattr(view, "face_colormap", None) or getattr(view, "colormap", None)
    limits = getattr(view, "face_contrast_limits", None) or getattr(view, "contrast_limits", None)
    if limits is None or colours is None or not hasattr(colours, "map"):
        return Look(opacity=float(view.opacity), box=box)
    table = np.asarray(colours.map(np.linspace(0, 1, _COLOURS)))
    low, high = (float(value) for value in limits)
    return Look((low, high), tuple(map(tuple, table.tolist())), float(view.opacity), box)


def view_box(viewer: ViewerModel, run: Run, slide_layer: Layer | None) -> Box:
    """Part of the slide that is in view, level-0 pixels from its outer corner; of a turned slide, the box around it."""
    view = camera(viewer)
    height, width = canvas_size(viewer)
    centre = np.asarray(view.center)[-2:]
    half = np.array([height, width]) / (2 * float(view.zoom))
    corners = centre + half * np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)])
    if slide_layer is None:
        pixels = corners / run.patches.pixel_size
    else:
        pixels = np.array([slide_layer.world_to_data(tuple(corner))[-2:] for corner in corners])
    # To napari, whole numbers are the centres of pixels.
    (top, left), (bottom, right) = pixels.min(axis=0) + 0.5, pixels.max(axis=0) + 0.5
    return float(left), float(top), float(right), float(bottom)

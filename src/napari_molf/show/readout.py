"""What is under the pointer, in words.  The text is made without Qt; the label shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtWidgets import QLabel, QWidget

from napari_molf.core.maps import ordinal, percentile_of

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_molf.core.layers import ResultLayers
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Score
    from napari_molf.core.views import View
    from napari_molf.desk.presenter import Presenter

IDLE = "Move the pointer over the map to read it."


def position_on_slide(layers: ResultLayers, run: Run, world: tuple[float, ...]) -> tuple[float, float] | None:
    """World position as (y, x) on the slide, um, wherever the slide was moved to; none without a layer to measure by."""
    return layers.position(world)


def describe(run: Run, score: Score, values: np.ndarray, at: tuple[float, float], view: View | None = None) -> str:
    """``EPCAM 2.31 (97th percentile on this slide) · expert E4, 61 % · 8,412, 5,177 um`` for a position (y, x), um."""
    y, x = at
    place = f"{x:,.0f}, {y:,.0f} um"
    patch = run.patches.patch_at(y, x)
    if patch is None:
        return f"no prediction here · {place}"
    value = float(values[patch])
    name = score.name if view is None or view.minus is None else f"{view.subject}, guidance {view.scale},"
    if np.isnan(value):
        return f"{name} still to come · {place}"
    parts = [f"{name} {value:.2f} ({ordinal(percentile_of(values, value))} percentile on this slide)"]
    routing = run.scores.routing
    if routing.shape[1] > 1:
        top = int(run.scores.top_expert[patch])
        parts.append(f"expert {run.expert_names[top]}, {100 * routing[patch, top]:.0f} %")
    return " · ".join([*parts, place])


class Readout(QLabel):
    """Follows the pointer over the canvas.

    Parameters
    ----------
    viewer
        Whose pointer.
    presenter
        What is on the map.
    """

    def __init__(self, viewer: ViewerModel, presenter: Presenter, parent: QWidget | None = None) -> None:
        super().__init__(IDLE, parent)
        self._viewer = viewer
        self._presenter = presenter
        self.setWordWrap(True)
        self.setAccessibleName("Score under the pointer")
        # Room for three lines, so that the dock does not jump while the pointer moves.
        self.setMinimumHeight(self.fontMetrics().lineSpacing() * 3 + 6)
        self._at: tuple[float, ...] | None = None
        viewer.mouse_move_callbacks.append(self.on_move)

    def on_move(self, viewer: ViewerModel, event: object) -> None:
        """Read the map at the pointer."""
        self._at = tuple(viewer.cursor.position)
        self.read_again()

    def read_again(self, *_: object) -> None:
        """Read the map where the pointer was last: its values have changed."""
        run, layers = self._presenter.run, self._presenter.layers
        # The score of the values: another one may have been asked for, and not be decoded yet.
        view, values = self._presenter.view, self._presenter.values
        if self._at is None or run is None or layers is None or view is None or values is None:
            return
        at = position_on_slide(layers, run, self._at)
        self.setText(IDLE if at is None else describe(run, view.score, values, at, view))

    def clear_reading(self, *_: object) -> None:
        """Forget what was read: the map of another prediction is shown now."""
        self._at = None
        self.setText(IDLE)

    def stop(self) -> None:
        """Let go of the viewer."""
        if self.on_move in self._viewer.mouse_move_callbacks:
            self._viewer.mouse_move_callbacks.remove(self.on_move)

"""What is on the screen, read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.compat import camera
from napari_molf.core.drawing import limits_of
from napari_molf.core.view_state import ViewState

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_molf.desk.presenter import Presenter


def view_of(viewer: ViewerModel, presenter: Presenter) -> ViewState | None:
    """What is shown of the prediction on show, and where one looks; none if nothing is."""
    if presenter.score is None or presenter.layers is None:
        return None
    layer = presenter.layers.layer("score")
    view = camera(viewer)
    y, x = (float(v) for v in np.asarray(view.center)[-2:])
    return ViewState(
        presenter.score,
        float(presenter.guidance),
        presenter.relative,
        presenter.opacity,
        limits_of(layer) if layer is not None else None,
        presenter.routing,
        presenter.expert,
        (y, x),
        float(view.zoom),
    )


def look_at(viewer: ViewerModel, view: ViewState) -> None:
    """Look where a view looked."""
    if view.centre is not None and view.zoom:
        camera(viewer).center = view.centre
        camera(viewer).zoom = view.zoom

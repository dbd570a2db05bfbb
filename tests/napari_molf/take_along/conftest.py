"""A dock's worth of desk without a window, and a prediction on show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from napari.components import ViewerModel

from napari_molf.core.run import Run, map_of_result
from napari_molf.core.scores import Score, Scores
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.take_along.part import TakeAlongPart
from tests.napari_molf.fakes import prediction


def saved_run(**kwargs: object) -> Run:
    """A prediction whose model is not at hand, as one that came by mail."""
    adata = prediction(**kwargs)  # type: ignore[arg-type]
    slide = adata.uns["molf"]["slide"]
    return Run(map_of_result(adata), Scores(adata), None, "fake", slide["name"], Path(slide["path"]))


@pytest.fixture
def desk(model: ViewerModel, qtbot) -> Iterator[Desk]:
    presenter = Presenter(model)
    yield Desk(model, presenter)  # type: ignore[arg-type]
    presenter.stop()


@pytest.fixture
def part(desk: Desk, qtbot) -> Iterator[TakeAlongPart]:
    """The section, as wide as the dock may be at its narrowest, with HYPOXIA on the map."""
    part = TakeAlongPart(desk)
    qtbot.addWidget(part)
    part.resize(280, 500)
    part.show()
    desk.presenter.run_changed.connect(part.set_run)
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.add_run(saved_run(), None)
        desk.presenter.show(Score("hallmark", "HYPOXIA"))
    yield part
    part.stop()

"""A desk without a window, and a run on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from napari_molf.core.run import Run, read_run
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from tests.napari_molf.conftest import Tiny
from tests.napari_molf.fakes import fake_run


@pytest.fixture
def desk(qtbot, model) -> Iterator[Desk]:
    presenter = Presenter(model)
    yield Desk(model, presenter)
    presenter.stop()


@pytest.fixture
def run(desk: Desk) -> Run:
    """A made-up run on show."""
    run = fake_run()
    desk.presenter.add_run(run, None)
    return run


@pytest.fixture(scope="session")
def tiny_run(tiny: Tiny) -> Run:
    """A real prediction with its slide and its model."""
    return read_run(tiny.result, tiny.bundle)

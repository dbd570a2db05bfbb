"""A desk without a window, a prediction on it, and a child process whose messages a test decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from molf_engine.prediction.jobs import Done, DrawRequest
from molf_engine.progress import Progress
from napari_molf.core.run import Run
from napari_molf.core.scores import Score
from napari_molf.desk.desk import Desk
from napari_molf.desk.presenter import Presenter
from napari_molf.trust.part import TrustPart
from tests.napari_molf.fakes import GENES, fake_run

EPCAM = Score("gene", "EPCAM")


class FakeDecoder:
    """Spread that grows from patch to patch; by gene and scale it is so many times as large."""

    def __init__(self, patches: int, guidance: float, draws: int) -> None:
        self.draws = _Draws(guidance, draws)
        self._ramp = np.linspace(0, 1, patches, dtype=np.float32)

    def gene(self, symbol: str, *, relative: bool = False) -> np.ndarray:
        return self._ramp * (GENES.index(symbol) + 1) * (10 if relative else 1)

    def hallmark(self, name: str, *, relative: bool = False) -> np.ndarray:
        return self._ramp * 100


class _Draws:
    def __init__(self, guidance: float, count: int) -> None:
        self.guidance = guidance
        self._count = count

    def __len__(self) -> int:
        return self._count


class DrawJob:
    """Stands in for the child process that draws."""

    def __init__(self) -> None:
        self.request: DrawRequest | None = None
        self.waiting: list[object] = []
        self.closed = False

    def __call__(self, request: DrawRequest) -> DrawJob:
        self.request, self.closed = request, False
        return self

    def advance(self, done: int) -> None:
        assert self.request is not None
        self.waiting.append(Progress("Drawing", done, self.request.draws, "draws"))

    def finish(self) -> None:
        self.waiting.append(Done(Path("draws.npz")))

    def poll(self) -> list[object]:
        messages, self.waiting = self.waiting, []
        return messages

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> DrawJob:
    made = DrawJob()

    def opened(path: Path, run: Run) -> FakeDecoder:
        assert made.request is not None
        return FakeDecoder(len(run.patches), made.request.guidance, made.request.draws)

    monkeypatch.setattr("napari_molf.trust.drawing.open_draws", opened)
    return made


@pytest.fixture
def desk(model, qtbot) -> Iterator[Desk]:
    presenter = Presenter(model)
    made = Desk(model, presenter)
    yield made
    presenter.stop()


@pytest.fixture
def part(qtbot, desk: Desk, job: DrawJob) -> Iterator[TrustPart]:
    """The section, told of each run as the dock tells it."""
    made = TrustPart(desk, start=job)
    qtbot.addWidget(made)
    desk.presenter.run_changed.connect(made.set_run)
    made.show()
    yield made
    made.stop()


def run_on(slide: str, *, free: bool = False) -> Run:
    """A prediction with distances from training: the limit is 2, the slide's own shift takes 1 off."""
    run = fake_run(slide=slide, free=free)
    adata = run.scores.adata
    adata.obs["distance"] = np.linspace(1, 3, adata.n_obs, dtype=np.float32)
    adata.obs["own_distance"] = np.linspace(0, 2, adata.n_obs, dtype=np.float32)
    adata.uns["molf"].update(familiar_distance=2.0, slide_shift=1.2)
    return replace(run)


@pytest.fixture
def run(qtbot, desk: Desk, part: TrustPart) -> Run:
    """A prediction whose EPCAM is on the map."""
    made = run_on("slide.tif")
    desk.presenter.add_run(made, None)
    with qtbot.waitSignal(desk.presenter.shown):
        desk.presenter.show(EPCAM)
    return made

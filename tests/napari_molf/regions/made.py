"""A slide in memory with a prediction, and regions drawn on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from molf_engine.regions import Region
from napari_molf.core.run import Run
from napari_molf.core.scores import Scores
from napari_molf.core.slide_layer import slide_layer_data
from tests.napari_molf.fakes import ArraySlide, fake_run

ROWS, COLS, SIZE = 16, 20, 40
"""The grid of the prediction, and the side of its patches in pixels."""


def box(x0: float, x1: float, y0: float, y1: float) -> np.ndarray:
    """Corners x, y; in patches, so that a box of whole numbers holds whole patches."""
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], dtype=float) * SIZE


def region(name: str, *outline: float, classification: str = "") -> Region:
    return Region(name, ((box(*outline),),), classification)


def add_slide(model, name: str = "array", um_per_pixel: float | None = 0.5):
    """A white slide as a layer of a viewer."""
    image = np.full((ROWS * SIZE, COLS * SIZE, 3), 255, np.uint8)
    data, arguments, _ = slide_layer_data(ArraySlide([image], um_per_pixel, name))
    return model.add_image(data, **arguments)


class Waves:
    """Decodes every score as a wave of its own over the slide."""

    def __init__(self, positions: np.ndarray) -> None:
        self._x, self._y = positions.T / SIZE

    def gene(self, symbol: str, guidance: float, *, relative: bool = False) -> np.ndarray:
        turn, length = (sum(symbol.encode()) % prime for prime in (7, 5))
        return guidance * np.sin((self._x * np.cos(turn) + self._y * np.sin(turn)) / (2 + length)).astype(np.float32)

    hallmark = gene


def a_run(name: str = "array", **more: object) -> Run:
    """A prediction on that slide, where everything rises from top to bottom; its patch (0, 0) holds no tissue."""
    return fake_run(rows=ROWS, cols=COLS, slide=f"{name}.tif", **more)


def a_varied_run(name: str = "array") -> Run:
    """The same with scores that differ from each other."""
    run = a_run(name)
    return replace(run, scores=Scores(run.scores.adata, Waves(run.scores.adata.obsm["spatial"])))


def draw(layer, *outline: float) -> None:
    """Draw a box as a hand does: in world units."""
    world = (box(*outline)[:, ::-1] - 0.5) * 0.5
    layer.add_polygons([world])


def csv_rows(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]

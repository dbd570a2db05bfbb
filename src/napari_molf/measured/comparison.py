"""Measured spots against one run, as the score on the map changes; everything slow runs beside the window's thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal
from superqt.utils import qdebounced

from napari_molf.desk.background import Newest
from napari_molf.measured.reading import OnPanel, Opened

if TYPE_CHECKING:
    from molf_engine.evaluation.at_spots import Agreement
    from napari_molf.core.run import Run
    from napari_molf.desk.presenter import View

SETTLED_MS = 250
"""All genes are correlated again once the guidance slider has rested for so long."""


class Comparison(QObject):
    """What was measured of the score on the map, and how well all scores agree.

    Signals
    -------
    measured_changed()
        :attr:`measured` is that of the score on the map.
    agreed()
        :attr:`agreement` is known for the score on the map.
    failed(object, object)
        What was asked, and the exception.
    """

    measured_changed = Signal()
    agreed = Signal()
    failed = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._run: Run | None = None
        self._opened: Opened | None = None
        self._found: tuple[float, Agreement] | None = None
        self.on: OnPanel | None = None
        """The spots on the panel of the run, once they have been read."""
        self.view: View | None = None
        """What is on the map."""
        self.predicted: NDArray[np.floating] | None = None
        """(P,) values on the map."""
        self.measured: NDArray[np.floating] | None = None
        """(S,) values of the spots; none: this score was not measured."""
        self._reader, self._comparer = Newest(self), Newest(self)
        self._reader.done.connect(self._on_read)
        self._reader.failed.connect(self.failed)
        self._comparer.done.connect(self._on_compared)
        self._comparer.failed.connect(self.failed)
        self._settle = qdebounced(self._compare, timeout=SETTLED_MS)

    def begin(self, run: Run | None, opened: Opened | None) -> None:
        """Compare a run with measured spots of its slide; none of one: forget what was known."""
        if run is not self._run:
            self.view, self.predicted = None, None
        self._run, self._opened = run, opened
        self.on, self._found, self.measured = None, None, None
        self._reader.forget()
        self._comparer.forget()
        self._read()

    def follow(self, view: View, predicted: NDArray[np.floating]) -> None:
        """Take up the score that is on the map now, with its (P,) values."""
        self.view, self.predicted = view, predicted
        self._read()

    def pause(self) -> None:
        """What is on the map now is no score that could have been measured."""
        self.view, self.predicted, self.measured = None, None, None
        self._reader.forget()

    @property
    def units(self) -> str:
        """Scale of what is on the map."""
        run, view = self._run, self.view
        assert run is not None and view is not None
        return "log1p-cp10k" if run.scores.is_relative(view.score, view.relative) else "log1p"

    @property
    def agreement(self) -> Agreement | None:
        """How well all scores agree at the guidance scale on the map, if that is known yet."""
        if self._found is None or self.view is None or self._found[0] != self.view.guidance:
            return None
        return self._found[1]

    def pairs(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """(M,) predicted and measured values of the score on the map, of the spots that lie in a patch."""
        if self.on is None or self.predicted is None or self.measured is None:
            return np.empty(0), np.empty(0)
        match = self.on.match
        return self.predicted[match.patches], self.measured[match.spots]

    def stop(self) -> None:
        """Let threads end."""
        self._settle.cancel()
        self._reader.stop()
        self._comparer.stop()

    def _read(self) -> None:
        run, opened, view, on = self._run, self._opened, self.view, self.on
        if run is None or opened is None or view is None or view.run_id != run.id:
            return
        units = self.units

        def read() -> tuple[OnPanel, NDArray[np.floating] | None]:
            panel = on or OnPanel(run, opened)
            return panel, panel.values(view.score, units)

        self._reader.ask((run, opened, view), read)

    def _on_read(self, asked: tuple[Run, Opened, View], result: tuple[OnPanel, NDArray[np.floating] | None]) -> None:
        run, opened, view = asked
        if run is not self._run or opened is not self._opened or view != self.view:
            return
        self.on, self.measured = result
        self.measured_changed.emit()
        if self.agreement is None:
            self._settle()
        else:
            self.agreed.emit()

    def _compare(self) -> None:
        on, view = self.on, self.view
        if on is not None and view is not None:
            self._comparer.ask((on, view.guidance), partial(on.agreement, view.guidance))

    def _on_compared(self, asked: tuple[OnPanel, float], agreement: Agreement) -> None:
        on, guidance = asked
        if on is self.on:
            self._found = (guidance, agreement)
            if self.agreement is not None:
                self.agreed.emit()

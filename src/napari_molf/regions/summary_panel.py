"""The table of regions: what is predicted in each of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Panel
from napari_molf.regions.context import Context
from napari_molf.regions.leaving import LeavingRow
from napari_molf.regions.summaries import RegionSummary, summarise
from napari_molf.regions.table_view import TableView
from napari_molf.regions.text import Table

if TYPE_CHECKING:
    from napari_molf.desk.desk import Desk

NOTHING = "Draw a region on a predicted slide, and show a score."


class SummaryPanel(Panel):
    """A row for each region, and one for the rest; follows the score on show.

    Parameters
    ----------
    desk
        What all sections share.
    context
        The regions on show.
    """

    def __init__(self, desk: Desk, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._context = desk, context
        self._summary: RegionSummary | None = None
        self._stopped = False
        self._worker = Newest(self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self.caption = QLabel(NOTHING)
        self.table = TableView("Summary of each region")
        self.leaving = LeavingRow(desk, self._whole, "regions.csv")
        self.table.copy_wanted.connect(self.leaving.on_copy)
        top = QHBoxLayout()
        top.addWidget(self.caption, 1)
        top.addWidget(self.leaving)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.addLayout(top)
        column.addWidget(self.table, 1)
        context.changed.connect(self.refresh)
        desk.presenter.shown.connect(self.refresh)
        self.refresh()

    def refresh(self, *event: object) -> None:
        """Summarise again: other regions, or another score."""
        run, rows, presenter = self._context.run, self._context.rows, self._desk.presenter
        if run is None or rows.run_id != run.id or not rows.regions or presenter.score is None:
            self._worker.forget()
            self._show(None)
            return
        self._worker.ask(
            presenter.score, partial(summarise, run, rows, presenter.score, presenter.guidance, presenter.relative)
        )

    def stop(self) -> None:
        """Let go of the threads and of the section; twice where the dock is closed and its panels with it."""
        if self._stopped:
            return
        self._stopped = True
        self._worker.stop()
        self.leaving.stop()
        self._context.changed.disconnect(self.refresh)
        self._desk.presenter.shown.disconnect(self.refresh)

    def _on_done(self, score: object, summary: RegionSummary) -> None:
        self._show(summary)

    def _on_failed(self, score: object, error: BaseException) -> None:
        self._desk.say(sentence(error))

    def _show(self, summary: RegionSummary | None) -> None:
        self._summary = summary
        self.leaving.set_ready(summary is not None)
        self.table.set_table(Table((), ()) if summary is None else summary.brief())
        self.caption.setText(
            NOTHING
            if summary is None
            else f"{summary.scores[0].name} and what goes with it, predicted. The CSV has all statistics of each."
        )

    def _whole(self) -> Table | None:
        return None if self._summary is None else self._summary.full()

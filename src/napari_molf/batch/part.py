"""The Queue section: predict every open slide, one after the other, each with its state."""

from __future__ import annotations

from collections import deque
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QAbstractItemView,
    QCheckBox,
    QFileDialog,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QFlowLayout

from napari_molf.batch.queue import Item, Queue, State
from napari_molf.core.layers import run_of
from napari_molf.core.progress_text import headline, pace
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Part

if TYPE_CHECKING:
    from napari.layers import Layer

    from molf_engine.progress import Progress
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk, Outcome

_ROWS = 6


class QueuePart(Part):
    """Predicts all open slides with the model and the cancer type that the form names.

    Several runs never share the machine: a slide waits until the one before it is done.
    """

    title = "Queue"

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.queue = Queue()
        self._folder: Path | None = None
        self._unsaved: deque[tuple[Item, Run]] = deque()
        self._writer = Newest(self)
        self._writer.done.connect(self._on_saved)
        self._writer.failed.connect(self._on_not_saved)

        self.start = QPushButton("Predict &all open slides")
        self.start.setToolTip(
            "Predict every open slide, one after the other, with the model and cancer type chosen above."
        )
        self.start.clicked.connect(self._on_start)
        self.halt = QPushButton("S&top after this one")
        self.halt.setToolTip("Let the slide that is being predicted end, and take no further one.")
        self.halt.clicked.connect(self._on_halt)
        self.retry = QPushButton("Try a&gain")
        self.retry.setToolTip("Predict the slides again that failed or were cancelled.")
        self.retry.clicked.connect(self._on_retry)
        self.keep = QCheckBox("sa&ve each result to a folder")
        self.keep.setToolTip("Write every finished prediction as .h5ad to a folder that you choose.")
        self.keep.toggled.connect(self._on_keep)

        self.table = QTableWidget(0, 2)
        self.table.setAccessibleName("Slides in the queue")
        self.table.setToolTip("Enter or a double click shows that slide and its map alone.")
        self.table.setHorizontalHeaderLabels(["Slide", "State"])
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setTabKeyNavigation(False)
        self.table.setWordWrap(False)
        self.table.itemActivated.connect(self._on_activated)
        header, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None and numbers is not None
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        numbers.hide()
        self._summary = QLabel()
        self._summary.setWordWrap(True)
        self._summary.setAccessibleName("State of the queue")

        buttons = QWidget()
        flow = QFlowLayout(buttons)
        flow.setContentsMargins(0, 0, 0, 0)
        for button in (self.start, self.halt, self.retry):
            flow.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (buttons, self.keep, self.table, self._summary):
            layout.addWidget(part)

        desk.prediction_progressed.connect(self._on_progressed)
        desk.prediction_ended.connect(self._on_ended)
        self._show()

    @property
    def text(self) -> str:
        """What is said about the queue as a whole."""
        return self._summary.text()

    def set_run(self, run: Run | None) -> None:
        """The queue needs no prediction to begin with."""

    def stop(self) -> None:
        """Take no further slide; what was done is written by now or is lost with the window."""
        self.queue.give_up_waiting()
        self._writer.stop()

    # -- what the user does ------------------------------------------------------------------------------------

    def _on_start(self) -> None:
        layers = self._slide_layers()
        if not layers:
            self.desk.say("There is no slide yet. Drag one or several into the window.")
            return
        self.desk.say(None)
        for path, layer in layers.items():
            self._put(path, layer)
        self._go_on()

    def _on_halt(self) -> None:
        self.queue.give_up_waiting()
        self._show()

    def _on_retry(self) -> None:
        # What a slide lacked may have been entered since.
        layers = self._slide_layers()
        for item in [each for each in self.queue if each.request is None and each.slide in layers]:
            self._put(item.slide, layers[item.slide])
        self.queue.retry()
        self._go_on()

    def _put(self, path: Path, layer: Layer) -> None:
        from molf_engine.errors import MolfError

        try:
            self.queue.put(layer.name, path, self.desk.request_for(layer))
        except MolfError as error:
            self.queue.put(layer.name, path, None, str(error))

    def _on_keep(self, on: bool) -> None:
        self._folder = None
        if on:
            # After the click is dealt with: a dialog inside it would leave the box half pressed.
            QTimer.singleShot(0, self._ask_for_folder)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder for the results")
        self._folder = Path(folder) if folder else None
        self.keep.setChecked(self._folder is not None)
        self._show()

    def _on_activated(self, cell: QTableWidgetItem) -> None:
        item = list(self.queue)[cell.row()]
        self.look_at(item)

    def look_at(self, item: Item) -> None:
        """Show one slide with its map, and hide the other slides and their maps."""
        layers = self._slide_layers()
        if item.slide not in layers:
            self.desk.say(f"{item.name} is not open any more.")
            return
        if item.run_id is not None:
            self.desk.presenter.switch_to(item.run_id)
        for layer in self.desk.viewer.layers:
            info, run_id = slide_info(layer), run_of(layer)
            if info is not None:
                layer.visible = layer is layers[item.slide]
            elif run_id is not None and run_id != item.run_id:
                layer.visible = False
        run = self.desk.run
        if run is not None and run.id == item.run_id:
            self.desk.presenter.show(self.desk.presenter.score or run.scores.first_to_show())
        self.desk.viewer.layers.selection.active = layers[item.slide]
        self.desk.viewer.reset_view()

    # -- what happens ------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        from molf_engine.errors import MolfError

        while not self.desk.predicting and (item := self.queue.take()) is not None:
            layer = self._slide_layers().get(item.slide)
            if layer is None or item.request is None:
                self.queue.end(State.FAILED, "the slide was closed")
                continue
            try:
                self.desk.start_prediction(item.request, layer)
            except MolfError as error:
                self.queue.end(State.FAILED, str(error))
                continue
            break
        self._show()

    def _on_progressed(self, progress: Progress, rate: float | None) -> None:
        item = self.queue.running
        if item is not None:
            item.note = f"{headline(progress)}  {pace(progress, rate)}".strip()
            self._show()

    def _on_ended(self, outcome: Outcome) -> None:
        item = self.queue.running
        if item is not None and item.request is outcome.request:
            self._note_end(item, outcome)
            self._show()
        # The signal is still on its way to others; the next slide must not begin before they have heard it.
        QTimer.singleShot(0, self._go_on)

    def _note_end(self, item: Item, outcome: Outcome) -> None:
        if outcome.run is not None:
            self.queue.end(State.DONE, f"{len(outcome.run.patches):,} patches", outcome.run.id)
            layer = self._slide_layers().get(item.slide)
            if layer is not None and not layer.visible:
                # Maps of a slide that is out of sight would lie on another one.
                self.desk.presenter.hide_runs_of(item.slide)
            if self._folder is not None:
                self._unsaved.append((item, outcome.run))
                self._save_next()
        elif outcome.error is not None:
            self.queue.end(State.FAILED, outcome.error)
        else:
            # Cancel stops the queue as well: whoever presses it wants the machine back.
            self.queue.end(State.CANCELLED)
            self.queue.give_up_waiting()

    def _save_next(self) -> None:
        if self._writer.busy or not self._unsaved or self._folder is None:
            return
        item, run = self._unsaved.popleft()
        self._writer.ask(item, partial(_write, run, self._folder / f"{item.slide.stem}.h5ad"))

    def _on_saved(self, item: Item, path: Path) -> None:
        item.note = f"{item.note} · saved as {path.name}"
        self._show()
        self._save_next()

    def _on_not_saved(self, item: Item, error: BaseException) -> None:
        item.note = f"{item.note} · not saved"
        self.desk.say(sentence(error))
        self._show()
        self._save_next()

    # -- what is seen ------------------------------------------------------------------------------------------

    def _slide_layers(self) -> dict[Path, Layer]:
        found: dict[Path, Layer] = {}
        for layer in self.desk.viewer.layers:
            info = slide_info(layer)
            if info is not None:
                found.setdefault(info.path, layer)
        return found

    def _show(self) -> None:
        items = list(self.queue)
        if self.table.rowCount() != len(items):
            self.table.setRowCount(len(items))
        for row, item in enumerate(items):
            for column, text in enumerate((item.name, item.text)):
                cell = self.table.item(row, column)
                if cell is None:
                    cell = QTableWidgetItem()
                    cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                    self.table.setItem(row, column, cell)
                if cell.text() != text:
                    cell.setText(text)
                    cell.setToolTip(text)
        self.table.setVisible(bool(items))
        self._fit_height(len(items))
        self.halt.setVisible(bool(self.queue.waiting))
        again = any(item.state in (State.FAILED, State.CANCELLED) for item in items)
        self.retry.setVisible(again and self.queue.running is None)
        saved = f" Results go to {self._folder}." if self._folder is not None else ""
        self._summary.setText(f"{self.queue.summary}.{saved}" if items else saved.strip())
        self._summary.setVisible(bool(self._summary.text()))

    def _fit_height(self, rows: int) -> None:
        header, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        assert header is not None and numbers is not None
        row = numbers.defaultSectionSize()
        self.table.setFixedHeight(header.sizeHint().height() + row * min(max(rows, 1), _ROWS) + 4)


def _write(run: Run, path: Path) -> Path:
    """Write a result under a name that is free."""
    from molf_engine.prediction import write_prediction

    target, number = path, 1
    while target.exists():
        number += 1
        target = path.with_stem(f"{path.stem}-{number}")
    write_prediction(run.scores.adata, target)
    return target

"""Two groups of patches compared: a volcano plot, how the score on show is distributed, and a table of all scores."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSplitter,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QFlowLayout, qdebounced

from napari_molf.core.scores import Score
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Panel
from napari_molf.desk.sections import PRIMARY, dock_style
from napari_molf.regions.comparing import Compared, compare_groups
from napari_molf.regions.context import Context
from napari_molf.regions.leaving import LeavingRow
from napari_molf.regions.picture import PictureView
from napari_molf.regions.plots import Look, Picture, distributions, volcano
from napari_molf.regions.rows import REST, Group, groups_of
from napari_molf.regions.table_view import TableView
from napari_molf.regions.text import Table

if TYPE_CHECKING:
    from molf_engine.progress import Progress
    from napari_molf.desk.desk import Desk
    from napari_molf.desk.presenter import View

INVITATION = (
    "Choose two groups and press Compare. What is compared are predictions, patch by patch; neighbouring patches are alike, so look at "
    "the effect size and the spatial q before any other."
)
NO_PREDICTION = "Predict this slide, and draw a region on it, to compare."
RESIZE_MS = 120
_KINDS = {"genes": "gene", "Hallmarks": "hallmark"}


@dataclass(frozen=True, eq=False)
class _Shown:
    """The score on the map, with its (P,) values."""

    run_id: str
    score: Score
    values: np.ndarray


class ComparePanel(Panel):
    """Panel ``Regions: compare``.

    Parameters
    ----------
    desk
        What all sections share.
    context
        The regions on show.
    """

    _progressed = Signal(object)

    def __init__(self, desk: Desk, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk, self._context = desk, context
        self._groups: list[Group] = []
        self._compared: Compared | None = None
        self._shown: _Shown | None = None
        # Kind and serial number of the volcano that is drawn, and the number of the newest one that is wanted.
        self._drawn, self._wanted = ("", 0), 0
        self._stopped = False
        self._cancel = threading.Event()
        self._worker, self._artist = Newest(self), Newest(self)
        self._draw_soon = qdebounced(self._draw, timeout=RESIZE_MS)
        self._build()
        self._connect()
        self._on_theme()
        self._on_rows()
        self._take_shown()

    # -- layout ----------------------------------------------------------------------------------------------

    def _build(self) -> None:
        self.a, self.b = QComboBox(), QComboBox()
        for box, name in ((self.a, "Group A"), (self.b, "Group B")):
            box.setAccessibleName(name)
            box.setToolTip(f"{name}: a region, a class of regions, or what the other leaves.")
            box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
            box.setMinimumWidth(110)
        self.run_button = QPushButton("Compare")
        self.run_button.setObjectName(PRIMARY)
        self.run_button.setToolTip("Compare all genes and Hallmarks of A with those of B. It can be cancelled.")
        self.kind = QComboBox()
        self.kind.addItems(list(_KINDS))
        self.kind.setAccessibleName("What is shown")
        self.kind.setToolTip("Show the genes or the Hallmarks; q counts each of the two by itself.")
        self.plain = QCheckBox("plain q")
        self.plain.setToolTip(
            "Show q of the plain Mann-Whitney test, which takes neighbouring patches for independent: far too small."
        )
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedWidth(120)
        self.progress.setAccessibleName("Progress of the comparison")
        self.state = QLabel()
        self.warning = QLabel(INVITATION)
        self.warning.setObjectName("molf_banner")
        self.warning.setWordWrap(True)
        self.warning.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.volcano = PictureView("Volcano plot: effect size and q of each score. Click a point to see its map.")
        self.spread = PictureView("Distribution of the score on show in both groups")
        self.table = TableView("All scores compared")
        self.leaving = LeavingRow(self._desk, self._table_now, "regions-compared.csv")

        top = QWidget()
        flow = QFlowLayout(top)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(6)
        for part in (
            _labelled("&A", self.a),
            _labelled("&B", self.b),
            self.run_button,
            self.progress,
            self.state,
            _labelled("S&how", self.kind),
            self.plain,
            self.leaving,
        ):
            flow.addWidget(part)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        for part, stretch in ((self.volcano, 4), (self.spread, 3), (self.table, 4)):
            self.splitter.addWidget(part)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(4)
        column.addWidget(top)
        column.addWidget(self.warning)
        column.addWidget(self.splitter, 1)
        self._set_running(False)

    def _connect(self) -> None:
        self.run_button.clicked.connect(self._on_pressed)
        self.a.currentIndexChanged.connect(self._on_choice)
        self.b.currentIndexChanged.connect(self._on_choice)
        self.kind.currentIndexChanged.connect(self._on_kind)
        self.plain.toggled.connect(self._draw)
        self.volcano.clicked.connect(self._on_point)
        self.table.row_chosen.connect(self._on_row)
        self.table.copy_wanted.connect(self.leaving.on_copy)
        self.volcano.resized.connect(self._draw_soon)
        self.spread.resized.connect(self._draw_soon)
        self._progressed.connect(self._on_progress)
        self._worker.done.connect(self._on_compared)
        self._worker.failed.connect(self._on_failed)
        self._artist.done.connect(self._on_drawn)
        self._artist.failed.connect(self._on_not_drawn)
        self._context.changed.connect(self._on_rows)
        self._desk.presenter.shown.connect(self._on_shown)
        self._desk.viewer.events.theme.connect(self._on_theme)

    def stop(self) -> None:
        """Let go of the viewer and the threads."""
        if self._stopped:
            return
        self._stopped = True
        self._cancel.set()
        self._worker.stop()
        self._artist.stop()
        self.leaving.stop()
        self._context.changed.disconnect(self._on_rows)
        self._desk.presenter.shown.disconnect(self._on_shown)
        self._desk.viewer.events.theme.disconnect(self._on_theme)

    # -- what can be compared --------------------------------------------------------------------------------

    @property
    def kind_shown(self) -> str:
        """``gene`` or ``hallmark``."""
        return _KINDS[self.kind.currentText()]

    def _on_rows(self) -> None:
        run, rows = self._context.run, self._context.rows
        self._groups = groups_of(rows) if run is not None and rows.run_id == run.id else []
        labels = [group.label for group in self._groups]
        for box, fallback in ((self.a, 0), (self.b, len(labels))):
            before = box.currentText()
            with QSignalBlocker(box):
                box.clear()
                box.addItems([*labels, REST] if labels else [])
                place = box.findText(before)
                box.setCurrentIndex(place if place >= 0 else fallback if labels else -1)
        if not labels and self._compared is None:
            self.warning.setText(NO_PREDICTION)
        elif self._compared is None:
            self.warning.setText(INVITATION)
        self._on_choice()

    def _on_choice(self, index: int = 0) -> None:
        if not self._worker.busy:
            same = self.a.currentText() == self.b.currentText()
            self.run_button.setEnabled(bool(self._groups) and not same)
            self.state.setText("A and B are the same." if self._groups and same else "")

    def _group(self, box: QComboBox) -> Group:
        place = box.currentIndex()
        return self._groups[place] if place < len(self._groups) else Group(REST, None)

    # -- comparing -------------------------------------------------------------------------------------------

    def _on_pressed(self) -> None:
        if self._worker.busy:
            self._cancel.set()
            self._worker.forget()
            self._set_running(False)
            self.state.setText("Cancelled.")
            return
        run, presenter = self._context.run, self._desk.presenter
        if run is None or self.a.currentIndex() < 0:
            return
        self._cancel = threading.Event()
        report = partial(self._report, self._cancel)
        self._worker.ask(
            run.id,
            partial(
                compare_groups,
                run,
                self._group(self.a),
                self._group(self.b),
                presenter.guidance,
                presenter.relative,
                report,
            ),
        )
        self._set_running(True)

    def _report(self, cancel: threading.Event, progress: Progress) -> None:
        """Called on the worker's thread."""
        from molf_engine.errors import Cancelled

        if cancel.is_set():
            raise Cancelled
        self._progressed.emit(progress)

    def _on_progress(self, progress: Progress) -> None:
        if self._worker.busy:
            self.progress.setRange(0, progress.total)
            self.progress.setValue(progress.done)
            self.state.setText(f"{progress.phase}: {progress.done:,} of {progress.total:,} {progress.unit}")

    def _set_running(self, running: bool) -> None:
        self.run_button.setText("Cancel" if running else "Compare")
        self.progress.setVisible(running)
        if running:
            self.progress.setRange(0, 0)
        self.state.setText("")
        if not running:
            self._on_choice()

    def _on_compared(self, run_id: str, compared: Compared) -> None:
        self._compared = compared
        self._desk.say(None)
        self._set_running(False)
        self._show_table()
        self.leaving.set_ready(True)
        self._draw()

    def _on_failed(self, run_id: str, error: BaseException) -> None:
        self._set_running(False)
        self.state.setText("Not compared.")
        # Where the eye is, and in the dock with every other error.
        self.warning.setText(sentence(error))
        self._desk.say(sentence(error))

    # -- showing ---------------------------------------------------------------------------------------------

    def _on_kind(self, index: int) -> None:
        if self._compared is not None:
            self._show_table()
            self._draw()

    def _show_table(self) -> None:
        if self._compared is not None:
            c = self._compared.of(self.kind_shown)
            self.table.set_table(self._compared.table(self.kind_shown))
            left_out = f" {c.shared:,} patches lie in both and were left out." if c.shared else ""
            self.warning.setText(
                f"<b>A {self._compared.label_a}</b> ({c.patches_a:,} patches), <b>B {self._compared.label_b}</b> ({c.patches_b:,})."
                f"{left_out} {c.warning}"
            )

    def _table_now(self) -> Table | None:
        return None if self._compared is None else self._compared.table(self.kind_shown)

    def _on_point(self, name: str) -> None:
        # The picture of the kind that was shown before stays until the next one is drawn.
        self._go_to(Score("gene" if self._drawn[0] == "gene" else "hallmark", name))

    def _on_row(self, name: str) -> None:
        self._go_to(Score("gene" if self.kind_shown == "gene" else "hallmark", name))

    def _go_to(self, score: Score) -> None:
        presenter, compared = self._desk.presenter, self._compared
        if compared is None:
            return
        if not presenter.switch_to(compared.run_id):
            self._desk.say("The prediction that was compared is gone; compare again.")
            return
        if presenter.score != score:
            presenter.show(score)

    def _take_shown(self) -> None:
        presenter = self._desk.presenter
        if presenter.run is not None and presenter.score is not None and presenter.values is not None:
            self._shown = _Shown(presenter.run.id, presenter.score, presenter.values)

    def _on_shown(self, view: View, values: np.ndarray) -> None:
        self._shown = _Shown(view.run_id, view.score, values)
        self._ask_pictures()

    def _on_theme(self, event: object = None) -> None:
        self.setStyleSheet(dock_style(self._desk.viewer.theme))
        self._draw()

    def _look(self, view: PictureView) -> Look:
        from napari.utils.theme import get_theme

        theme = get_theme(self._desk.viewer.theme)
        colours = (getattr(theme, key).as_hex(format="long")[:7] for key in ("background", "text"))
        return Look(view.width(), view.height(), view.devicePixelRatioF(), *colours)

    def _draw(self, *event: object) -> None:
        """Draw both pictures again."""
        self._wanted += 1
        self._ask_pictures()

    def _ask_pictures(self) -> None:
        if self._stopped or self._compared is None:
            return
        # With another score on show the volcano stays: a thousand points would hold up the arrow keys.
        look = self._look(self.volcano) if self._wanted != self._drawn[1] else None
        self._artist.ask(
            (self.kind_shown, self._wanted),
            partial(
                _pictures,
                self._compared,
                self.kind_shown,
                self.plain.isChecked(),
                self._shown,
                look,
                self._look(self.spread),
            ),
        )

    def _on_drawn(self, drawn: tuple[str, int], pictures: tuple[Picture | None, Picture | None]) -> None:
        if pictures[0] is not None:
            self._drawn = drawn
            self.volcano.set_picture(pictures[0])
        self.spread.set_picture(pictures[1])
        shown = self._shown
        self.volcano.mark(shown.score.name if shown is not None and shown.score.kind == self._drawn[0] else None)

    def _on_not_drawn(self, drawn: tuple[str, int], error: BaseException) -> None:
        self._desk.say(sentence(error))


def _pictures(
    compared: Compared, kind: str, plain: bool, shown: _Shown | None, left: Look | None, right: Look
) -> tuple[Picture | None, Picture | None]:
    """The volcano, unless it is not wanted, and the distributions of the score on show, if it is of the same prediction."""
    picture = None if left is None else volcano(compared, kind, left, plain=plain)
    if shown is None or shown.run_id != compared.run_id or len(shown.values) != len(compared.inside_a):
        return picture, None
    a, b = shown.values[compared.inside_a], shown.values[compared.inside_b]
    return picture, distributions(a, b, shown.score.name, (compared.label_a, compared.label_b), right)


def _labelled(text: str, widget: QWidget) -> QWidget:
    """A widget with a label before it that the keyboard reaches it by."""
    both = QWidget()
    row = QHBoxLayout(both)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(4)
    label = QLabel(text)
    label.setBuddy(widget)
    row.addWidget(label)
    row.addWidget(widget)
    return both

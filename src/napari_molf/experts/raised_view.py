"""The lists of what is predicted higher and lower where an expert decides; a click shows the map."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QPushButton,
    QSpinBox,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_molf.desk.background import Newest, sentence
from napari_molf.experts.raised import CAVEAT, Difference, Kind, Raised, as_table, what_is_raised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

_SCORE = int(Qt.ItemDataRole.UserRole)
HOW_TO_READ = (
    "No p-values: patches next to each other are alike, and thousands of them are not thousands of observations. "
    "0.2 is a small difference, 0.8 a large one."
)


class RaisedView(QWidget):
    """Genes and Hallmarks that differ where one expert decides, computed beside the window's thread.

    Parameters
    ----------
    desk
        What all sections share.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._run: Run | None = None
        self._expert = 0
        self.raised: Raised | None = None
        self.kind = QComboBox()
        self.kind.addItem("Hallmarks", "hallmark")
        self.kind.addItem("genes", "gene")
        self.kind.setAccessibleName("Hallmarks or genes")
        self.kind.setToolTip("What is compared.")
        self.scale = QComboBox()
        self.scale.addItem("relative to local total", True)
        self.scale.addItem("expression", False)
        self.scale.setAccessibleName("Scale of what is compared")
        self.scale.setToolTip("Relative: what the tissue is made of. Expression: dense tissue has more of everything.")
        self.count = QSpinBox()
        self.count.setRange(5, 100)
        self.count.setValue(15)
        self.count.setAccessibleName("How many in each list")
        self.count.setToolTip("How many are listed each way.")
        self.above = _list("Higher here")
        self.below = _list("Lower here")
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setAccessibleName("What these differences are")
        self.note.setToolTip(HOW_TO_READ)
        self.copy = QPushButton("&Copy")
        self.copy.setToolTip("Copy every gene and Hallmark of this expert as a table.")
        self.save = QPushButton("Save CS&V…")
        self.save.setToolTip("Write every gene and Hallmark of all experts to a file.")
        self._work = Newest(self)
        self._saver = Newest(self)
        self._build()

        self.kind.currentIndexChanged.connect(self._show)
        self.count.valueChanged.connect(self._show)
        self.scale.currentIndexChanged.connect(self._ask)
        self.copy.clicked.connect(self._on_copy)
        self.save.clicked.connect(self._on_save)
        for tree in (self.above, self.below):
            tree.itemClicked.connect(self._on_row)
            tree.itemActivated.connect(self._on_row)
        self._work.done.connect(self._on_done)
        self._work.failed.connect(self._on_failed)
        self._saver.done.connect(self._on_saved)
        self._saver.failed.connect(self._on_not_saved)

    def _build(self) -> None:
        settings = QHBoxLayout()
        settings.setSpacing(6)
        for part, stretch in ((self.kind, 0), (self.scale, 1), (self.count, 0), (self.copy, 0), (self.save, 0)):
            settings.addWidget(part, stretch)
        lists = QHBoxLayout()
        lists.setSpacing(6)
        lists.addWidget(self.above, 1)
        lists.addWidget(self.below, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(settings)
        layout.addLayout(lists, 1)
        layout.addWidget(self.note)

    def set_run(self, run: Run | None) -> None:
        """Compare within another prediction, or within none."""
        self._run = run
        if run is not None and not run.scores.can_guide and not run.scores.relative_units:
            # Without the model a Hallmark has one scale, that of the file.
            with QSignalBlocker(self.scale):
                self.scale.setCurrentIndex(self.scale.findData(False))
        self._ask()

    def show_expert(self, expert: int) -> None:
        """Turn to an expert, counted from 0."""
        self._expert = expert
        self._show()

    def stop(self) -> None:
        """Compute nothing any more."""
        self._work.stop()
        self._saver.stop()

    def _ask(self, *_: object) -> None:
        self.raised = None
        self._work.forget()
        run = self._run
        self._show()
        if run is not None:
            relative = bool(self.scale.currentData())
            self._work.ask(run.id, partial(what_is_raised, run, run.scores.guidance, relative=relative))

    def _on_done(self, run_id: str, raised: Raised) -> None:
        if self._run is not None and run_id == self._run.id:
            self.raised = raised
            self._show()

    def _on_failed(self, run_id: str, error: BaseException) -> None:
        self.note.setText(f"⚠ {sentence(error)}")

    def _show(self, *_: object) -> None:
        run, raised = self._run, self.raised
        for tree in (self.above, self.below):
            tree.clear()
        ready = run is not None and raised is not None
        self.copy.setEnabled(ready)
        self.save.setEnabled(ready)
        if run is None or raised is None:
            self.note.setText("" if run is None else "Comparing all genes…")
            return
        name = run.expert_names[self._expert]
        kind: Kind = self.kind.currentData()
        for tree, found in zip(
            (self.above, self.below), raised.strongest(self._expert, kind, self.count.value()), strict=True
        ):
            _fill(tree, run, raised, found)
        why_none = raised.why_none(self._expert, name)
        mine = int(raised.patches[self._expert])
        self.note.setText(
            why_none
            or f"{name} decides in {mine:,} patches; compared with the other {int(raised.patches.sum()) - mine:,}, "
            f"in standard deviations, guidance {raised.guidance:.3g}. {CAVEAT}"
        )

    def _on_row(self, item: QTreeWidgetItem, column: int) -> None:
        self.desk.presenter.show(item.data(0, _SCORE))

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if self._run is not None and self.raised is not None and clipboard is not None:
            clipboard.setText(as_table(self._run, self.raised, [self._expert], delimiter="\t"))

    def _on_save(self) -> None:
        run, raised = self._run, self.raised
        if run is None or raised is None:
            return
        path, _ = QFileDialog.getSaveFileName(
            self, "Save differences", f"{run.slide_name}-experts.csv", "Table (*.csv)"
        )
        if path:
            self._saver.ask(path, partial(_write, Path(path), run, raised))

    def _on_saved(self, path: str, _: None) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {path}")

    def _on_not_saved(self, path: str, error: BaseException) -> None:
        self.desk.say(sentence(error))


def _write(path: Path, run: Run, raised: Raised) -> None:
    from molf_engine.files import atomic_path

    with atomic_path(path) as beside:
        beside.write_text(as_table(run, raised), encoding="utf-8")


def _list(title: str) -> QTreeWidget:
    tree = QTreeWidget()
    tree.setHeaderLabels([title, "sd"])
    tree.setRootIsDecorated(False)
    tree.setUniformRowHeights(True)
    tree.setFrameShape(QFrame.Shape.NoFrame)
    tree.setTextElideMode(Qt.TextElideMode.ElideRight)
    tree.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    tree.setAccessibleName(title)
    tree.setToolTip("Click, or arrow keys and Enter: show its map.")
    header = tree.header()
    if header is not None:
        header.setStretchLastSection(False)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
    return tree


def _fill(tree: QTreeWidget, run: Run, raised: Raised, found: Sequence[Difference]) -> None:
    for difference in found:
        doubt = raised.doubt(run, difference.score)
        name = difference.score.name.replace("_", " ") if difference.score.kind == "hallmark" else difference.score.name
        row = QTreeWidgetItem([f"{name} ⚠" if doubt else name, f"{difference.size:+.2f}"])
        row.setTextAlignment(1, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter))
        row.setData(0, _SCORE, difference.score)
        row.setToolTip(0, f"{name}: {doubt}" if doubt else f"{name}. Click: show its map.")
        tree.addTopLevelItem(row)

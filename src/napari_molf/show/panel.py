"""What to look at: the search box, expression or relative to the total, guidance, opacity, and what is under the pointer."""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QRadioButton, QSlider, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_molf.core.names import other_names
from napari_molf.core.scores import Score
from napari_molf.core.variable import most_variable
from napari_molf.desk.background import Newest
from napari_molf.show.copy_button import CopyCommandButton
from napari_molf.show.display import DisplayControls
from napari_molf.show.finding import Catalogue, Entry
from napari_molf.show.guidance import GuidanceSlider
from napari_molf.show.search import ScoreSearch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_molf.core.run import Run
    from napari_molf.core.view_state import ViewState
    from napari_molf.desk.desk import Desk

_log = logging.getLogger(__name__)


def entries_of(run: Run) -> list[Entry]:
    """Everything that a run can show, with what there is to doubt about it."""
    from molf_engine.genes import MIN_GENES, hallmark_sizes

    var = run.scores.adata.var
    sizes = hallmark_sizes(tuple(var.index), var["measured"].to_numpy(bool))
    entries = []
    for name in run.scores.hallmarks:
        count = int(sizes.get(name, 0))
        doubt = f"rests on {count} gene{'s' if count != 1 else ''} only" if count < MIN_GENES else None
        entries.append(Entry(Score("hallmark", name), doubt, f"Hallmark, {count} genes of the panel"))
    for gene, facts in run.scores.genes.items():
        known = not math.isnan(facts.heldout_pcc)
        skill = f"PCC {facts.heldout_pcc:.2f}" if known else ""
        entries.append(Entry(Score("gene", gene), facts.doubt, f"held-out {skill}" if known else "", skill))
    return entries


def catalogue_of(entries: Sequence[Entry]) -> Catalogue:
    """What can be found, by other names of genes too; slow at the first call, not for the window's thread."""
    return Catalogue(entries, other_names(entry.score.name for entry in entries if entry.score.kind == "gene"))


class ShowPanel(QWidget):
    """The Show section.

    Parameters
    ----------
    readout
        What is under the pointer.
    desk
        What all sections share.

    Signals
    -------
    score_chosen(object)
        A :class:`~napari_molf.core.scores.Score`.
    relative_changed(bool)
        Relative to the local total, or expression.
    guidance_changed(float)
        The guidance scale, while the slider moves.
    opacity_changed(float)
        0 to 1.
    save_pressed()
        Save the result.
    """

    score_chosen = Signal(object)
    relative_changed = Signal(bool)
    guidance_changed = Signal(float)
    opacity_changed = Signal(float)
    save_pressed = Signal()

    def __init__(self, readout: QLabel, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: Run | None = None
        self._namer = Newest(self)
        self._namer.done.connect(self._on_named)
        self._namer.failed.connect(self._on_failed)
        self._ranker = Newest(self)
        self._ranker.done.connect(self._on_ranked)
        self._ranker.failed.connect(self._on_failed)
        self.search = ScoreSearch(desk.settings)
        self.expression = QRadioButton("e&xpression")
        self.expression.setToolTip("Counts as a patch would have them: dense tissue has more of everything.")
        self.relative = QRadioButton("&relative to local total")
        self.relative.setToolTip("Share of the patch's counts: what the tissue is made of, whatever its density.")
        self.expression.setChecked(True)
        self._scales = QButtonGroup(self)
        self._scales.addButton(self.expression)
        self._scales.addButton(self.relative)
        self.guidance = GuidanceSlider()
        self.display = DisplayControls()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(70)
        self.opacity.setAccessibleName("Opacity of the maps")
        self.opacity.setToolTip("How much of the tissue shows through the maps.")
        opacity_label = QLabel("&Opacity")
        opacity_label.setBuddy(self.opacity)
        self.save = QPushButton("&Save result…")
        self.save.setToolTip(
            "Write the whole prediction as it was made, at the model's guidance, to .h5ad or .zarr. Take along writes what is on show."
        )
        self.copy_command = CopyCommandButton(desk)

        scales = QWidget()
        flow = QFlowLayout(scales)
        flow.setContentsMargins(0, 0, 0, 0)
        flow.setHorizontalSpacing(8)
        flow.setVerticalSpacing(2)
        flow.addWidget(self.expression)
        flow.addWidget(self.relative)
        opacity = QHBoxLayout()
        opacity.setSpacing(6)
        opacity.addWidget(opacity_label)
        opacity.addWidget(self.opacity, 1)
        opacity_label.setMinimumWidth(52)
        leave = QWidget()
        row = QFlowLayout(leave)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.save)
        row.addWidget(self.copy_command)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(scales)
        layout.addWidget(self.guidance)
        layout.addLayout(opacity)
        layout.addWidget(self.display)
        layout.addWidget(readout)
        layout.addWidget(leave)

        self.search.score_chosen.connect(self.score_chosen)
        self.search.variable_wanted.connect(self._on_variable_wanted)
        self.guidance.guidance_changed.connect(self._on_guidance)
        self.relative.toggled.connect(self.relative_changed)
        self.guidance.guidance_changed.connect(self.guidance_changed)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.save.clicked.connect(self._on_save)
        self.set_run(None)

    def set_run(self, run: Run | None) -> None:
        """Offer what a run can show."""
        self.setEnabled(run is not None)
        self._run = run
        self._ranker.forget()
        if run is None:
            return
        entries = entries_of(run)
        self.search.set_entries(entries)
        self._namer.ask(run.id, partial(catalogue_of, entries))
        self.guidance.set_chosen(run.guidance if run.bundle is not None else None)
        self.guidance.set_value(run.guidance)
        self.guidance.set_available(run.why_fixed)

    def stop(self) -> None:
        """The dock closes."""
        self._namer.stop()
        self._ranker.stop()
        self.copy_command.stop()

    def set_relative(self, relative: bool) -> None:
        """Choose a scale without speaking."""
        with QSignalBlocker(self.relative), QSignalBlocker(self.expression):
            (self.relative if relative else self.expression).setChecked(True)

    def set_view(self, view: ViewState) -> None:
        """Set every control to a view without speaking."""
        self.set_relative(view.relative)
        self.guidance.set_value(view.guidance)
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(100 * view.opacity))

    def _on_named(self, run_id: str, catalogue: Catalogue) -> None:
        if self._run is not None and run_id == self._run.id:
            self.search.set_catalogue(catalogue)

    def _on_variable_wanted(self) -> None:
        if self._run is not None:
            self._ranker.ask(self._run.id, partial(most_variable, self._run, self.guidance.value))

    def _on_ranked(self, run_id: str, scores: Sequence[Score]) -> None:
        if self._run is not None and run_id == self._run.id:
            self.search.set_variable(scores)

    def _on_failed(self, what: str, error: BaseException) -> None:
        # Names and scores can be found all the same.
        _log.warning("other names or the most variable scores are missing", exc_info=error)
        self.search.set_variable([])

    def _on_guidance(self, guidance: float) -> None:
        self._ranker.forget()
        self.search.forget_variable()

    def _on_opacity(self, value: int) -> None:
        self.opacity_changed.emit(value / 100)

    def _on_save(self) -> None:
        self.save_pressed.emit()

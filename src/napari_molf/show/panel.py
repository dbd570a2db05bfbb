"""What to look at: the search box, expression or relative to the total, guidance, opacity, and what is under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QLabel, QPushButton, QRadioButton, QSlider, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_molf.core.scores import Score
from napari_molf.show.guidance import GuidanceSlider
from napari_molf.show.search import Entry, ScoreSearch

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.core.view_state import ViewState


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
        entries.append(Entry(Score("gene", gene), facts.doubt, f"held-out PCC {facts.heldout_pcc:.2f}"))
    return entries


class ShowPanel(QWidget):
    """The Show section.

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

    def __init__(self, readout: QLabel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.search = ScoreSearch()
        self.expression = QRadioButton("e&xpression")
        self.expression.setToolTip("Counts as a patch would have them: dense tissue has more of everything.")
        self.relative = QRadioButton("&relative to local total")
        self.relative.setToolTip("Share of the patch's counts: what the tissue is made of, whatever its density.")
        self.expression.setChecked(True)
        self._scales = QButtonGroup(self)
        self._scales.addButton(self.expression)
        self._scales.addButton(self.relative)
        self.guidance = GuidanceSlider()
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(70)
        self.opacity.setAccessibleName("Opacity of the maps")
        self.opacity.setToolTip("How much of the tissue shows through the maps.")
        opacity_label = QLabel("&Opacity")
        opacity_label.setBuddy(self.opacity)
        self.save = QPushButton("&Save result…")
        self.save.setToolTip("Write the whole prediction, with where it came from, to .h5ad or .zarr.")

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
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.search)
        layout.addWidget(scales)
        layout.addWidget(self.guidance)
        layout.addLayout(opacity)
        layout.addWidget(readout)
        layout.addWidget(self.save)

        self.search.score_chosen.connect(self.score_chosen)
        self.relative.toggled.connect(self.relative_changed)
        self.guidance.guidance_changed.connect(self.guidance_changed)
        self.opacity.valueChanged.connect(self._on_opacity)
        self.save.clicked.connect(self._on_save)
        self.set_run(None)

    def set_run(self, run: Run | None) -> None:
        """Offer what a run can show."""
        self.setEnabled(run is not None)
        if run is None:
            return
        self.search.set_entries(entries_of(run))
        self.guidance.set_chosen(run.guidance if run.bundle is not None else None)
        self.guidance.set_value(run.guidance)
        self.guidance.set_available(run.why_fixed)

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

    def _on_opacity(self, value: int) -> None:
        self.opacity_changed.emit(value / 100)

    def _on_save(self) -> None:
        self.save_pressed.emit()

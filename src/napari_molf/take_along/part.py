"""The section ``Take along``: a format, which scores, and Export; the picture of the map in the clipboard with one click."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication, QImage
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from molf_engine.export import FORMATS, Format, with_suffix
from molf_engine.export.shown import Given
from napari_molf.core.scores import Score
from napari_molf.desk.part import Part
from napari_molf.take_along.choice import OnShow, folder_for, look_of, named, suggested_name, view_box
from napari_molf.take_along.exporter import Exporter
from napari_molf.take_along.outcome import Outcome
from napari_molf.take_along.slide_row import SlideRow
from napari_molf.take_along.work import Order, picture, write

if TYPE_CHECKING:
    import pandas as pd

    from molf_engine.export.figure import Look
    from napari_molf.core.layers import Role
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

AskScores = Callable[[], Sequence[Score]]
AskRegions = Callable[[], "Callable[[], pd.DataFrame] | None"]

_SHOWN, _HALLMARKS, _TYPED = "The one on show", "All Hallmarks", "These:"


class TakeAlongPart(Part):
    """Export of what is on show.

    Parameters
    ----------
    desk
        What all sections share.
    """

    title = "Take along"

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._last_folder: Path | None = None
        self._lists: dict[str, AskScores] = {}
        self._regions: AskRegions = _no_regions
        self.exporter = Exporter(self)
        self.formats = QComboBox()
        self.purpose = QLabel()
        self.which = QComboBox()
        self.typed = QLineEdit()
        self.in_view = QCheckBox("Only the part in &view")
        self.export = QPushButton("Expor&t…")
        self.copy = QPushButton("Cop&y picture")
        self.outcome = Outcome()
        self.slide_row = SlideRow(desk)
        self._build()
        self.formats.currentIndexChanged.connect(self._on_format)
        self.which.currentTextChanged.connect(self._on_which)
        self.export.clicked.connect(self._on_export)
        self.copy.clicked.connect(self._on_copy)
        self.outcome.cancel_pressed.connect(self.exporter.cancel)
        self.exporter.started.connect(self._on_started)
        self.exporter.progressed.connect(self.outcome.show_progress)
        self.exporter.finished.connect(self._on_finished)
        self.exporter.failed.connect(self._on_failed)
        self.exporter.cancelled.connect(self._on_cancelled)
        self._on_format()

    def _build(self) -> None:
        for one in FORMATS:
            self.formats.addItem(one.name, one)
        self.formats.setAccessibleName("Format")
        self.formats.setToolTip("What kind of file is written.")
        self.purpose.setWordWrap(True)
        self.purpose.setAccessibleName("What the format is for")
        self.which.addItems((_SHOWN, _HALLMARKS, _TYPED))
        self.which.setAccessibleName("Scores to export")
        self.which.setToolTip("Which genes and Hallmarks are written.")
        self.typed.setPlaceholderText("ERBB2, CD3E, HYPOXIA")
        self.typed.setClearButtonEnabled(True)
        self.typed.setAccessibleName("Genes and Hallmarks to export")
        self.typed.setToolTip("Names of genes and Hallmarks, with commas between them.")
        self.in_view.setToolTip("Draw what the window shows now, not the whole tissue.")
        self.export.setToolTip("Choose a name and write the file. It says where its values come from.")
        self.copy.setToolTip("Put the figure of this map into the clipboard, to paste into slides or mail.")
        for combo in (self.formats, self.which):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(12)
            combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

        self._which_row = _labelled("Scor&es", self.which)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.export)
        buttons.addWidget(self.copy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(_labelled("&Format", self.formats))
        layout.addWidget(self.purpose)
        layout.addWidget(self._which_row)
        layout.addWidget(self.typed)
        layout.addWidget(self.in_view)
        layout.addLayout(buttons)
        layout.addWidget(self.outcome)
        layout.addWidget(self.slide_row)

    # -- what is chosen --------------------------------------------------------------------------------------

    @property
    def format(self) -> Format:
        """The format that is chosen."""
        chosen: Format = self.formats.currentData()
        return chosen

    @property
    def on_show(self) -> OnShow | None:
        """What the map shows now; none without a prediction."""
        presenter = self.desk.presenter
        run = presenter.run
        if run is None:
            return None
        difference, view = None, presenter.view
        if presenter.minus is not None and view is not None and presenter.values is not None:
            unit = "difference, standard deviations" if view.standardised else "difference"
            difference = (f"{view.subject}, guidance {view.scale}", Given(presenter.values, unit))
        role: Role = presenter.routing or "score"
        return OnShow(run, presenter.score, presenter.guidance, presenter.relative, role, presenter.expert, difference)

    def offer_scores(self, name: str, ask: AskScores) -> None:
        """Offer a list of scores that another section keeps, such as favourites.

        Parameters
        ----------
        name
            What it is called in the list of choices.
        ask
            Says which scores are in it, when they are exported.
        """
        if name not in self._lists:
            self.which.insertItem(self.which.count() - 1, name)
        self._lists[name] = ask

    def offer_regions(self, ask: AskRegions) -> None:
        """Let reports hold a summary of the regions that another section keeps.

        Parameters
        ----------
        ask
            Says how they are summarised, when a report is written; none: there are no regions.
        """
        self._regions = ask

    def set_run(self, run: Run | None) -> None:
        """Offer to take another prediction along."""
        super().set_run(run)
        if not self.exporter.running:
            self.outcome.clear()
        self.slide_row.set_run(run)

    def stop(self) -> None:
        """The dock closes."""
        self.exporter.stop()
        self.slide_row.stop()

    # -- what the user does ----------------------------------------------------------------------------------

    def _on_format(self) -> None:
        chosen = self.format
        self.purpose.setText(chosen.purpose)
        self._which_row.setVisible(chosen.takes == "many")
        self.in_view.setVisible(chosen.takes == "one" and chosen.key != "html")
        self._on_which()

    def _on_which(self) -> None:
        self.typed.setVisible(self.format.takes == "many" and self.which.currentText() == _TYPED)

    def _on_export(self) -> None:
        on_show, chosen = self.on_show, self.format
        if on_show is None:
            return
        start = folder_for(on_show.run, self._last_folder) / suggested_name(on_show, chosen)
        name, _ = QFileDialog.getSaveFileName(
            self, f"Export: {chosen.name}", str(start), f"{chosen.name} (*{chosen.suffix})"
        )
        if not name:
            return
        picked = Path(name)
        path = with_suffix(picked, chosen)
        if path != picked and path.exists():
            # The dialog has asked about the name that was typed, not about this one.
            self.outcome.say_error(
                f"{path} exists already. Choose another name, or choose it with its ending to replace it."
            )
            return
        self._last_folder = path.parent
        self.exporter.start(chosen, partial(write, self._order(on_show, path, chosen)))

    def _order(self, on_show: OnShow, path: Path, chosen: Format) -> Order:
        which = self.which.currentText()
        if chosen.takes != "many" or which == _SHOWN:
            # The map of the top experts is in every format; a score goes with it.
            visible = on_show.visible or (named(on_show.score) if on_show.score is not None else None)
            scores = () if visible is None else (visible,)
            return Order(on_show, path, chosen, scores, look=self._look(on_show), regions=self._regions())
        if which == _TYPED:
            return Order(on_show, path, chosen, names=self.typed.text().split(","))
        if which == _HALLMARKS:
            return Order(on_show, path, chosen, scores=None)
        return Order(on_show, path, chosen, tuple(named(score) for score in self._lists[which]()))

    def _look(self, on_show: OnShow) -> Look:
        layers = self.desk.presenter.layers
        box = None
        if self.in_view.isChecked() and not self.in_view.isHidden():
            box = view_box(self.desk.viewer, on_show.run, self.desk.run_slide_layer)
        return look_of(None if layers is None else layers.layer(on_show.role), box)

    def _on_copy(self) -> None:
        on_show = self.on_show
        if on_show is not None:
            self.exporter.start("picture", partial(picture, on_show, self._look(on_show)))

    # -- what comes of it ------------------------------------------------------------------------------------

    def _on_started(self) -> None:
        self._set_ready(False)
        self.outcome.begin()

    def _on_finished(self, what: object, result: object) -> None:
        self._set_ready(True)
        if isinstance(result, bytes):
            clipboard = QGuiApplication.clipboard()
            if clipboard is not None:
                clipboard.setImage(QImage.fromData(result))
            self.outcome.say("The picture is in the clipboard.")
        elif isinstance(result, Path):
            self.outcome.say(f"Saved {result}", result)

    def _on_failed(self, sentence: str) -> None:
        self._set_ready(True)
        self.outcome.say_error(sentence)

    def _on_cancelled(self) -> None:
        self._set_ready(True)
        self.outcome.say("Cancelled. No file was left.")

    def _set_ready(self, ready: bool) -> None:
        self.export.setEnabled(ready)
        self.copy.setEnabled(ready)


def _labelled(text: str, widget: QWidget) -> QWidget:
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(6)
    label = QLabel(text)
    label.setMinimumWidth(52)
    label.setBuddy(widget)
    line.addWidget(label)
    line.addWidget(widget, 1)
    return row


def _no_regions() -> None:
    return None

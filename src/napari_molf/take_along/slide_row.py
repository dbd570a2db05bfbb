"""A prediction whose slide is gone: say so, look for it, and take the slide back under the map when it turns up."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_molf.core.saved import put_under, slide_data
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.background import Newest
from napari_molf.take_along.exporter import Exporter
from napari_molf.take_along.work import find_again, is_slide, still_there

if TYPE_CHECKING:
    from napari.layers import Layer

    from molf_engine.progress import Progress
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

_GONE = "The slide of this result is not where it was. Pictures show its thumbnail."


class SlideRow(QWidget):
    """Hidden for as long as the slide is at its place.

    Parameters
    ----------
    desk
        What all sections share.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._adding = False
        self._said = QLabel(_GONE)
        self._said.setWordWrap(True)
        self.find_slide = QPushButton("Find s&lide…")
        self.find_slide.setToolTip("Choose a folder. The slide is known by its content, whatever its name is now.")
        self.find_slide.clicked.connect(self._on_find)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self._said)
        layout.addWidget(self.find_slide)
        self.hide()
        self._finder = Exporter(self)
        self._finder.progressed.connect(self._on_progress)
        self._finder.finished.connect(self._on_found)
        self._finder.failed.connect(self._on_not_found)
        self._checker = Newest(self)
        self._checker.done.connect(self._on_checked)
        desk.viewer.layers.events.inserted.connect(self._on_inserted)

    @property
    def text(self) -> str:
        """What is said of the slide; nothing while all is well."""
        return "" if self.isHidden() else self._said.text()

    @property
    def checking(self) -> bool:
        """Whether a file is being looked at."""
        return self._checker.busy

    def set_run(self, run: Run | None) -> None:
        """Look whether the slide of another prediction is there."""
        self.hide()
        self._said.setText(_GONE)
        if run is not None:
            self._checker.ask((run, None), partial(still_there, run))

    def stop(self) -> None:
        """The dock closes."""
        self._desk.viewer.layers.events.inserted.disconnect(self._on_inserted)
        self._finder.stop()
        self._checker.stop()

    def _on_find(self) -> None:
        run = self._desk.run
        folder = QFileDialog.getExistingDirectory(
            self, f"Folder with the slide {'' if run is None else run.slide_name}"
        )
        if folder and run is not None:
            self.find_slide.setEnabled(False)
            self._finder.start("slide", partial(find_again, run, Path(folder)))

    def _on_progress(self, progress: Progress) -> None:
        self._said.setText(f"{progress.phase}: {progress.done:,} {progress.unit}")

    def _on_not_found(self, sentence: str) -> None:
        self.find_slide.setEnabled(True)
        self._said.setText(sentence)

    def _on_found(self, what: object, run: Run) -> None:
        self.find_slide.setEnabled(True)
        data = slide_data(run)
        if data is None:
            self._said.setText(_GONE)
            return
        image, arguments, _ = data
        self.hide()
        self._adding = True
        layers = self._desk.viewer.layers
        # What the user looks at stays chosen.
        active = layers.selection.active
        layer = self._desk.viewer.add_image(image, **arguments)
        if active in layers:
            layers.selection.active = active
        self._adding = False
        self._take_back(run, layer)

    def _on_inserted(self, event: object) -> None:
        """A slide that was opened may be the one that is missing."""
        run, layer = self._desk.run, event.value  # type: ignore[attr-defined]
        info = slide_info(layer)
        if run is None or info is None or self._adding or self._desk.run_slide_layer is not None:
            return
        self._checker.ask((run, layer), partial(is_slide, run, info.path))

    def _on_checked(self, asked: tuple[Run, Layer | None], there: bool) -> None:
        run, layer = asked
        current = self._desk.run
        if current is None or current.id != run.id:
            return
        if layer is None:
            self.setVisible(not there)
        elif there and layer in self._desk.viewer.layers:
            info = slide_info(layer)
            if info is not None:
                self.hide()
                self._take_back(replace(current, slide_path=info.path), layer)

    def _take_back(self, run: Run, layer: Layer) -> None:
        put_under(self._desk.viewer, layer, run)
        self._desk.presenter.add_run(run, layer)

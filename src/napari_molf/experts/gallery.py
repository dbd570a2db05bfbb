"""The patches that each expert is surest of (the paper's Figure 8, of this slide), and what is predicted higher where it decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSlider,
    QSpinBox,
    QSplitter,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from napari_molf.core.marker import PatchMarker
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Panel
from napari_molf.experts.patch_images import SIZE_PX, PatchImages
from napari_molf.experts.patch_list import Exemplar, PatchList
from napari_molf.experts.raised_view import RaisedView
from napari_molf.experts.swatch import swatch_icon

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

NAME = "Experts"
PATCHES, MOST_PATCHES = 12, 36
SIDE, SMALLEST = 96, 48
_APART_PATCHES = 8
"""Wanted between two patches that are spread over the slide, in patches."""


def exemplars(run: Run, expert: int, count: int, *, spread: bool) -> list[Exemplar]:
    """The patches of a run that an expert is surest of, best first.

    Parameters
    ----------
    run
        The prediction.
    expert
        Counted from 0.
    count
        At most so many.
    spread
        Spread over the slide, or wherever they are: the best patches often lie next to each other.
    """
    from molf_engine.evaluation.routing.ranking import surest, surest_apart

    logits = run.scores.gate_logits[:, expert]
    centres = run.patches.centres
    apart = _APART_PATCHES * run.patches.size_px * run.patches.pixel_size
    rows = surest_apart(logits, centres, count, apart) if spread else surest(logits, count)
    used = run.scores.used[:, expert]
    return [
        Exemplar(int(row), float(centres[row][1]), float(centres[row][0]), float(logits[row]), bool(used[row]))
        for row in rows
    ]


class GalleryPanel(Panel):
    """Patches of one expert at a time, read from the slide beside the window's thread; a click goes there.

    Parameters
    ----------
    desk
        What all sections share.
    rename
        Called with an expert, counted from 0, and the name that was typed for it.
    """

    def __init__(self, desk: Desk, rename: Callable[[int, str], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._rename = rename
        self._run: Run | None = None
        self._images: PatchImages | None = None
        self._waiting: list[int] = []
        self._marker = PatchMarker(desk.viewer)
        self._stopped = False
        self.tabs = QTabBar()
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setUsesScrollButtons(True)
        self.tabs.setAccessibleName("Expert")
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the expert")
        self.name.setToolTip(
            "What you call this expert, such as “lymphoid aggregate”; empty: its number. Shown in every legend and export."
        )
        self.count = QSpinBox()
        self.count.setRange(PATCHES, MOST_PATCHES)
        self.count.setSingleStep(6)
        self.count.setAccessibleName("How many patches")
        self.count.setToolTip("How many patches are shown, those with the highest gate logit first.")
        self.spread = QCheckBox("sprea&d over the slide")
        self.spread.setToolTip("Keep patches apart, so that one place does not fill the gallery.")
        self.side = QSlider(Qt.Orientation.Horizontal)
        self.side.setRange(SMALLEST, SIZE_PX)
        self.side.setValue(SIDE)
        self.side.setAccessibleName("Size of the images")
        self.side.setToolTip("Size of the images; Ctrl with the mouse wheel changes it, too.")
        self.patches = PatchList()
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.note.setAccessibleName("Note on the images")
        self.raised = RaisedView(desk)
        self._reader = Newest(self)
        self._build()

        self.tabs.currentChanged.connect(self._fill)
        self.name.editingFinished.connect(self._on_named)
        self.count.valueChanged.connect(self._fill)
        self.spread.toggled.connect(self._fill)
        self.side.valueChanged.connect(self.patches.set_size)
        self.patches.size_wanted.connect(self.side.setValue)
        self.patches.patch_chosen.connect(self.go_to)
        self._reader.done.connect(self._on_read)
        self._reader.failed.connect(self._on_unreadable)
        desk.presenter.run_changed.connect(self.set_run)
        desk.presenter.names_changed.connect(self._on_names)
        desk.viewer.events.theme.connect(self._on_theme)
        self.set_run(desk.run)

    def _build(self) -> None:
        from molf_engine.bundle.expert_names import MAX_LENGTH

        self.name.setMaxLength(MAX_LENGTH)
        settings = QHBoxLayout()
        settings.setSpacing(6)
        for text, part, stretch in (("Nam&e", self.name, 2), ("Patches", self.count, 0), ("Si&ze", self.side, 1)):
            label = QLabel(text)
            label.setBuddy(part)
            settings.addWidget(label)
            settings.addWidget(part, stretch)
        settings.addWidget(self.spread)
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(settings)
        column.addWidget(self.patches, 1)
        column.addWidget(self.note)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(self.raised)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setChildrenCollapsible(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(4)
        layout.addWidget(self.tabs)
        layout.addWidget(split, 1)

    @property
    def expert(self) -> int:
        """The expert whose patches are shown, counted from 0."""
        return max(0, self.tabs.currentIndex())

    @property
    def complete(self) -> bool:
        """Whether every image is there that will come."""
        return not self._waiting and not self._reader.busy

    def set_run(self, run: Run | None) -> None:
        """Show the experts of another prediction, or nothing."""
        count = 0 if run is None else run.scores.routing.shape[1]
        # One expert is no routing: there is nothing to tell apart.
        self._run = run if count > 1 else None
        self._let_go_of_slide()
        self._images = None if self._run is None else PatchImages(self._run)
        expert = min(self.expert, max(0, count - 1))
        with QSignalBlocker(self.tabs):
            while self.tabs.count():
                self.tabs.removeTab(0)
            for name in self._run.expert_names if self._run is not None else ():
                self.tabs.addTab(name)
            self.tabs.setCurrentIndex(expert)
        self.setEnabled(self._run is not None)
        self._marker.remove()
        self._on_theme()
        self.raised.set_run(self._run)
        self._fill()

    def show_expert(self, expert: int) -> None:
        """Turn to an expert, counted from 0."""
        self.tabs.setCurrentIndex(expert)

    def go_to(self, patch: int) -> None:
        """Look at a patch on the slide and frame it.

        Parameters
        ----------
        patch
            Its row in the prediction.
        """
        if self._run is not None:
            name = f"Patch of {self._run.expert_names[self.expert]}"
            self._marker.go_to(self._run, patch, self.desk.run_slide_layer, name)

    def stop(self) -> None:
        """Cancel what is being read, and let go of the viewer and the slide."""
        if self._stopped:
            return
        self._stopped = True
        self._reader.stop()
        self._let_go_of_slide()
        self.raised.stop()
        self._marker.remove()
        self.desk.presenter.run_changed.disconnect(self.set_run)
        self.desk.presenter.names_changed.disconnect(self._on_names)
        self.desk.viewer.events.theme.disconnect(self._on_theme)

    # -- patches ---------------------------------------------------------------------------------------------

    def _fill(self, *_: object) -> None:
        self._reader.forget()
        self._waiting = []
        run, images, expert = self._run, self._images, self.expert
        if run is None or images is None:
            self.patches.set_patches([], "")
            self.note.hide()
            return
        with QSignalBlocker(self.name):
            self.name.setText(run.given_names.get(expert, ""))
            self.name.setPlaceholderText(f"E{expert + 1}")
        chosen = exemplars(run, expert, self.count.value(), spread=self.spread.isChecked())
        self.patches.set_patches(chosen, run.expert_names[expert])
        for exemplar in chosen:
            kept = images.kept(exemplar.patch)
            if kept is None:
                self._waiting.append(exemplar.patch)
            else:
                self.patches.set_image(exemplar.patch, kept)
        self._say_note(_use_note(chosen))
        self.raised.show_expert(expert)
        self._read_next()

    def _read_next(self) -> None:
        if self._waiting and self._images is not None:
            patch = self._waiting[0]
            self._reader.ask((self._images, patch), partial(self._images.read, patch))

    def _on_read(self, token: tuple[PatchImages, int], image: np.ndarray) -> None:
        images, patch = token
        if images is self._images and patch in self._waiting:
            self._waiting.remove(patch)
            self.patches.set_image(patch, image)
            if images.note is not None:
                self._say_note(images.note)
            self._read_next()

    def _on_unreadable(self, token: tuple[PatchImages, int], error: BaseException) -> None:
        images, patch = token
        if images is self._images and patch in self._waiting:
            self._waiting.remove(patch)
            self.patches.set_unreadable(patch)
            self._say_note(f"Some patches could not be read. {sentence(error)}")
            self._read_next()

    def _say_note(self, note: str | None) -> None:
        self.note.setText(f"⚠ {note}" if note else "")
        self.note.setVisible(bool(note))

    def _let_go_of_slide(self) -> None:
        self._reader.forget()
        images, self._images = self._images, None
        if images is not None:
            # It waits for an image that is being read, which the window must not.
            threading.Thread(target=images.close, name="molf-close-slide", daemon=True).start()

    # -- names and looks -------------------------------------------------------------------------------------

    def _on_named(self) -> None:
        if self._run is not None and self.name.text() != self._run.given_names.get(self.expert, ""):
            self._rename(self.expert, self.name.text())

    def _on_names(self) -> None:
        if self._run is None:
            return
        for expert, name in enumerate(self._run.expert_names):
            self.tabs.setTabText(expert, name.replace("&", "&&"))
        with QSignalBlocker(self.name):
            self.name.setText(self._run.given_names.get(self.expert, ""))
        self.patches.set_name(self._run.expert_names[self.expert])
        self.raised.show_expert(self.expert)

    def _on_theme(self, event: object = None) -> None:
        from napari.utils.theme import get_theme

        text = QColor(get_theme(self.desk.viewer.theme).text.as_hex())
        for expert in range(self.tabs.count()):
            self.tabs.setTabIcon(expert, swatch_icon(expert, self.tabs.count(), text))


def _use_note(chosen: list[Exemplar]) -> str | None:
    """What a reader must know of patches that were ranked by the gate's logit: being surest is not being used."""
    unused = sum(not exemplar.used for exemplar in chosen)
    if not unused:
        return None
    return f"{unused} of these {len(chosen)} patches do not use the expert: others are surer of them (marked ×)."

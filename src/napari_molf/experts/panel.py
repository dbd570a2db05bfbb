"""Which expert decided where: switches for the maps, their key, and the names that the user gives."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from superqt.utils import QFlowLayout

from napari_molf.core.load import load_radius
from napari_molf.core.palette import MAX_EXPERTS
from napari_molf.experts.gallery import NAME as GALLERY
from napari_molf.experts.gallery import GalleryPanel
from napari_molf.experts.key import ExpertKey, Use

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.core.view_state import Routing
    from napari_molf.desk.desk import Desk

FILTER = "Names of experts (*.json)"


def uses_of(run: Run) -> list[Use]:
    """How much each expert of a run is used on its slide."""
    scores = run.scores
    count = scores.routing.shape[1]
    patches = max(1, len(scores.top_expert))
    decides = np.bincount(scores.top_expert, minlength=count)[:count] / patches
    return [Use(float(d), float(u)) for d, u in zip(decides, scores.used.sum(axis=0) / patches, strict=True)]


class ExpertPanel(QWidget):
    """Switches for the expert maps; at most one is on, and with none the score is shown.

    Parameters
    ----------
    desk
        What all sections share.

    Signals
    -------
    routing_chosen(object, int)
        ``expert``, ``weight``, ``load``, ``entropy`` or none, and the expert whose weight or load is meant, counted from 0.
    """

    routing_chosen = Signal(object, int)

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self._run: Run | None = None
        self.top = QCheckBox("&top expert")
        self.weight = QCheckBox("&weight")
        self.weight.setToolTip("Map of one expert's weight: how much of each patch's prediction it made, 0 to 1.")
        self.load = QCheckBox("lo&ad")
        self.entropy = QCheckBox("e&ntropy")
        self.entropy.setToolTip("How undecided the gate was: 0 one expert, 1 all experts alike.")
        self.which = QComboBox()
        self.which.setAccessibleName("Expert whose weight or load is shown")
        self.which.setToolTip("The expert whose weight or load is shown.")
        # Names are as long as a user likes; the dock is not.
        self.which.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.which.setMinimumContentsLength(9)
        self._boxes: dict[Routing, QCheckBox] = {
            "expert": self.top, "weight": self.weight, "load": self.load, "entropy": self.entropy,
        }  # fmt: skip
        self.key = ExpertKey()
        self.gallery = QPushButton("Galler&y…")
        self.gallery.setToolTip(
            "The patches that each expert is surest of, and the genes and Hallmarks that are predicted higher where it decides."
        )
        self.names = QPushButton("Nam&es")
        self.names.setToolTip("Give the experts names of your own, and exchange them with colleagues.")
        self._menu = QMenu(self)
        self._rename = self._menu.addAction("&Rename the chosen expert (F2)", self._on_rename)
        self._menu.addAction("&Export names…", self._on_export)
        self._menu.addAction("&Import names…", self._on_import)
        self.names.setMenu(self._menu)
        self._question: QMessageBox | None = None
        self._build()

        for box in self._boxes.values():
            box.toggled.connect(self._on_toggled)
        self.which.currentIndexChanged.connect(self._on_which)
        self.key.expert_chosen.connect(self._on_key)
        self.key.named.connect(self.rename)
        self.gallery.clicked.connect(self.open_gallery)
        desk.presenter.names_changed.connect(self._on_names)
        desk.viewer.events.theme.connect(self._on_theme)
        self._on_theme()
        self.set_run(None)

    def _build(self) -> None:
        one = QWidget()
        pair = QHBoxLayout(one)
        pair.setContentsMargins(0, 0, 0, 0)
        pair.setSpacing(6)
        for part in (self.weight, self.load, self.which):
            pair.addWidget(part)
        switches = QWidget()
        row = QFlowLayout(switches)
        row.setContentsMargins(0, 0, 0, 0)
        row.setHorizontalSpacing(10)
        row.setVerticalSpacing(4)
        row.addWidget(self.top)
        row.addWidget(self.entropy)
        row.addWidget(one)
        buttons = QHBoxLayout()
        buttons.setSpacing(6)
        buttons.addWidget(self.gallery, 1)
        buttons.addWidget(self.names)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(switches)
        layout.addWidget(self.key)
        layout.addLayout(buttons)

    @property
    def chosen(self) -> Routing | None:
        """The map that is switched on."""
        return next((kind for kind, box in self._boxes.items() if box.isChecked()), None)

    def set_run(self, run: Run | None) -> None:
        """Offer the experts of a run; every switch goes off."""
        self._run = run
        count = 0 if run is None else run.scores.routing.shape[1]
        names = () if run is None else run.expert_names
        with QSignalBlocker(self.which):
            self.which.clear()
            self.which.addItems(list(names))
        several = count > 1
        for part in (self.weight, self.load, self.which, self.entropy, self.gallery, self.names):
            part.setEnabled(several)
        self.top.setEnabled(several and count <= MAX_EXPERTS)
        self.top.setToolTip(
            f"{count} experts cannot be told apart by colour; look at one weight at a time."
            if count > MAX_EXPERTS
            else "Colour each patch by the expert that decided most."
        )
        self.load.setToolTip(_load_tip(run))
        self.key.set_experts(names if several else (), uses_of(run) if several and run is not None else ())
        self.key.setVisible(several)
        self.set_chosen(None)

    def set_chosen(self, kind: Routing | None) -> None:
        """Set the switches without speaking."""
        for each, box in self._boxes.items():
            with QSignalBlocker(box):
                box.setChecked(each == kind)

    def rename(self, expert: int, name: str) -> None:
        """Give an expert a name, or its number back if the name is empty; what cannot be kept is said."""
        from molf_engine.errors import MolfError

        if self._run is None:
            return
        try:
            self.desk.presenter.name_experts({**self._run.given_names, expert: name})
        except MolfError as error:
            self.desk.say(str(error))
        else:
            self.desk.say(None)

    def open_gallery(self) -> GalleryPanel:
        """Show the gallery, with the expert that is chosen here."""
        panel = self.desk.open_panel(partial(GalleryPanel, self.desk, self.rename), GALLERY)
        panel.show_expert(max(0, self.which.currentIndex()))
        return panel

    def stop(self) -> None:
        """Let go of the viewer."""
        self.desk.viewer.events.theme.disconnect(self._on_theme)

    # -- maps ------------------------------------------------------------------------------------------------

    def _on_toggled(self, on: bool) -> None:
        sender = self.sender()
        self.set_chosen(next((kind for kind, box in self._boxes.items() if box is sender and on), None))
        self._speak()

    def _on_which(self, index: int) -> None:
        self.key.choose(index)
        if self.chosen in ("weight", "load") and index >= 0:
            self._speak()

    def _on_key(self, expert: int) -> None:
        with QSignalBlocker(self.which):
            self.which.setCurrentIndex(expert)
        if self.chosen != "load":
            self.set_chosen("weight")
        self._speak()

    def _speak(self) -> None:
        self.routing_chosen.emit(self.chosen, max(0, self.which.currentIndex()))

    def _on_theme(self, event: object = None) -> None:
        self.key.set_colours(self.desk.viewer.theme)

    # -- names -----------------------------------------------------------------------------------------------

    def _on_names(self) -> None:
        if self._run is None:
            return
        names = self._run.expert_names
        for expert, name in enumerate(names):
            self.which.setItemText(expert, name)
        if self.key.count():
            self.key.set_names(names)

    def _on_rename(self) -> None:
        item = self.key.item(max(0, self.which.currentIndex()))
        if item is not None:
            self.key.setCurrentItem(item)
            self.key.editItem(item)

    def _on_export(self) -> None:
        from molf_engine.bundle.expert_names import write_names
        from molf_engine.errors import MolfError

        run = self._run
        if run is None:
            return
        path, _ = QFileDialog.getSaveFileName(self, "Export names", f"{run.model}-expert-names.json", FILTER)
        if not path:
            return
        try:
            write_names(Path(path), run.weights_hash, run.given_names, run.model)
        except MolfError as error:
            self.desk.say(str(error))

    def _on_import(self) -> None:
        from molf_engine.bundle.expert_names import read_names
        from molf_engine.errors import MolfError

        run = self._run
        if run is None:
            return
        path, _ = QFileDialog.getOpenFileName(self, "Import names", "", FILTER)
        if not path:
            return
        try:
            names = read_names(Path(path), run.weights_hash, run.scores.routing.shape[1])
        except MolfError as error:
            self.desk.say(str(error))
            return
        if not names:
            self.desk.say(f"{path} holds no names: nothing was changed.")
        elif any(names.get(expert) != name for expert, name in run.given_names.items()):
            self._ask_how(names)
        else:
            self._keep(names)

    def _ask_how(self, names: dict[int, str]) -> None:
        """Names of the user's own are never lost unasked."""
        box = QMessageBox(self)
        box.setIcon(QMessageBox.Icon.Question)
        box.setText("Some experts have names already. Add the imported names to them, or replace them all?")
        box.setInformativeText("Where both name an expert, the imported name is taken.")
        add = box.addButton("&Add", QMessageBox.ButtonRole.AcceptRole)
        replace = box.addButton("&Replace all", QMessageBox.ButtonRole.DestructiveRole)
        box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(add)
        if add is not None and replace is not None:
            add.clicked.connect(partial(self._add, names))
            replace.clicked.connect(partial(self._keep, names))
        self._question = box
        box.open()

    def _add(self, names: dict[int, str], *_: object) -> None:
        if self._run is not None:
            self._keep({**self._run.given_names, **names})

    def _keep(self, names: dict[int, str], *_: object) -> None:
        from molf_engine.errors import MolfError

        try:
            self.desk.presenter.name_experts(names)
        except MolfError as error:
            self.desk.say(str(error))
        else:
            self.desk.say(None)


def _load_tip(run: Run | None) -> str:
    tip = "How much of the tissue around each patch is given to one expert: 1 the whole neighbourhood, 0 none of it."
    if run is None:
        return tip
    per_patch = int(run.scores.adata.uns["molf"]["experts_per_patch"])
    return (
        f"{tip}\nThe share of the patches within {load_radius(run.patches):,.0f} um that use the expert "
        f"(each patch uses {per_patch} of {run.scores.routing.shape[1]}): the load that training balances over all slides, seen locally."
    )

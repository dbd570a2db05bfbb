"""What must stay in sight: who made the map, how good it is, and that it is a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QLabel, QVBoxLayout, QWidget

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from napari_molf.core.run import Run

NOTICE = "Predicted, not measured. Research use only."
SIMULATED = "Simulated tissue: drawn by a program, no patient."
ONLY_SIMULATED = "This model learned from simulated tissue: on a real slide its maps mean nothing."


def card_of(run: Run | None, bundle: Bundle | None) -> str:
    """One line on the model behind the map, or on the one that is chosen while there is no map."""
    if run is not None and run.bundle is None:
        return f"{run.model} · this model is not on this computer, so its card is not known."
    model = run.bundle if run is not None else bundle
    return f"{model.name} · {model.card_line}" if model is not None else "No model yet."


def banner_of(run: Run | None, bundle: Bundle | None, *, simulated: bool) -> str | None:
    """What must be known before anything else; ``simulated``: the slide is."""
    if simulated:
        return SIMULATED
    learned = run.simulated if run is not None else bundle is not None and bundle.config.simulated
    return ONLY_SIMULATED if learned else None


def doubt_of(run: Run | None) -> str | None:
    """How many patches the model has seen nothing like."""
    if run is None or not run.unfamiliar:
        return None
    share = 100 * run.unfamiliar / len(run.patches)
    return f"⚠ {run.unfamiliar:,} patches ({share:.0f} %) look unlike the training slides"


class CardPanel(QFrame):
    """The lines at the foot of the dock, outside what scrolls and folds."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._banner = QLabel()
        self._banner.setObjectName("molf_banner")
        self._doubt = QLabel()
        self._card = QLabel()
        self._card.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._card.setAccessibleName("Model card")
        self._notice = QLabel(NOTICE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 6)
        layout.setSpacing(3)
        for label in self._labels:
            label.setWordWrap(True)
            layout.addWidget(label)
        self._banner.hide()
        self._doubt.hide()

    @property
    def _labels(self) -> tuple[QLabel, ...]:
        return self._banner, self._doubt, self._card, self._notice

    @property
    def text(self) -> str:
        """Everything that is in sight."""
        return "\n".join(label.text() for label in self._labels if not label.isHidden())

    def show_facts(self, run: Run | None, bundle: Bundle | None, *, simulated: bool) -> None:
        """Describe the run on the map, or the model that is chosen; ``simulated``: the slide is."""
        self._card.setText(card_of(run, bundle))
        model = run.bundle if run is not None else bundle
        self._card.setToolTip(_details(model) if model is not None else "")
        for label, text in ((self._banner, banner_of(run, bundle, simulated=simulated)), (self._doubt, doubt_of(run))):
            label.setText(text or "")
            label.setVisible(text is not None)


def _details(bundle: Bundle) -> str:
    config = bundle.config
    lines = [
        config.description,
        f"Held-out: {config.heldout}",
        f"Licence: {config.licence}",
        f"Folder: {bundle.path}",
    ]
    return "\n".join(line for line in lines if line)

"""What must stay in sight: who made the map, how good it is, and that it is a prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_molf.core.skill import score_line, skills_of_run
from napari_molf.core.unfamiliar import sentences, unfamiliar_of

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Score

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
    """What of the slide the model has seen nothing like: all of it, some patches, or nothing to speak of."""
    said = [] if run is None else sentences(unfamiliar_of(run.scores.adata))
    return "⚠ " + "\n".join(said) if said else None


def skill_of(run: Run | None, score: Score | None) -> str | None:
    """How well the model predicts the score on show, in its held-out figures."""
    if run is None or score is None:
        return None
    return score_line(score, skills_of_run(run))


class CardPanel(QFrame):
    """The lines at the foot of the dock, outside what scrolls and folds.

    Signals
    -------
    more_wanted()
        Show all that is known of the model.
    """

    more_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._banner = QLabel()
        self._banner.setObjectName("molf_banner")
        self._doubt = QLabel()
        self._doubt.setAccessibleName("Unlike the training slides")
        self._skill = QLabel()
        self._skill.setAccessibleName("How well this score is predicted")
        self.more = QPushButton("&More…")
        self.more.setToolTip("What this model knows: its training, its genes, its limits.")
        self.more.setAccessibleName("What this model knows")
        self.more.clicked.connect(self._on_more)
        self._card = QLabel()
        self._card.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._card.setAccessibleName("Model card")
        self._notice = QLabel(NOTICE)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 6)
        layout.setSpacing(3)
        for label in self._labels:
            label.setWordWrap(True)
            if label is not self._notice:
                layout.addWidget(label)
        foot = QHBoxLayout()
        foot.addWidget(self._notice, 1)
        foot.addWidget(self.more)
        layout.addLayout(foot)
        for label in (self._banner, self._doubt, self._skill):
            label.hide()

    @property
    def _labels(self) -> tuple[QLabel, ...]:
        return self._banner, self._doubt, self._skill, self._card, self._notice

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

    def show_score(self, run: Run | None, score: Score | None) -> None:
        """Say how well the score on the map is predicted."""
        text = skill_of(run, score)
        self._skill.setText(text or "")
        self._skill.setVisible(text is not None)

    def _on_more(self) -> None:
        self.more_wanted.emit()


def _details(bundle: Bundle) -> str:
    config = bundle.config
    lines = [
        config.description,
        f"Held-out: {config.heldout}",
        f"Licence: {config.licence}",
        f"Folder: {bundle.path}",
    ]
    return "\n".join(line for line in lines if line)

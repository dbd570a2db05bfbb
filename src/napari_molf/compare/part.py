"""The Compare section of the dock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_molf.compare.conductor import Conductor
from napari_molf.compare.difference import DifferenceChoice
from napari_molf.compare.score_list import ScoreList
from napari_molf.core.views import View, Wanted
from napari_molf.desk.part import Part

if TYPE_CHECKING:
    from napari_molf.core.run import Run
    from napari_molf.core.scores import Score
    from napari_molf.desk.desk import Desk


class Compare(Part):
    """Collect scores, look at them side by side, or at what one differs by from another."""

    title = "Compare"

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.scores = ScoreList()
        self.difference = DifferenceChoice()
        self.conductor = Conductor(desk, self.scores.chosen, self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.scores)
        layout.addWidget(self.difference)

        self.scores.add.clicked.connect(self._on_add)
        self.scores.ladder.clicked.connect(self._on_ladder)
        self.scores.changed.connect(self._on_changed)
        self.scores.picked.connect(self.conductor.pick)
        self.scores.side_by_side.toggled.connect(self._on_side_by_side)
        self.scores.shared.toggled.connect(self.conductor.set_shared)
        self.conductor.changed.connect(self._on_conducted)
        self.conductor.picked.connect(self._on_picked)
        self.difference.minus_changed.connect(desk.presenter.set_minus)
        desk.presenter.shown.connect(self._on_shown)
        self.set_run(None)

    def listed(self) -> list[Score]:
        """The scores in the list, each once."""
        return list(dict.fromkeys(wanted.score for wanted in self.scores.chosen.items))

    def set_run(self, run: Run | None) -> None:
        """Another prediction: one map again, and of the chosen scores those that it offers."""
        super().set_run(run)
        self.conductor.close()
        if run is not None:
            self.scores.set_run(run)
            self.difference.set_run(run)
        self._on_changed()

    def stop(self) -> None:
        """Let go of the viewer."""
        self.conductor.stop()

    def _on_add(self) -> None:
        presenter = self.desk.presenter
        if presenter.score is not None:
            self._add(Wanted(presenter.score))

    def _on_ladder(self) -> None:
        presenter = self.desk.presenter
        if presenter.score is not None:
            score = presenter.score
            self._add(*(Wanted(score, guidance) for guidance in self.scores.ladder_scales))

    def _add(self, *wanted: Wanted) -> None:
        self.desk.say(self.scores.chosen.add(*wanted))
        self.scores.refresh(wanted[-1])
        self._on_changed()

    def _on_changed(self) -> None:
        self.difference.offer(self.scores.chosen.items)
        self.conductor.follow()

    def _on_side_by_side(self, on: bool) -> None:
        if on:
            self.conductor.open()
        else:
            self.conductor.close()

    def _on_conducted(self) -> None:
        self.scores.refresh()
        self.scores.set_open(self.conductor.is_open)
        self.difference.offer(self.scores.chosen.items)

    def _on_picked(self, wanted: Wanted) -> None:
        self.scores.refresh(wanted)

    def _on_shown(self, view: View, values: object) -> None:
        self.scores.set_shown(view.score)
        self.difference.set_view(view)

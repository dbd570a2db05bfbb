"""Keeps panels in step with the dock: their scores, the guidance scale, opacity, and what the user does to their layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_molf.compare.chosen import Chosen, shared
from napari_molf.compare.panels import PanelMap, SideBySide
from napari_molf.core.compat import grid
from napari_molf.core.maps import robust_limits
from napari_molf.core.views import Limits, View, Wanted, caption_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_molf.desk.desk import Desk

CLICK_PX = 4
"""A press that moves less than this, screen pixels, is a click and no pan."""


@dataclass(frozen=True)
class _Latest:
    """What is in the panels: the values without a mask, and limits that stay while the guidance scale changes."""

    view: View
    values: tuple[NDArray[np.floating], ...]
    own: dict[Wanted, Limits]


class Conductor(QObject):
    """Shows the chosen scores side by side.

    Parameters
    ----------
    desk
        What the sections of the dock share.
    chosen
        The scores.

    Signals
    -------
    changed()
        The panels opened or closed, or the user deleted one.
    picked(object)
        The user clicked the panel of a :class:`~napari_molf.core.views.Wanted`.
    """

    changed = Signal()
    picked = Signal(object)

    def __init__(self, desk: Desk, chosen: Chosen, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._chosen = chosen
        self._panels = SideBySide(desk.viewer)
        self._latest: _Latest | None = None
        self._shared = False
        self._waiting = False
        # Layers are not to be touched while napari tells about others.
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(0)
        self._soon.timeout.connect(self._tidy)
        presenter = desk.presenter
        presenter.beside_shown.connect(self._on_values)
        presenter.failed.connect(self._on_failed)
        presenter.look_changed.connect(self._on_look)
        presenter.leaving.connect(self.close)

    @property
    def is_open(self) -> bool:
        """Whether panels stand side by side."""
        return self._panels.is_open

    def open(self) -> None:
        """Show them as soon as they are decoded."""
        if not self._chosen.items:
            self._desk.say("Add the shown score to the list first, then another one.")
            self.changed.emit()
            return
        self._waiting = True
        self._desk.presenter.set_beside(self._chosen.items)

    def close(self) -> None:
        """Back to one map, exactly as it was."""
        self._waiting = False
        if not self.is_open:
            return
        self._listen(False)
        presenter = self._desk.presenter
        presenter.set_beside(())
        self._panels.close()
        presenter.hold(False)
        self._latest = None
        self.changed.emit()

    def follow(self) -> None:
        """The list has changed: so do the panels."""
        if not self.is_open:
            return
        if self._chosen.items:
            self._desk.presenter.set_beside(self._chosen.items)
        else:
            self.close()

    def set_shared(self, on: bool) -> None:
        """Limits that hold for every panel of like units, or each its own."""
        self._shared = on
        self._draw()

    def pick(self, wanted: Wanted) -> None:
        """Make a panel's score the current one."""
        self._panels.select(wanted)
        presenter = self._desk.presenter
        if self.is_open and wanted.score != presenter.score:
            presenter.show(wanted.score)

    def stop(self) -> None:
        """The window closes: nothing is put back."""
        self._waiting = False
        self._soon.stop()
        if self.is_open:
            self._listen(False)

    # -- values ----------------------------------------------------------------------------------------------

    def _on_values(self, view: View, values: tuple[NDArray[np.floating], ...]) -> None:
        if not (self._waiting or self.is_open) or view.beside != self._chosen.items:
            return
        before = self._latest
        own: dict[Wanted, Limits] = {}
        # The limits that a panel has are kept for as long as its values mean the same.
        if before is not None and before.view.run_id == view.run_id and before.view.relative == view.relative:
            own = dict(before.own)
        for wanted, each in zip(view.beside, values, strict=True):
            if wanted not in own:
                own[wanted] = robust_limits(each)
        self._latest = _Latest(view, values, own)
        if self.is_open:
            self._draw()
        else:
            self._open()

    def _on_failed(self, _: str) -> None:
        # The dock says why; there is nothing to wait for any more.
        if self._waiting:
            self._waiting = False
            self.changed.emit()

    def _open(self) -> None:
        presenter, layers = self._desk.presenter, self._desk.presenter.layers
        if layers is None:
            return
        self._waiting = False
        self._panels.open(self._maps(), layers.drawing, self._desk.run_slide_layer, layers.opacity)
        presenter.hold(True)
        self._listen(True)
        self.changed.emit()

    def _draw(self) -> None:
        if self.is_open and self._latest is not None:
            self._panels.show(self._maps())

    def _maps(self) -> list[PanelMap]:
        latest, run = self._latest, self._desk.run
        if latest is None or run is None:
            return []
        view = latest.view
        limits = [latest.own[wanted] for wanted in view.beside]
        if self._shared:
            limits = shared(view.beside, limits)
        return [
            PanelMap(wanted, caption_of(wanted, view, run.scores), self._masked(wanted, values), span)
            for wanted, values, span in zip(view.beside, latest.values, limits, strict=True)
        ]

    def _masked(self, wanted: Wanted, values: NDArray[np.floating]) -> NDArray[np.floating]:
        threshold, shown = self._desk.presenter.threshold, self._desk.presenter.score
        # A value means something for scores of like units only; a percentile for all.
        alike = shown is not None and shown.kind == wanted.score.kind
        if threshold is None or not (threshold.percentile or alike):
            return values
        return np.where(threshold.keep(values), values, np.nan)

    def _on_look(self) -> None:
        layers = self._desk.presenter.layers
        if self.is_open and layers is not None:
            self._panels.set_opacity(layers.opacity)
            self._draw()

    # -- what the user does in the viewer --------------------------------------------------------------------

    def _listen(self, on: bool) -> None:
        viewer = self._desk.viewer
        events = (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered)
        for event in (*events, grid(viewer).events.enabled):
            if on:
                event.connect(self._on_layers)
            else:
                event.disconnect(self._on_layers)
        callbacks = viewer.mouse_drag_callbacks
        if on:
            callbacks.append(self.on_press)
        elif self.on_press in callbacks:
            callbacks.remove(self.on_press)

    def _on_layers(self, event: object = None) -> None:
        self._soon.start()

    def _tidy(self) -> None:
        if not self.is_open:
            return
        gone = self._panels.missing()
        if self._panels.disturbed or len(gone) == len(self._panels.wanted):
            self.close()
            return
        for wanted in gone:
            self._chosen.remove(wanted)
        if gone and self._latest is not None:
            left = [place for place, wanted in enumerate(self._latest.view.beside) if wanted not in gone]
            view = replace(self._latest.view, beside=tuple(self._latest.view.beside[place] for place in left))
            self._latest = replace(self._latest, view=view, values=tuple(self._latest.values[place] for place in left))
            self._draw()
            self._desk.presenter.set_beside(self._chosen.items)
            self.changed.emit()
        self._panels.arrange()

    def on_press(self, viewer: Any, event: Any) -> Iterator[None]:
        """A click on a panel makes its score the current one; a drag still pans all of them."""
        cell, start = viewer.cursor.viewbox, np.asarray(event.pos)
        farthest = 0.0
        yield
        while event.type == "mouse_move":
            farthest = max(farthest, float(np.abs(np.asarray(event.pos) - start).max()))
            yield
        wanted = self._panels.at(cell)
        if wanted is not None and farthest < CLICK_PX:
            self.pick(wanted)
            self.picked.emit(wanted)

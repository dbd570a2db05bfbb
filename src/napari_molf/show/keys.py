"""Keys that work while the canvas has the focus, so that the eye need not leave the slide.

All of them are letters that napari 0.9 and its layers leave free.  A key that somebody else has taken stays theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_molf.desk.bindings import KeyBindings

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from napari_molf.desk.presenter import Presenter
    from napari_molf.show.panel import ShowPanel

GUIDANCE_STEP = 0.5


@dataclass(frozen=True)
class Shortcut:
    """A key, as napari writes it, and what it does, in words."""

    key: str
    what: str

    @property
    def text(self) -> str:
        """The key as it is written for a reader."""
        return self.key.replace("-", "+")


NEXT = Shortcut("N", "next score of what was found")
PREVIOUS = Shortcut("Shift-N", "previous score of what was found")
BACK = Shortcut("U", "back to the score shown before")
KEEP = Shortcut("K", "keep: mark the score with a star, or take it away")
BLINK = Shortcut("H", "H&E alone, and the map again")
MORE = Shortcut("G", f"more guidance, by {GUIDANCE_STEP}")
LESS = Shortcut("Shift-G", f"less guidance, by {GUIDANCE_STEP}")
SHORTCUTS = (NEXT, PREVIOUS, BACK, KEEP, BLINK, MORE, LESS)


class CanvasKeys:
    """Binds the keys to a viewer.

    Parameters
    ----------
    viewer
        Whose canvas.
    panel
        The Show section, which the keys work like a hand would.
    presenter
        Whose map comes and goes.
    """

    def __init__(self, viewer: ViewerModel, panel: ShowPanel, presenter: Presenter) -> None:
        self._viewer = viewer
        self._panel = panel
        self._presenter = presenter
        self._hidden: list[Layer] = []
        self._bindings = KeyBindings(viewer)
        for shortcut, action in (
            (NEXT, self._next),
            (PREVIOUS, self._previous),
            (BACK, self._back),
            (KEEP, self._keep),
            (BLINK, self._blink),
            (MORE, self._more),
            (LESS, self._less),
        ):
            self._bindings.bind(shortcut.key, action, shortcut.what)

    @property
    def bound(self) -> tuple[str, ...]:
        """The keys that are ours."""
        return self._bindings.keys

    def stop(self) -> None:
        """Give the keys back."""
        self._bindings.release()
        self._hidden = []

    def _next(self, viewer: ViewerModel) -> None:
        if self._panel.isEnabled():
            self._panel.search.step(1)

    def _previous(self, viewer: ViewerModel) -> None:
        if self._panel.isEnabled():
            self._panel.search.step(-1)

    def _back(self, viewer: ViewerModel) -> None:
        if self._panel.isEnabled():
            self._panel.search.back()

    def _keep(self, viewer: ViewerModel) -> None:
        search = self._panel.search
        if self._panel.isEnabled() and search.current is not None:
            search.toggle_favourite()
            starred = search.shelf.is_favourite(search.current)
            viewer.status = f"{search.current.name} {'has a star now' if starred else 'has no star any more'}"

    def _blink(self, viewer: ViewerModel) -> None:
        layers = self._presenter.layers
        if layers is None:
            return
        shown = [layer for layer in layers.all() if layer.visible]
        if shown:
            self._hidden = shown
            for layer in shown:
                layer.visible = False
            return
        there = [layer for layer in self._hidden if layer in layers.all()]
        score = layers.layer("score")
        for layer in there or ([score] if score is not None else []):
            layer.visible = True

    def _more(self, viewer: ViewerModel) -> None:
        if self._panel.isEnabled():
            self._panel.guidance.step(GUIDANCE_STEP)

    def _less(self, viewer: ViewerModel) -> None:
        if self._panel.isEnabled():
            self._panel.guidance.step(-GUIDANCE_STEP)

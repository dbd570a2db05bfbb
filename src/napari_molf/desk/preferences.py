"""What a user has set under napari's Preferences, where napari has a page for plugins (0.9 and later)."""

from __future__ import annotations

import logging
from dataclasses import dataclass

PLUGIN = "napari-molf"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Preferences:
    """How the dock begins.

    Attributes
    ----------
    remember
        Whether it goes on as in the last session.
    opacity
        Opacity of the maps, 0 to 1, where it does not.
    model
        Name of the model that is offered first, where it does not; empty: the one that fits the slide.
    """

    remember: bool = True
    opacity: float = 0.7
    model: str = ""


def preferences() -> Preferences:
    """What is set now; the defaults where napari has no such page, or its file is damaged."""
    try:
        from napari.settings import get_plugin_settings
    except ImportError:
        return Preferences()
    try:
        start = get_plugin_settings(PLUGIN).start
        return Preferences(bool(start.remember), int(start.opacity) / 100, str(start.model))
    except (KeyError, AttributeError, ValueError) as error:
        _log.info("napari has no preferences of %s: %s", PLUGIN, error)
        return Preferences()

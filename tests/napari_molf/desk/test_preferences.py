"""Preferences that napari keeps for the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication, QDialog, QLabel, QListWidget

from napari_molf.desk.preferences import PLUGIN, Preferences, preferences

ROOT = Path(__file__).resolve().parents[3]
settings = pytest.importorskip("napari.settings")
pytestmark = pytest.mark.skipif(
    not hasattr(settings, "get_plugin_settings"), reason="this napari has no preferences for plugins"
)


@pytest.fixture
def registered(npe2pm, plugin_settings) -> None:
    npe2pm.register(PluginManifest.from_file(ROOT / "napari.yaml"))


def test_without_the_plugin_in_napari_they_are_the_defaults(plugin_settings) -> None:
    assert preferences() == Preferences()


def test_the_manifest_and_the_defaults_agree(registered) -> None:
    assert settings.get_plugin_settings(PLUGIN).start is not None
    assert preferences() == Preferences()


def test_what_is_set_in_napari_is_read(registered) -> None:
    start = settings.get_plugin_settings(PLUGIN).start
    start.remember, start.opacity, start.model = False, 40, "starter"
    assert preferences() == Preferences(False, 0.4, "starter")


def test_napari_shows_them_on_a_page_of_its_preferences(qtbot, viewer, registered) -> None:
    menu = viewer.window.file_menu
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if "Preferences" in action.text()).trigger()
    dialog = next(each for each in QApplication.topLevelWidgets() if isinstance(each, QDialog) and each.isVisible())
    pages = dialog.findChild(QListWidget)
    (page,) = pages.findItems("MoLF", Qt.MatchFlag.MatchExactly)
    pages.setCurrentItem(page)
    said = {label.text() for label in dialog.findChildren(QLabel) if label.isVisible()}
    assert {"Opacity of the maps (%)", "Model"} <= said
    dialog.reject()

"""The demo and what napari offers, in processes of their own: the installed plug-in, a real window, a real prediction."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from tests.napari_molf.conftest import Tiny

MENUS = """
import napari
from qtpy.QtWidgets import QApplication

viewer = napari.Viewer(show=True)
QApplication.processEvents()

def walk(menu, path):
    menu.aboutToShow.emit()
    for action in menu.actions():
        here = [*path, action.text().replace("&", "")]
        if action.menu() is None:
            print(" > ".join(here))
        else:
            walk(action.menu(), here)

for action in viewer.window._qt_window.menuBar().actions():
    if action.menu() is not None:
        walk(action.menu(), [action.text().replace("&", "")])
viewer.close()
"""

DEMO = """
import sys
from pathlib import Path
import napari_molf._sample as sample

sample.demo_slide_path = lambda: Path(sys.argv[1])
from napari_molf.demo import main

sys.exit(main(["--screenshot", sys.argv[2]]))
"""


@pytest.fixture(autouse=True)
def _installed() -> None:
    try:
        metadata.distribution("napari-molf")
    except metadata.PackageNotFoundError:
        pytest.skip("needs the plug-in installed: pip install -e .")


def run(code: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_widget_is_in_plugins_and_in_layers_and_the_sample_in_file(qapp) -> None:
    offered = run(MENUS).splitlines()
    assert any(line.startswith("Plugins > Predict expression") for line in offered)
    assert any(line.startswith("Layers > Measure > Predict expression") for line in offered)
    assert any(line.startswith("File > Open Sample > Simulated slide (MoLF)") for line in offered)


def test_the_demo_leaves_a_picture_of_its_window(qapp, installed: Tiny, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    picture = tmp_path / "demo.png"
    run(DEMO, installed.slide, picture)
    image = np.asarray(Image.open(picture))[..., :3].astype(int)
    assert image.shape[0] > 600 and image.shape[1] > 900
    # Somewhere on the slide lies the yellow end of viridis, which neither tissue nor window has.
    yellow = (image[..., 0] > 180) & (image[..., 1] > 180) & (image[..., 2] < 110)
    assert yellow.sum() > 200

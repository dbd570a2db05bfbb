"""``python -m napari_molf.demo``: napari with the simulated slide, its prediction and the overlays.

With ``--screenshot PICTURE`` the window closes itself once the prediction is on the map, and leaves its picture.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_molf._widget import PredictWidget

_log = logging.getLogger("napari_molf.demo")

PATIENCE_SECONDS = 600.0
WINDOW = (1500, 950)


def open_window(slide: Path | None = None) -> tuple[Viewer, PredictWidget]:
    """Open napari with a slide, the simulated one if none is given, and the dock.

    Parameters
    ----------
    slide
        Any slide file.
    """
    import napari

    from napari_molf._reader import read_slide
    from napari_molf._sample import demo_slide

    viewer = napari.Viewer(title="MoLF")
    viewer.window.resize(*WINDOW)
    for data, arguments, _ in demo_slide() if slide is None else read_slide(str(slide)):
        viewer.add_image(data, **arguments)
    _, dock = viewer.window.add_plugin_dock_widget("napari-molf", "Predict expression")
    # Only now is the canvas as narrow as the dock leaves it.
    settle()
    viewer.reset_view()
    return viewer, dock


def predict_when_ready(dock: PredictWidget) -> None:
    """Press Predict as soon as the models of this machine are listed."""
    from qtpy.QtCore import QTimer

    if dock.form.bundle is not None and dock.form.um_per_pixel is not None:
        dock.row.predict.click()
    elif not dock.row.error:
        QTimer.singleShot(100, lambda: predict_when_ready(dock))


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Let the window live until a condition holds; whether it came to hold in time."""
    from qtpy.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        QApplication.processEvents()
        time.sleep(0.01)
    return True


def settle(seconds: float = 0.5) -> None:
    """Let the window draw what it has been told."""
    wait_until(lambda: False, seconds)


def take_picture(viewer: Viewer, path: Path) -> None:
    """Write a picture of the whole window."""
    settle()
    path.parent.mkdir(parents=True, exist_ok=True)
    viewer.screenshot(str(path), canvas_only=False, flash=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m napari_molf.demo", description=__doc__)
    parser.add_argument("--screenshot", type=Path, help="leave a picture of the window here and close it")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    _log.info("opening the simulated slide; the first time it is drawn, which takes a moment")

    import napari

    viewer, dock = open_window()
    predict_when_ready(dock)
    if options.screenshot is None:
        napari.run()
        return 0
    done = wait_until(lambda: dock.presenter.values is not None or bool(dock.row.error))
    if done and not dock.row.error:
        take_picture(viewer, options.screenshot)
        _log.info("wrote %s", options.screenshot)
    else:
        _log.error("no prediction: %s", dock.row.error or f"it was not done after {PATIENCE_SECONDS:.0f} s")
    code = 0 if done and not dock.row.error else 1
    viewer.close()
    return code


if __name__ == "__main__":
    sys.exit(main())

"""Pictures of the viewer, taken from a real window: ``python docs/screenshots.py OUT_FOLDER [SLIDE]``.

Writes ``demo.png`` (the simulated slide) and, on SLIDE or else on the simulated slide again, ``section.png`` (a Hallmark), ``gene.png``,
``experts.png``, and ``dock-dark.png`` and ``dock-light.png`` (the dock at 280 px).  With no display it starts a virtual one (Xvfb).
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_molf._widget import PredictWidget
    from napari_molf.core.scores import Score

log = logging.getLogger("screenshots")

NARROW = 280
ROOT = Path(__file__).resolve().parents[1]


def predict(slide: Path | None, um_per_pixel: float | None) -> tuple[Viewer, PredictWidget]:
    """A window whose prediction is on the map."""
    from napari_molf.demo import open_window, wait_until

    viewer, dock = open_window(slide)
    viewer.theme = "dark"
    wait_until(lambda: dock.form.bundle is not None)
    if um_per_pixel is not None:
        dock.form.um.value = f"{um_per_pixel:g}"
    dock.row.predict.click()
    wait_until(lambda: dock.presenter.values is not None or bool(dock.row.error))
    if dock.row.error:
        raise SystemExit(dock.row.error)
    return viewer, dock


def best_gene(dock: PredictWidget) -> Score:
    """The gene with the highest held-out correlation."""
    from napari_molf.core.scores import Score

    def skill(name: str) -> float:
        pcc = run.scores.genes[name].heldout_pcc
        return -2.0 if math.isnan(pcc) else pcc

    run = dock.presenter.run
    assert run is not None
    return Score("gene", max(run.scores.genes, key=skill))


def show(dock: PredictWidget, score: Score) -> None:
    """Put a score on the map and wait until it is there."""
    from napari_molf.demo import settle, wait_until

    dock.presenter.values = None
    dock.presenter.show(score)
    wait_until(lambda: dock.presenter.values is not None)
    settle()


def look_closer(viewer: Viewer, dock: PredictWidget) -> None:
    """Let the predicted tissue fill the canvas."""
    run = dock.presenter.run
    assert run is not None
    centres, margin = run.patches.centres, 2 * run.patches.scale[0]
    low, high = centres.min(axis=0) - margin, centres.max(axis=0) + margin
    height, width = viewer.canvas.size
    viewer.scene.camera.center = tuple((low + high) / 2)
    viewer.scene.camera.zoom = min(height / (high - low)[0], width / (high - low)[1])


def rest_pointer(viewer: Viewer, dock: PredictWidget) -> None:
    """Rest the pointer on the patch with the highest value, so that the dock reads it."""
    run, values = dock.presenter.run, dock.presenter.values
    assert run is not None and values is not None
    viewer.cursor.position = tuple(run.patches.centres[int(values.argmax())])
    dock.readout.on_move(viewer, None)


def narrow_dock(viewer: Viewer, dock: PredictWidget, theme: str, path: Path) -> None:
    """Picture of the dock alone, 280 px wide, in a theme."""
    from napari_molf.demo import settle

    viewer.theme = theme
    dock.setFixedWidth(NARROW)
    dock.setMinimumHeight(dock.sizeHint().height())
    settle()
    dock.grab().save(str(path))


def pictures(folder: Path, slide: Path | None, um_per_pixel: float | None) -> None:
    """Take them all."""
    from napari_molf.core.scores import Score
    from napari_molf.demo import take_picture

    folder.mkdir(parents=True, exist_ok=True)
    viewer, dock = predict(None, None)
    rest_pointer(viewer, dock)
    take_picture(viewer, folder / "demo.png")
    if slide is not None:
        viewer.close()
        viewer, dock = predict(slide, um_per_pixel)
    look_closer(viewer, dock)
    show(dock, Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"))
    rest_pointer(viewer, dock)
    take_picture(viewer, folder / "section.png")
    show(dock, best_gene(dock))
    rest_pointer(viewer, dock)
    take_picture(viewer, folder / "gene.png")
    dock.experts.top.click()
    take_picture(viewer, folder / "experts.png")
    for theme in ("dark", "light"):
        narrow_dock(viewer, dock, theme, folder / f"dock-{theme}.png")
    viewer.close()


def main() -> None:
    """Parse the command line; without a display, start again on a virtual one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out_folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("slide", nargs="?", type=Path, help="a real slide")
    parser.add_argument("--um-per-pixel", type=float, help="of a slide that does not say it")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("There is no display, and no xvfb-run to make one. Try: sudo apt-get install xvfb")
        screen = "-screen 0 1600x1200x24 +extension GLX"
        command = [xvfb, "-a", "-s", screen, sys.executable, *sys.argv]
        raise SystemExit(subprocess.call(command, env={**os.environ, "QT_QPA_PLATFORM": "xcb"}))
    pictures(options.out_folder, options.slide, options.um_per_pixel)
    log.info("pictures are in %s", options.out_folder)


if __name__ == "__main__":
    main()

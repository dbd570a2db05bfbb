"""A walk through everything the viewer does, in a real window, which leaves the pictures of the documentation.

    python docs/tour.py SECTION OUT_FOLDER [--chapters compare regions]

SECTION is a slide in the layout of HEST-1k (``wsis/ID.tif`` with ``st/ID.h5ad`` beside its folder), so that measured spots can be shown.
Every step is taken as a person takes it: buttons are clicked and keys are typed.  With no display it starts a virtual one (Xvfb).
A chapter that does not find what it expects stops the tour with a message, so a tour that ends has shown that all of it works.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from napari.viewer import Viewer
    from qtpy.QtWidgets import QWidget

    from napari_molf._widget import PredictWidget
    from napari_molf.core.scores import Score

log = logging.getLogger("tour")

NARROW = 280
ROOT = Path(__file__).resolve().parents[1]
DIALOGS = "qtpy.QtWidgets.QFileDialog"


class Tour:
    """A window with a slide, the dock, and a folder for pictures."""

    def __init__(self, section: Path, pictures: Path, scratch: Path) -> None:
        self.section = section
        self.pictures = pictures
        self.scratch = scratch
        self.viewer: Viewer
        self.dock: PredictWidget

    # -- what a person can do --------------------------------------------------------------------------------

    def open(self, slide: Path | None) -> None:
        """Open a window with a slide; none: the simulated one."""
        from napari_molf.demo import open_window

        self.viewer, self.dock = open_window(slide)
        self.viewer.theme = "dark"
        self.wait("a model", lambda: self.dock.form.bundle is not None)

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()

    def wait(self, what: str, condition: Callable[[], bool], seconds: float = 300) -> None:
        """Let the window live until a condition holds.

        Raises
        ------
        SystemExit
            If it does not in time, or the dock says that something went wrong.
        """
        from napari_molf.demo import wait_until

        if not wait_until(lambda: condition() or bool(self.dock.row.error), seconds):
            raise SystemExit(f"There was no {what} after {seconds:.0f} s.")
        if self.dock.row.error:
            raise SystemExit(f"While waiting for {what}: {self.dock.row.error}")

    def click(self, button: Any) -> None:
        """Click in the middle of something."""
        from qtpy.QtCore import QPoint, Qt
        from qtpy.QtTest import QTest

        self.see(button)
        # A check box is wider than what of it can be clicked.
        where = QPoint(8, button.height() // 2) if hasattr(button, "isTristate") else button.rect().center()
        QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=where)
        self.rest(0.2)

    def type(self, target: Any, text: str) -> None:
        """Type a text."""
        from qtpy.QtTest import QTest

        QTest.keyClicks(target, text)
        self.rest(0.3)

    def press(self, target: Any, key: str) -> None:
        """Press one key, by its name in ``Qt.Key``."""
        from qtpy.QtCore import Qt
        from qtpy.QtTest import QTest

        QTest.keyClick(target, getattr(Qt.Key, f"Key_{key}"))
        self.rest(0.3)

    def rest(self, seconds: float = 0.5) -> None:
        """Let the window draw what it has been told."""
        from napari_molf.demo import settle

        settle(seconds)

    def see(self, part: QWidget) -> None:
        """Scroll the dock to a part of it."""
        from qtpy.QtWidgets import QScrollArea

        area = self.dock.findChild(QScrollArea)
        if area is not None and area.isAncestorOf(part):
            area.ensureWidgetVisible(part)
            self.rest(0.1)

    def show(self, score: Score) -> None:
        """Put a score on the map and wait until it is there."""
        presenter = self.dock.presenter
        presenter.show(score)
        self.wait(score.name, lambda: presenter.view is not None and presenter.view.score == score)
        self.rest()

    def part(self, title: str) -> Any:
        """A section of the dock, unfolded; the others but Show are folded."""
        for name, section in self.dock.sections.items():
            section.fold(name not in (title, "show"))
        self.rest(0.2)
        content = self.dock.sections[title].content
        self.see(content)
        return content

    def look_closer(self) -> None:
        """Let the predicted tissue fill the canvas."""
        from napari_molf.core.compat import camera, canvas_size

        run = self.dock.presenter.run
        assert run is not None
        centres, margin = run.patches.centres, 2 * run.patches.scale[0]
        low, high = centres.min(axis=0) - margin, centres.max(axis=0) + margin
        height, width = canvas_size(self.viewer)
        camera(self.viewer).center = tuple((low + high) / 2)
        camera(self.viewer).zoom = min(height / (high - low)[0], width / (high - low)[1])
        self.rest()

    def rest_pointer(self) -> None:
        """Rest the pointer on the patch with the highest value, so that the dock reads it."""
        run, values = self.dock.presenter.run, self.dock.presenter.values
        assert run is not None and values is not None
        self.viewer.cursor.position = tuple(run.patches.centres[int(values.argmax())])
        self.dock.readout.on_move(self.viewer, None)

    def picture(self, name: str, *, screen: bool = False) -> None:
        """Keep a picture of the window; of the whole screen if something has opened over it."""
        from PIL import Image

        self.rest(1)
        raw = self.scratch / f"{name}.png"
        if screen:
            display = self.dock.screen()
            assert display is not None
            window = self.dock.window().frameGeometry()
            display.grabWindow(0, window.x(), window.y(), window.width(), window.height()).save(str(raw))
        else:
            self.viewer.screenshot(str(raw), canvas_only=False, flash=False)
        with Image.open(raw) as image:
            # A photograph with writing on it: a third of a PNG, without a coloured fringe round the letters.
            image.convert("RGB").save(self.pictures / f"{name}.jpg", quality=88, subsampling=0)
        log.info("%s.jpg", name)

    def answering(self, dialog: str, answer: Any) -> Any:
        """Answer the next file dialog: ``getSaveFileName``, ``getOpenFileName`` or ``getExistingDirectory``."""
        return patch(f"{DIALOGS}.{dialog}", lambda *_, **__: answer)


def check(holds: bool, what: str) -> None:
    """Stop the tour if something is not as it should be."""
    if not holds:
        raise SystemExit(f"Not as it should be: {what}.")


# -- chapters --------------------------------------------------------------------------------------------------


def first_steps(tour: Tour) -> None:
    """A window with nothing in it, the sample, Predict."""
    import napari

    tour.viewer = napari.Viewer(title="MoLF")
    tour.viewer.window.resize(1500, 950)
    tour.viewer.theme = "dark"
    _, tour.dock = tour.viewer.window.add_plugin_dock_widget("napari-molf", "Predict expression")
    tour.wait("a model", lambda: tour.dock.form.bundle is not None)
    check(tour.dock.first_steps.isVisible(), "the first steps are shown to a new user")
    tour.picture("first-steps")
    tour.click(tour.dock.first_steps.open_sample)
    tour.wait("the simulated slide", lambda: tour.dock.form.info is not None)
    tour.viewer.reset_view()
    tour.click(tour.dock.row.predict)
    tour.wait("a map", lambda: tour.dock.presenter.values is not None)
    tour.rest_pointer()
    tour.picture("demo")
    tour.close()


def predict(tour: Tour) -> None:
    """A real section, a Hallmark and a gene; guidance moves and limits stay."""
    from napari_molf.core.drawing import limits_of
    from napari_molf.core.scores import Score

    tour.open(tour.section)
    tour.click(tour.dock.row.predict)
    tour.wait("a map", lambda: tour.dock.presenter.values is not None)
    tour.look_closer()
    tour.show(Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"))
    tour.rest_pointer()
    tour.picture("section")
    layers = tour.dock.presenter.layers
    assert layers is not None
    limits = limits_of(layers.layer("score"))
    track = tour.dock.show_panel.guidance.focusProxy()
    for _ in range(4):
        tour.press(track, "PageUp")
    tour.wait("the map at guidance 5", lambda: tour.dock.presenter.view.guidance == 5)
    check(limits_of(layers.layer("score")) == limits, "limits stay while the slider moves")
    tour.dock.show_panel.guidance.reset()
    tour.rest()


def find(tour: Tour) -> None:
    """A gene by an old name, a star, what varies most here."""
    search = tour.dock.show_panel.search
    tour.dock.sections["predict"].fold(False)
    search.select_text()
    tour.type(search.focusProxy(), "HER2")
    tour.picture("search", screen=True)
    tour.press(tour.dock.focusWidget() or search.focusProxy(), "Return")
    tour.wait("ERBB2", lambda: search.current is not None and search.current.name == "ERBB2")
    tour.click(search.star)
    tour.click(search.drop_down)
    tour.rest(2)
    tour.picture("most-variable", screen=True)
    tour.press(search.focusProxy(), "Escape")
    tour.rest_pointer()
    tour.picture("gene")
    tour.click(tour.dock.show_panel.copy_command)
    from qtpy.QtGui import QGuiApplication

    clipboard = QGuiApplication.clipboard()
    check(clipboard is not None and clipboard.text().startswith("molf-engine predict"), "the command was copied")


def compare(tour: Tour) -> None:
    """Four scores side by side, a difference, a threshold, a smooth map."""
    from napari_molf.core.scores import Score

    part = tour.part("compare")
    for kind, name in (
        ("gene", "ERBB2"),
        ("gene", "EPCAM"),
        ("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"),
        ("hallmark", "HYPOXIA"),
    ):
        tour.show(Score(kind, name))
        tour.click(part.scores.add)
    tour.click(part.scores.side_by_side)
    tour.wait("panels", lambda: part.conductor.is_open)
    tour.rest(2)
    tour.picture("side-by-side")
    tour.click(part.scores.side_by_side)
    tour.show(Score("hallmark", "HYPOXIA"))
    part.difference.what.setCurrentText("itself at guidance")
    tour.dock.presenter.set_guidance(5)
    tour.wait("a difference", lambda: tour.dock.presenter.view.minus is not None)
    tour.picture("difference")
    part.difference.what.setCurrentText("nothing")
    tour.dock.presenter.set_guidance(1)
    tour.dock.show_panel.guidance.set_value(1)
    tour.rest()
    tour.click(tour.dock.show_panel.display.smooth)
    tour.click(tour.dock.show_panel.display.only)
    check("%" in tour.dock.show_panel.display.said.text(), "the share of patches is said")
    tour.picture("smooth-and-threshold")
    tour.click(tour.dock.show_panel.display.only)
    tour.click(tour.dock.show_panel.display.smooth)


def measured(tour: Tour) -> None:
    """Measured spots over the same slide, and how well they agree."""
    from napari_molf.core.scores import Score

    part = tour.part("measured")
    tour.wait("measured spots beside the slide", lambda: part.controls.path is not None)
    tour.click(part.controls.found)
    tour.show(Score("gene", "ERBB2"))
    tour.wait("the correlation", lambda: "PCC" in part.controls.text)
    tour.click(part.controls.details)
    tour.rest(2)
    tour.see(part)
    tour.picture("measured")
    tour.click(part.controls.swap)
    tour.click(part.controls.swap)
    part.controls.radios["predicted"].click()
    tour.viewer.layers.remove(part.spots.layer)
    tour.dock.desk.close_panels()
    tour.rest()


def trust(tour: Tour) -> None:
    """Spread over draws, fading, patches unlike training, and what the model knows."""
    from napari_molf.core.scores import Score

    part = tour.part("trust")
    tour.show(Score("gene", "EPCAM"))
    layers = tour.dock.presenter.layers
    assert layers is not None
    tour.click(part.row.button)
    tour.wait("the spread", lambda: layers.layer("spread") is not None)
    tour.picture("spread")
    tour.click(part.fade)
    tour.wait("the faded map", lambda: layers.layer("faded") is not None)
    tour.picture("faded")
    tour.click(part.fade)
    tour.click(part.unlike)
    tour.picture("unlike-training")
    tour.click(part.unlike)
    tour.click(part.known)
    panel: Any = tour.dock.desk.panel("What this model knows")
    panel.tabs.setCurrentIndex(1)
    tour.picture("what-the-model-knows")
    tour.dock.desk.close_panels()
    tour.rest()


def experts(tour: Tour) -> None:
    """Top expert with a name, the gallery, what an expert raises."""
    import numpy as np

    dock = tour.dock
    for name, section in dock.sections.items():
        section.fold(name not in ("show", "experts"))
    tour.click(dock.experts.top)
    run = dock.presenter.run
    assert run is not None
    used = int(np.bincount(run.scores.top_expert).argmax())
    dock.experts.rename(used, "tumour nest")
    tour.picture("experts")
    tour.click(dock.experts.gallery)
    gallery: Any = dock.desk.panel("Experts")
    gallery.show_expert(used)
    tour.wait("the gallery", lambda: gallery.complete and gallery.raised.raised is not None)
    tour.click(gallery.spread)
    tour.wait("the gallery", lambda: gallery.complete)
    gallery.go_to(gallery.patches.exemplars[0].patch)
    tour.rest()
    tour.picture("gallery")
    dock.experts.rename(used, "")
    dock.desk.close_panels()
    tour.click(dock.experts.top)
    tour.rest()
    tour.look_closer()


def regions(tour: Tour) -> None:
    """Two drawn regions, imported ones, a table, a comparison."""
    import numpy as np

    from napari_molf.core.scores import Score

    part = tour.part("regions")
    run = tour.dock.presenter.run
    assert run is not None
    tour.show(Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"))
    low, high = run.patches.centres.min(axis=0), run.patches.centres.max(axis=0)
    pixels = 1 / run.patches.pixel_size
    features = []
    for name, kind, centre, radius, colour in (
        ("nest", "Tumor", (0.62, 0.66), 0.2, (200, 0, 0)),
        ("fat", "Adipose", (0.62, 0.12), 0.16, (0, 90, 200)),
    ):
        angle = np.linspace(0, 2 * np.pi, 40)
        y, x = low + (high - low) * centre
        size = radius * (high - low).min()
        ring = np.column_stack([x + size * np.cos(angle), y + size * np.sin(angle)]) * pixels
        said = {"objectType": "annotation", "name": name, "classification": {"name": kind, "color": colour}}
        geometry = {"type": "Polygon", "coordinates": [ring.tolist()]}
        features.append({"type": "Feature", "geometry": geometry, "properties": said})
    drawn = tour.scratch / "regions.geojson"
    drawn.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    with tour.answering("getOpenFileName", (str(drawn), "")):
        tour.click(part.import_button)
    tour.dock.show_panel.relative.click()
    tour.wait("regions", lambda: len(part.rows.regions) == 2 and bool(part.rows.run_id))
    tour.see(part)
    tour.picture("regions")
    tour.click(part.table_button)
    tour.rest(2)
    tour.picture("regions-table")
    tour.dock.desk.close_panels()
    tour.click(part.compare_button)
    panel: Any = tour.dock.desk.panel("Regions: compare")
    panel.a.setCurrentText("fat")
    panel.b.setCurrentText("the rest of the tissue")
    tour.click(panel.run_button)
    tour.wait("a comparison", lambda: panel.volcano.picture is not None)
    tour.see(part)
    tour.picture("regions-compare")
    with tour.answering("getSaveFileName", (str(tour.scratch / "again.geojson"), "")):
        tour.click(part.export_button)
    tour.wait("exported regions", (tour.scratch / "again.geojson").exists)
    tour.dock.desk.close_panels()
    tour.rest()


def take_along(tour: Tour) -> None:
    """Every format that is at hand, and the picture in the clipboard."""
    from importlib.util import find_spec

    from qtpy.QtGui import QGuiApplication

    from molf_engine.export import FORMATS

    part = tour.part("take along")
    for index, form in enumerate(FORMATS):
        if form.key == "spatialdata" and find_spec("spatialdata") is None:
            continue
        part.formats.setCurrentIndex(index)
        target = tour.scratch / "exports" / f"result-{form.key}{form.suffix}"
        target.parent.mkdir(exist_ok=True)
        with tour.answering("getSaveFileName", (str(target), "")):
            tour.click(part.export)
        tour.wait(form.name, lambda: not part.exporter.running)
        check(target.exists(), f"{target.name} was written")
        if form.key == "html":
            tour.picture("take-along")
    shutil.copy(tour.scratch / "exports" / "result-png.png", tour.pictures / "figure.png")
    tour.click(part.copy)
    clipboard = QGuiApplication.clipboard()
    assert clipboard is not None
    tour.wait("the picture in the clipboard", lambda: not clipboard.image().isNull())


def session(tour: Tour) -> None:
    """Save all of it, clear the window, open it again."""
    part = tour.part("session")
    folder = tour.scratch / "section.molf"
    score = tour.dock.presenter.score
    with tour.answering("getSaveFileName", (str(folder), "")):
        tour.click(part.save)
    tour.wait("the session", folder.exists)
    tour.viewer.layers.clear()
    with tour.answering("getExistingDirectory", str(folder)):
        tour.click(part.open)
    tour.wait("the session", lambda: len(tour.viewer.layers) >= 3)
    tour.rest(1)
    check(tour.dock.presenter.score == score, "the score is there again")
    check(len(tour.dock.sections["regions"].content.rows.regions) == 2, "the regions are there again")


def queue(tour: Tour) -> None:
    """A second slide, both predicted one after the other."""
    from napari_molf._reader import read_slide

    copy = tour.scratch / "second.tif"
    shutil.copy(tour.section, copy)
    for data, arguments, _ in read_slide(str(copy)):
        tour.viewer.add_image(data, **arguments)
    part = tour.part("queue")
    tour.click(part.start)
    tour.rest(2)
    tour.see(part.table)
    tour.picture("queue")
    tour.wait("both slides", lambda: "2 of 2 slides done" in part.text)
    tour.close()


def looks(tour: Tour) -> None:
    """The dock at 280 px in both themes, and the help."""
    tour.open(tour.section)
    tour.click(tour.dock.row.predict)
    tour.wait("a map", lambda: tour.dock.presenter.values is not None)
    for theme in ("dark", "light"):
        tour.viewer.theme = theme
        tour.dock.setFixedWidth(NARROW)
        tour.dock.setMinimumHeight(tour.dock.sizeHint().height())
        tour.rest()
        tour.dock.grab().save(str(tour.pictures / f"dock-{theme}.png"))
    tour.viewer.theme = "light"
    tour.click(tour.dock.help)
    tour.picture("help", screen=True)
    tour.close()


CHAPTERS: dict[str, Callable[[Tour], None]] = {
    chapter.__name__.replace("_", "-"): chapter
    for chapter in (
        first_steps,
        predict,
        find,
        compare,
        measured,
        trust,
        experts,
        regions,
        take_along,
        session,
        queue,
        looks,
    )
}
ALONE = ("first-steps", "looks")
"""Chapters with a window of their own; the others share the one that ``predict`` opens and ``queue`` closes."""


def walk(section: Path, pictures: Path, chapters: list[str]) -> None:
    """Go through chapters in their order."""
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        # A user who has never been here, and whose own settings and names stay as they are.
        os.environ["MOLF_CONFIG_DIR"] = str(Path(scratch) / "config")
        os.environ["MOLF_DATA_DIR"] = str(Path(scratch) / "data")
        tour = Tour(section, pictures, Path(scratch))
        shared = [name for name in CHAPTERS if name not in ALONE and (name in chapters or name == "predict")]
        together = any(name in chapters for name in shared)
        for name, chapter in CHAPTERS.items():
            if name in chapters or (together and name == "predict"):
                log.info("-- %s", name)
                chapter(tour)
        if together and "queue" not in chapters:
            tour.close()


def main() -> None:
    """Parse the command line; without a display, start again on a virtual one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("section", type=Path, help="a real section in the layout of HEST-1k")
    parser.add_argument("pictures", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--chapters", nargs="+", choices=list(CHAPTERS), default=list(CHAPTERS))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        xvfb = shutil.which("xvfb-run")
        if xvfb is None:
            raise SystemExit("There is no display, and no xvfb-run to make one. Try: sudo apt-get install xvfb")
        screen = "-screen 0 1600x1200x24 +extension GLX"
        command = [xvfb, "-a", "-s", screen, sys.executable, *sys.argv]
        raise SystemExit(subprocess.call(command, env={**os.environ, "QT_QPA_PLATFORM": "xcb"}))
    walk(options.section, options.pictures, options.chapters)
    log.info("pictures are in %s", options.pictures)


if __name__ == "__main__":
    main()

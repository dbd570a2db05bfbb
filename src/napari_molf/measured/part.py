"""The section Measured: opens measured spots, draws them by the score on the map, and says how well the prediction agrees."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_molf.core.drawing import colormap_of, limits_of
from napari_molf.core.maps import robust_limits
from napari_molf.core.slide_layer import slide_info
from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.bindings import KeyBindings
from napari_molf.desk.part import Part
from napari_molf.measured.comparison import Comparison
from napari_molf.measured.controls import Controls
from napari_molf.measured.panel import NAME, AgreementPanel
from napari_molf.measured.reading import Opened, Place, open_spots
from napari_molf.measured.saving import save_table
from napari_molf.measured.spot_layer import Discs, SpotLayer
from napari_molf.measured.words import absent_line, score_line, spots_line, training_line

if TYPE_CHECKING:
    import numpy as np
    from napari.layers import Layer
    from numpy.typing import NDArray

    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk
    from napari_molf.desk.presenter import View

KEY = "Shift-M"
FILES = "Measured spots (*.h5ad *.h5 *.tsv *.csv *.txt *.gz);;All files (*)"
NO_SCALE = "This slide does not say how many um a pixel is. Enter it above, then open the measured spots."
DIFFERENCE = "A difference is on the map: measured spots are compared with one score at a time."


class MeasuredPart(Part):
    """Measured expression beside the prediction, at the same positions."""

    title = "Measured"

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._slide: Path | None = None
        self._form_slide: Path | None = None
        self._opened: dict[Path, Opened] = {}
        self._drawn: object = None
        self._elsewhere = False
        self._watched: Any = None
        self.controls = Controls(self, KEY)
        self.spots = SpotLayer(desk.viewer)
        self.comparison = Comparison(self)
        self._finder, self._loader, self._saver = Newest(self), Newest(self), Newest(self)
        self._connect()
        self.set_run(desk.run)

    def _connect(self) -> None:
        controls, presenter = self.controls, self.desk.presenter
        controls.found.clicked.connect(self._on_open_found)
        controls.folder.triggered.connect(self._on_folder_wanted)
        controls.file.triggered.connect(self._on_file_wanted)
        controls.shown_changed.connect(self._apply_shown)
        controls.same.toggled.connect(self._on_limits)
        controls.predict.clicked.connect(self._on_predict)
        controls.details.clicked.connect(self.open_panel)
        self._finder.done.connect(self._on_found)
        self._loader.done.connect(self._on_opened)
        for worker in (self._loader, self._saver, self.comparison):
            worker.failed.connect(self._on_error)
        self.comparison.measured_changed.connect(self._on_measured)
        self.comparison.agreed.connect(self._on_agreed)
        self.desk.chosen.connect(self._on_chosen)
        presenter.shown.connect(self._on_shown)
        presenter.looked_at.connect(self._on_looked_at)
        self.desk.viewer.layers.events.removed.connect(self._on_removed)
        self._keys = KeyBindings(self.desk.viewer)
        self._keys.bind(KEY, self._on_key, "blink between predicted and measured")

    # -- which slide, which run ------------------------------------------------------------------------------

    @property
    def opened(self) -> Opened | None:
        """Measured spots of the slide at hand."""
        return None if self._slide is None else self._opened.get(self._slide)

    @property
    def _run(self) -> Run | None:
        """The prediction on the slide at hand."""
        run = self.desk.run
        return run if run is not None and run.slide_path == self._slide else None

    def set_run(self, run: Run | None) -> None:
        """Compare with another prediction."""
        if run is not None:
            self._look_at(run.slide_path)
        self._begin()

    def _begin(self) -> None:
        self.comparison.begin(self._run, self.opened)
        self._tell()

    def _on_chosen(self) -> None:
        path = None if self.desk.info is None else self.desk.info.path
        if path is not None and path != self._form_slide:
            self._form_slide = path
            if path != self._slide:
                self._look_at(path)
                self._begin()

    def _look_at(self, path: Path) -> None:
        """Offer what lies beside a slide; show what was opened for it."""
        from molf_engine.data.measured import measured_beside

        if path == self._slide:
            return
        self._slide = path
        self.controls.offer(None)
        self._finder.ask(path, partial(measured_beside, path))
        self._draw()

    def _on_found(self, slide: Path, found: Path | None) -> None:
        if slide == self._slide and self.opened is None:
            self.controls.offer(found)

    def _place(self) -> Place | None:
        """What is known of the slide at hand."""
        run, info = self._run, self.desk.info
        if run is not None:
            said = run.scores.adata.uns["molf"]["slide"]
            return Place(run.slide_path, (int(said["width"]), int(said["height"])), run.patches.pixel_size)
        if info is not None and info.path == self._slide:
            return Place(info.path, info.size, info.um_per_pixel)
        return None

    # -- opening ---------------------------------------------------------------------------------------------

    def open(self, path: Path, positions: Path | None = None) -> None:
        """Open measured spots of the slide at hand, beside the window's thread.

        Parameters
        ----------
        path
            See :func:`molf_engine.data.measured.read_measured`.
        positions
            Table of positions, for a table of counts.
        """
        place = self._place()
        if place is None:
            self.desk.say("Open the slide that the spots were measured on first.")
        elif place.um_per_pixel is None:
            self.desk.say(NO_SCALE)
        else:
            self.desk.say(None)
            self.controls.say_spots(f"Opening {path.name} …")
            self._loader.ask(place.path, partial(open_spots, path, positions, place))

    def _on_open_found(self) -> None:
        if self.controls.path is not None:
            self.open(self.controls.path)

    def _on_folder_wanted(self) -> None:
        # After the menu has closed: a dialog inside its signal would keep it open.
        QTimer.singleShot(0, self._ask_for_folder)

    def _on_file_wanted(self) -> None:
        QTimer.singleShot(0, self._ask_for_files)

    def _ask_for_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of measured spots: Space Ranger output, or .zarr")
        if folder:
            self.open(Path(folder))

    def _ask_for_files(self) -> None:
        title = "Measured spots; for a table, choose its positions together with it"
        names, _ = QFileDialog.getOpenFileNames(self, title, "", FILES)
        if names:
            self.open(Path(names[0]), Path(names[1]) if len(names) > 1 else None)

    def _on_opened(self, slide: Path, opened: Opened) -> None:
        self._opened[slide] = opened
        if slide == self._slide:
            self.controls.offer(None)
            self._draw()
            self._begin()

    # -- the layer -------------------------------------------------------------------------------------------

    def _draw(self) -> None:
        """Draw the spots of the slide at hand: those that are compared, or all while nothing is."""
        opened, on = self.opened, self.comparison.on
        if opened is None or opened.place.um_per_pixel is None:
            self.spots.remove()
            self._drawn = None
            return
        um, spots = opened.place.um_per_pixel, opened.spots
        source = on.expression if on is not None and on.spots is spots else spots
        if source is self._drawn:
            return
        discs = Discs(opened.place.path, source.positions, spots.diameter_um(um), um)
        self.spots.draw(discs, f"{spots.id} · measured", self._slide_layer())
        self._drawn = source

    def _slide_layer(self) -> Layer | None:
        for layer in self.desk.viewer.layers:
            info = slide_info(layer)
            if info is not None and info.path == self._slide:
                return layer
        return None

    def _score_layer(self) -> Layer | None:
        layers = self.desk.presenter.layers
        return None if layers is None else layers.layer("score")

    def _on_shown(self, view: View, values: NDArray[np.floating]) -> None:
        # A difference is on another scale than any measurement.
        if view.minus is not None:
            self.comparison.pause()
            self.spots.clear("measured")
            if self.comparison.on is not None:
                self.controls.say_score(DIFFERENCE)
            return
        self.comparison.follow(view, values)
        # A new score made its layer visible.
        self._apply_shown()

    def _on_measured(self) -> None:
        on, view = self.comparison.on, self.comparison.view
        if on is None or view is None:
            return
        self._draw()
        layer = self._score_layer()
        self._watch(layer)
        name = f"{view.score.name} · measured · {on.spots.id}"
        if self.comparison.measured is None:
            self.spots.clear(name)
        else:
            colormap = "viridis" if layer is None else colormap_of(layer)
            self.spots.colour(self.comparison.measured, self._limits(), colormap, name)
        self._apply_shown()
        self._tell()

    def _limits(self) -> tuple[float, float]:
        layer, measured = self._score_layer(), self.comparison.measured
        if layer is not None and (measured is None or self.controls.same.isChecked()):
            return limits_of(layer)
        return robust_limits([] if measured is None else measured)

    def _watch(self, layer: Any) -> None:
        """Follow the colour limits of the prediction when a user changes them."""
        layer = layer if hasattr(layer, "contrast_limits") else None
        if layer is self._watched:
            return
        if self._watched is not None:
            self._watched.events.contrast_limits.disconnect(self._on_limits)
        if layer is not None:
            layer.events.contrast_limits.connect(self._on_limits)
        self._watched = layer

    def _on_limits(self, event: object = None) -> None:
        if self.comparison.measured is not None:
            self.spots.set_limits(self._limits())
        self._apply_shown()

    def _on_looked_at(self, role: str) -> None:
        self._elsewhere = role != "score"
        self._apply_shown()

    def _on_removed(self, event: object) -> None:
        self._apply_shown()

    def _on_key(self, viewer: object) -> None:
        if self.controls.swap.isEnabled():
            self.controls.swap.click()

    def _apply_shown(self) -> None:
        shown, score = self.controls.shown, self._score_layer()
        # With its layer deleted, spots alone would be nothing at all.
        alone = shown == "measured" and self.comparison.on is not None and self.spots.layer is not None
        self.spots.set_visible(shown != "predicted")
        # Blinking compares colours: both are then mixed with the tissue alike.
        self.spots.set_opacity(1.0 if score is None or not alone else score.opacity)
        self.spots.show_key(self.comparison.measured is not None and (alone or not self.controls.same.isChecked()))
        # While another map stands in its place, the score stays hidden whatever is chosen here.
        if score is not None and self.comparison.on is not None and not self._elsewhere:
            score.visible = not alone

    # -- what is said ----------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Say what is at hand, and offer what can be done with it."""
        opened, on, view = self.opened, self.comparison.on, self.comparison.view
        self.controls.set_state(self._slide is not None, opened is not None, on is not None)
        self.controls.say_spots(None if opened is None else spots_line(opened, on))
        self.controls.warn(training_line(on))
        panel = self._panel()
        if on is None or view is None:
            self.controls.say_score(None)
            if panel is not None:
                panel.show_nothing()
        elif self.comparison.measured is None:
            self.controls.say_score(absent_line(view.score, on))

    def _on_agreed(self) -> None:
        """Say how well the score on the map agrees, in the section and in the panel."""
        view, on, agreement = self.comparison.view, self.comparison.on, self.comparison.agreement
        if view is None or on is None or agreement is None:
            return
        units = self.comparison.units
        self.controls.say_score(score_line(view.score, units, agreement, on))
        panel = self._panel()
        if panel is not None:
            panel.show_agreement(agreement, units, view.score)
            measured = self.comparison.measured is not None
            panel.show_points(
                *self.comparison.pairs(), view.score.name if measured else absent_line(view.score, on), units
            )

    def _panel(self) -> AgreementPanel | None:
        panel = self.desk.panel(NAME)
        return panel if isinstance(panel, AgreementPanel) else None

    def open_panel(self) -> None:
        """Open the scatter plot and the table, below the slide."""
        new = self._panel() is None
        panel = self.desk.open_panel(AgreementPanel, NAME)
        if new:
            panel.score_chosen.connect(self.desk.presenter.show)
            panel.save_wanted.connect(self._on_save)
            self._on_agreed()

    def _on_save(self, path: Path) -> None:
        agreement = self.comparison.agreement
        if agreement is not None:
            self._saver.ask(path, partial(save_table, agreement, path))

    def _on_predict(self) -> None:
        opened, info = self.opened, self.desk.info
        if opened is None:
            return
        if info is None or info.path != self._slide:
            self.desk.say(f"Choose the slide {opened.place.path.name} under Predict first: the spots lie on it.")
            return
        positions, names = opened.on_image()
        self.desk.ask_prediction(positions=positions, names=names)

    def _on_error(self, what: object, error: BaseException) -> None:
        self._tell()
        self.desk.say(sentence(error))

    # -- the end ---------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let go of the viewer and of threads."""
        for worker in (self._finder, self._loader, self._saver):
            worker.stop()
        self.comparison.stop()
        self._watch(None)
        self._keys.release()
        self.desk.viewer.layers.events.removed.disconnect(self._on_removed)

"""The Regions section: draw or import regions, see what is predicted in them, and compare them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QPushButton, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout, qdebounced

from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Part
from napari_molf.regions import layer as drawing
from napari_molf.regions.anchor import Anchor, anchor_named, find_anchor
from napari_molf.regions.compare_panel import ComparePanel
from napari_molf.regions.files import Imported, read_regions, write_regions
from napari_molf.regions.region_list import RegionList
from napari_molf.regions.rows import Rows, make_rows
from napari_molf.regions.summaries import summary_frame
from napari_molf.regions.summary_panel import SummaryPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from molf_engine.regions import Region
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

SETTLE_MS = 150
"""Shapes are looked at so long after the hand has rested."""
TABLE_TITLE = "Regions: table"
COMPARE_TITLE = "Regions: compare"
NOTHING_DRAWN = "No region yet. Draw one on the slide, or drag a QuPath GeoJSON onto it."
NO_SLIDE = "Open a slide to draw regions on it."
NO_PREDICTION = "This slide has no prediction on show; nothing can be said about its regions yet."
_TOOLS = (
    ("Pol&ygon", "add_polygon", "Click corner by corner; double-click or Enter ends."),
    ("&Box", "add_rectangle", "Press and drag from corner to corner."),
    ("Ell&ipse", "add_ellipse", "Press and drag from corner to corner of its box."),
    ("&Freehand", "add_polygon_lasso", "Press, and draw around it."),
)


class RegionsPart(Part):
    """Section ``Regions``.

    Signals
    -------
    changed()
        Other regions, or another prediction of them: see :attr:`rows` and :attr:`run`.
    """

    title = "Regions"
    changed = Signal()

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self.rows = Rows()
        self._run: Run | None = None
        self._path: Path | None = None
        self._form_path: Path | None = None
        self._watched: list[Any] = []
        self._stopped = False
        self._looker, self._files = Newest(self), Newest(self)
        self._look_soon = qdebounced(self._look, timeout=SETTLE_MS)
        self._build()
        self._looker.done.connect(self._on_rows)
        self._looker.failed.connect(self._on_failed)
        self._files.done.connect(self._on_file)
        self._files.failed.connect(self._on_failed)
        desk.chosen.connect(self._on_chosen)
        layers = desk.viewer.layers
        layers.events.inserted.connect(self._on_layers)
        layers.events.removed.connect(self._on_layers)
        self._on_chosen()
        self._on_layers()

    def _build(self) -> None:
        self.slide = QLabel()
        self.tools = [self._button(text, tip, partial(self._on_draw, mode)) for text, mode, tip in _TOOLS]
        self.import_button = self._button(
            "I&mport…",
            "Read regions from a QuPath GeoJSON; dragging the file onto the slide does the same.",
            self._on_import,
        )
        self.export_button = self._button("E&xport…", "Write the regions as GeoJSON for QuPath.", self._on_export)
        self.delete_button = self._button("&Delete", "Take the selected regions away.", self._on_delete)
        self.list = RegionList()
        self.list.edited.connect(self._on_edited)
        self.list.chosen.connect(self._on_selection)
        self.note = QLabel()
        self.note.setWordWrap(True)
        self.predict_button = self._button(
            "Predict &only there",
            "Predict the patches in the selected regions, or in all of them if none is.",
            self._on_predict,
        )
        self.table_button = self._button(
            "&Table…",
            "Mean, median and quartiles of the score on show in each region, and which experts decided.",
            self._on_table,
        )
        self.compare_button = self._button(
            "&Compare…", "Which genes and Hallmarks are predicted to differ between two regions.", self._on_compare
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.slide)
        column.addWidget(_flow(self.tools))
        column.addWidget(self.list)
        column.addWidget(self.note)
        column.addWidget(_flow([self.import_button, self.export_button, self.delete_button]))
        column.addWidget(_flow([self.predict_button, self.table_button, self.compare_button]))

    def _button(self, text: str, tip: str, pressed: Any) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        button.setAccessibleName(text.replace("&", ""))
        button.clicked.connect(pressed)
        return button

    # -- which slide, which prediction -----------------------------------------------------------------------

    @property
    def run(self) -> Run | None:
        """The prediction of the slide whose regions are listed, if it is on show."""
        return self._run if self._run is not None and self._run.slide_path == self._path else None

    @property
    def anchor(self) -> Anchor | None:
        """That slide."""
        return find_anchor(self.desk.viewer, self._path, self._run)

    @property
    def layers(self) -> list[Any]:
        """The layers of its regions."""
        return drawing.region_layers(self.desk.viewer, self._path)

    def summariser(self) -> Callable[[], pd.DataFrame] | None:
        """What summarises the regions for the score on show, in another thread; none without regions or a prediction of them."""
        presenter, run = self.desk.presenter, self.run
        if run is None or presenter.score is None or not self.rows.regions or self.rows.run_id != run.id:
            return None
        return partial(summary_frame, run, self.rows, presenter.score, presenter.guidance, presenter.relative)

    def set_run(self, run: Run | None) -> None:
        """List the regions of the slide of another prediction."""
        self._run = run
        if run is not None:
            self._path = run.slide_path
        self._look()

    def stop(self) -> None:
        """Let go of the layers and the threads."""
        self._stopped = True
        self._looker.stop()
        self._files.stop()
        layers = self.desk.viewer.layers
        layers.events.inserted.disconnect(self._on_layers)
        layers.events.removed.disconnect(self._on_layers)
        for layer in self._watched:
            layer.events.data.disconnect(self._on_shapes)
        self._watched = []

    def _on_chosen(self) -> None:
        path = None if self.desk.info is None else self.desk.info.path
        # A model that is chosen says nothing of the slide; only another slide does.
        if path is not None and path != self._form_path:
            self._path = path
        self._form_path = path
        self._look_soon()

    def _on_layers(self, event: object = None) -> None:
        for layer in self.desk.viewer.layers:
            if drawing.is_of_regions(layer):
                anchor = anchor_named(self.desk.viewer, drawing.said_slide(layer)) or self.anchor
                if anchor is not None:
                    drawing.adopt(layer, anchor)
        now = [layer for layer in self.desk.viewer.layers if drawing.slide_of(layer) is not None]
        for layer in now:
            if layer not in self._watched:
                layer.events.data.connect(self._on_shapes)
        for layer in self._watched:
            if layer not in now:
                layer.events.data.disconnect(self._on_shapes)
        self._watched = now
        self._look_soon()

    def _on_shapes(self, event: Any) -> None:
        if str(event.action) == "added":
            drawing.forget_inherited_names(event.source)
        self._look_soon()

    # -- looking at what is drawn ----------------------------------------------------------------------------

    def _look(self) -> None:
        if self._stopped:
            return
        anchor = self.anchor
        if anchor is None:
            self._looker.forget()
            self._on_rows(None, Rows())
            return
        drawing.name_new_shapes(self.layers)
        drawn = [drawing.take(layer) for layer in self.layers]
        self._looker.ask(anchor.path, partial(make_rows, drawn, anchor, self.run))

    def _on_rows(self, path: Path | None, rows: Rows) -> None:
        self.rows = rows
        anchor = self.anchor
        self.slide.setText(NO_SLIDE if anchor is None else f"On {anchor.name}")
        self.list.set_rows(rows)
        self.note.setText(self._what_to_say())
        self.note.setVisible(bool(self.note.text()))
        for button in (*self.tools, self.import_button):
            button.setEnabled(anchor is not None)
        some = bool(rows.regions)
        self.export_button.setEnabled(some)
        self.predict_button.setEnabled(some)
        self.table_button.setEnabled(some and rows.run_id is not None)
        self.compare_button.setEnabled(some and rows.run_id is not None)
        self.delete_button.setEnabled(bool(self.list.selected))
        self.changed.emit()

    def _what_to_say(self) -> str:
        if self.anchor is None:
            return ""
        if not self.rows.regions:
            return NOTHING_DRAWN
        if self.rows.run_id is None:
            return NO_PREDICTION
        empty = self.rows.empty
        if not empty:
            return ""
        shown = ", ".join(empty[:3]) + (f" and {len(empty) - 3} more" if len(empty) > 3 else "")
        return f"No predicted patch in {shown}."

    # -- what the user does ----------------------------------------------------------------------------------

    def _on_draw(self, mode: str, checked: bool = False) -> None:
        anchor = self.anchor
        if anchor is None:
            return
        layer = drawing.layer_for(self.desk.viewer, anchor)
        layer.visible = True
        self.desk.viewer.layers.selection.active = layer
        layer.mode = mode
        self._on_layers()

    def _on_edited(self, name: str, column: str, value: str) -> None:
        drawing.change(self.layers, name, column, value)
        self._look()

    def _on_selection(self, names: list[str]) -> None:
        self.delete_button.setEnabled(bool(names))

    def _on_delete(self) -> None:
        drawing.remove(self.layers, set(self.list.selected))
        self._look()

    def _on_predict(self) -> None:
        anchor, regions = self.anchor, self._chosen_regions()
        slide_layer = self._open_slide()
        if anchor is None or not regions:
            return
        if slide_layer is None:
            self.desk.say(
                f"The slide {anchor.name} is not open, and its patches cannot be read. Open it, then press again."
            )
            return
        if self.desk.slide_layer is not slide_layer:
            # The form follows the selected layer.
            self.desk.viewer.layers.selection.active = slide_layer
        self.desk.ask_prediction(regions=tuple(outline for region in regions for outline in region.outlines()))

    def _chosen_regions(self) -> list[Region]:
        selected = self.list.selected
        return [region for region in self.rows.regions if not selected or region.name in selected]

    def _open_slide(self) -> Any:
        from napari_molf.core.slide_layer import slide_info

        for layer in self.desk.viewer.layers:
            info = slide_info(layer)
            if info is not None and info.path == self._path:
                return layer
        return None

    def _on_table(self) -> None:
        self.desk.open_panel(partial(SummaryPanel, self.desk, self), TABLE_TITLE)

    def _on_compare(self) -> None:
        self.desk.open_panel(partial(ComparePanel, self.desk, self), COMPARE_TITLE)

    # -- files -----------------------------------------------------------------------------------------------

    def _on_import(self) -> None:
        anchor = self.anchor
        if anchor is None:
            return
        name, _ = QFileDialog.getOpenFileName(
            self, "Regions from a file", "", "GeoJSON (*.geojson *.json *.geojson.gz);;All files (*)"
        )
        if name:
            self._files.ask("import", partial(read_regions, Path(name), anchor))

    def _on_export(self) -> None:
        anchor = self.anchor
        if anchor is None:
            return
        name, _ = QFileDialog.getSaveFileName(
            self, "Regions to a file", f"{anchor.name}.geojson", "GeoJSON (*.geojson *.geojson.gz)"
        )
        if name:
            path = Path(name) if Path(name).suffix else Path(f"{name}.geojson")
            self._files.ask("export", partial(write_regions, self._chosen_regions(), path))

    def _on_file(self, what: str, result: Any) -> None:
        if what == "export":
            self.desk.say(None)
            self.desk.viewer.status = f"Saved {result}"
            return
        imported: Imported = result
        data, arguments, _ = imported.layer
        self.desk.say(imported.remark)
        self.desk.viewer.add_shapes(data, **arguments)

    def _on_failed(self, what: object, error: BaseException) -> None:
        self.desk.say(sentence(error))


def _flow(buttons: list[QPushButton]) -> QWidget:
    row = QWidget()
    layout = QFlowLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(4)
    layout.setVerticalSpacing(4)
    for button in buttons:
        layout.addWidget(button)
    return row

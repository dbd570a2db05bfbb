"""The Session section: keep what is on the screen, and open it again."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_molf.desk.background import Newest, sentence
from napari_molf.desk.part import Part
from napari_molf.desk.view import view_of
from napari_molf.sessions.folder import SUFFIX, read_session, write_session
from napari_molf.sessions.session import Session, shapes_of, slides_of

if TYPE_CHECKING:
    from napari.types import FullLayerData

    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk


class SessionPart(Part):
    """Saves slides, predictions, regions and view as one folder, and opens it."""

    title = "Session"

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(desk, parent)
        self._worker = Newest(self)
        self._worker.done.connect(self._on_done)
        self._worker.failed.connect(self._on_failed)
        self.save = QPushButton("Save sess&ion…")
        self.save.setToolTip(
            "Keep slides (their paths), predictions, regions, expert names and view in one folder. "
            "Not kept: measured spots, draws, what is listed under Compare, thresholds."
        )
        self.save.clicked.connect(self._on_save)
        self.open = QPushButton("Open session…")
        self.open.setToolTip("Open a folder that was saved here. It can also be dragged into the window.")
        self.open.clicked.connect(self._on_open)
        self._said = QLabel()
        self._said.setWordWrap(True)
        self._said.setAccessibleName("Last session")
        self._said.hide()
        row = QHBoxLayout()
        row.setSpacing(6)
        row.addWidget(self.save)
        row.addWidget(self.open)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(row)
        layout.addWidget(self._said)

    @property
    def text(self) -> str:
        """What is said about the last session."""
        return self._said.text()

    def set_run(self, run: Run | None) -> None:
        """A session can be opened without a prediction, and saved with slides alone."""

    def stop(self) -> None:
        """Let go of the thread; a session that is being written is completed or leaves nothing."""
        self._worker.stop()

    def capture(self) -> Session:
        """What is on the screen now."""
        presenter, viewer = self.desk.presenter, self.desk.viewer
        run = presenter.run
        return Session(
            slides_of(viewer),
            presenter.runs_on_show(),
            shapes_of(viewer),
            run.id if run is not None else None,
            view_of(viewer, presenter),
        )

    def _on_save(self) -> None:
        session = self.capture()
        if not session.slides and not session.runs:
            self.desk.say("There is nothing to keep yet. Open a slide first.")
            return
        name = session.slides[0].info.path.stem if session.slides else session.runs[0].slide_name
        path, _ = QFileDialog.getSaveFileName(self, "Save the session", f"{name}{SUFFIX}", f"Session (*{SUFFIX})")
        if path:
            self._begin("Saving …")
            self._worker.ask("save", partial(write_session, session, Path(path)))

    def _on_open(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder of a session")
        if folder:
            self._begin("Opening …")
            self._worker.ask("open", partial(read_session, Path(folder)))

    def _begin(self, text: str) -> None:
        self.desk.say(None)
        self._tell(text)

    def _tell(self, text: str) -> None:
        self._said.setText(text)
        self._said.setVisible(bool(text))

    def _on_done(self, what: str, result: Path | list[FullLayerData]) -> None:
        if isinstance(result, Path):
            self._tell(f"Saved {result}")
            return
        for data in result:
            add_layer(self.desk.viewer, data)
        self._tell("")
        if not any(kind == "image" for _, _, kind in result):
            self.desk.say("There was no slide in that session.")

    def _on_failed(self, what: str, error: BaseException) -> None:
        self._tell("")
        self.desk.say(sentence(error))


def add_layer(viewer: object, data: FullLayerData) -> None:
    """Add a layer from its data, arguments and kind."""
    from napari.layers import Layer

    viewer.add_layer(Layer.create(*data))  # type: ignore[attr-defined]

"""The whole dock at 280 px, every section unfolded: what is cut off, and its picture in both themes.

``python -m tests.napari_molf.narrow FOLDER``; QT_SCALE_FACTOR says how large everything is.  A program of its own, as Qt reads that once.
"""

from __future__ import annotations

import sys
from pathlib import Path

from qtpy.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from tests.napari_molf.fakes import fake_bundle, fake_run

NARROW = 280


def cut_off(dock: QWidget) -> list[str]:
    """Texts of labels and buttons that want more room than they have."""
    cut = []
    for part in (*dock.findChildren(QLabel), *dock.findChildren(QAbstractButton)):
        if not part.isVisible() or not part.text() or part.window() is not dock.window():
            continue
        if isinstance(part, QLabel):
            needed = part.minimumSizeHint() if part.wordWrap() else part.sizeHint()
            width, height = needed.width(), part.heightForWidth(part.width()) if part.wordWrap() else needed.height()
        else:
            # A button's hint has a margin that its text can do without, and a single sign is as wide as it is high.
            width = part.sizeHint().width() - 12 if len(part.text()) > 1 else 0
            height = part.fontMetrics().height() - part.fontMetrics().descent()
        right = part.mapTo(dock, part.rect().topRight()).x()
        if width > part.width() or height > part.height() or right >= dock.width():
            cut.append(f"{part.text()!r} wants {width} x {height}, has {part.width()} x {part.height()}")
    return cut


def main(folder: Path) -> None:
    """Open the dock in both themes, say what is cut off, and leave the pictures."""
    from napari import Viewer

    from napari_molf import _widget
    from napari_molf.demo import wait_until

    _widget.models.load_known = lambda: [fake_bundle("starter")]  # type: ignore[assignment]
    viewer = Viewer()
    dock = _widget.PredictWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Predict expression")
    viewer.window.resize(1000, 1000)
    wait_until(lambda: dock.form.bundle is not None)
    dock.presenter.add_run(fake_run(), None)
    wait_until(lambda: dock.presenter.values is not None)
    for section in dock.sections.values():
        section.fold(False)
    dock.setFixedWidth(NARROW)
    sys.stdout.write(f"scale {dock.devicePixelRatioF():g}\n")
    for theme in ("dark", "light"):
        viewer.theme = theme
        dock.setMinimumHeight(dock.sizeHint().height())
        wait_until(lambda: False, 0.3)
        assert dock.width() == NARROW
        dock.grab().save(str(folder / f"dock-{theme}.png"))
        sys.stdout.write(f"{theme}: {'; '.join(cut_off(dock))}\n")
    viewer.close()
    QApplication.processEvents()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

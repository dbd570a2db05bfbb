"""How long the window's thread is held while a slide is predicted: a heartbeat every 10 ms, from Predict to the map.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" python benchmarks/gui_thread.py [SLIDE]

Without SLIDE it is the simulated one.  The features are computed anew each time.  Drawing is included: with software OpenGL, as under
Xvfb, it is the larger part.  napari's own making of layers, which nobody can cut short, is printed apart: the second line leaves it out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np


def main() -> None:
    """Print percentiles of the gaps between beats."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path, nargs="?")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOLF_CACHE_DIR"] = folder
        measure(arguments.slide)


class Making:
    """When napari was making a layer, from the first word of it to the last."""

    def __init__(self, viewer) -> None:
        self.spans: list[tuple[float, float]] = []
        self._began = 0.0
        viewer.layers.events.inserting.connect(self._on_inserting)
        viewer.layers.events.inserted.connect(self._on_inserted, position="last")

    def _on_inserting(self, event: object) -> None:
        self._began = time.perf_counter()

    def _on_inserted(self, event: object) -> None:
        self.spans.append((self._began, time.perf_counter()))

    def within(self, beats: list[float]) -> np.ndarray:
        """Seconds of it in each gap between beats."""
        gaps = pairwise(beats)
        return np.array([sum(max(0.0, min(e, b1) - max(b, b0)) for b, e in self.spans) for b0, b1 in gaps])


def measure(slide: Path | None) -> None:
    """Predict once with a heartbeat running."""
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_molf.demo import open_window, settle, wait_until

    viewer, dock = open_window(slide)
    wait_until(lambda: dock.form.bundle is not None)
    settle(1)
    making = Making(viewer)
    beats: list[float] = []
    timer = QTimer()
    timer.setInterval(10)
    timer.timeout.connect(lambda: beats.append(time.perf_counter()))
    loop = QEventLoop()
    dock.presenter.shown.connect(lambda *_: QTimer.singleShot(300, loop.quit))
    dock.live.runner.failed.connect(lambda *_: loop.quit())
    timer.start()
    dock.row.predict.click()
    loop.exec()
    timer.stop()
    if dock.row.error:
        raise SystemExit(dock.row.error)
    run = dock.presenter.run
    assert run is not None
    gaps = np.diff(beats) * 1000
    middle, late = np.percentile(gaps, [50, 99])
    print(
        f"{run.slide_name}, {len(run.patches)} patches, {len(gaps)} beats in {beats[-1] - beats[0]:.1f} s: "
        f"median gap {middle:.1f} ms, 99th percentile {late:.1f} ms, longest {gaps.max():.0f} ms"
    )
    ours = gaps - 1000 * making.within(beats)
    print(
        f"without napari's making of {len(making.spans)} layers, {1000 * sum(e - b for b, e in making.spans):.0f} ms: "
        f"99th percentile {np.percentile(ours, 99):.1f} ms, longest {ours.max():.0f} ms"
    )
    if hasattr(os, "getloadavg"):
        print(f"{os.getloadavg()[0]:.1f} processes wanted {os.cpu_count()} cores, the prediction's own among them")
    viewer.close()


if __name__ == "__main__":
    main()

"""How long the window's thread is held while a slide is predicted: a heartbeat every 10 ms, from Predict to the map.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" python benchmarks/gui_thread.py [SLIDE]

Without SLIDE it is the simulated one.  The features are computed anew each time.  Drawing is included: with software OpenGL, as under
Xvfb, it is the larger part.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
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


def measure(slide: Path | None) -> None:
    """Predict once with a heartbeat running."""
    from qtpy.QtCore import QEventLoop, QTimer

    from napari_molf.demo import open_window, settle, wait_until

    viewer, dock = open_window(slide)
    wait_until(lambda: dock.form.bundle is not None)
    settle(1)
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
    viewer.close()


if __name__ == "__main__":
    main()

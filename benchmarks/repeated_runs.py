"""What one napari session keeps of every prediction: memory and Qt objects after run 10 and after the last run.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" python benchmarks/repeated_runs.py [SLIDE] [--runs 50]

Each run is a press on Predict in one window, with a real child process; features come from the cache after the first.  Between runs a
gene, the guidance scale and the map of the experts are changed, as a person would.
"""

from __future__ import annotations

import argparse
import gc
import os
import tempfile
from pathlib import Path

FIRST = 10


def measure(slide: Path | None, runs: int) -> list[tuple[int, float, int]]:
    """Run number, resident memory in MB and live Qt objects, after every tenth run."""
    import psutil

    from napari_molf.core.scores import Score
    from napari_molf.demo import open_window, settle, wait_until

    viewer, dock = open_window(slide)
    wait_until(lambda: dock.form.bundle is not None)
    process = psutil.Process()
    rows = []
    for number in range(1, runs + 1):
        before = dock.presenter.run
        dock.row.predict.click()
        wait_until(lambda before=before: dock.presenter.run is not before or bool(dock.row.error))
        if dock.row.error:
            raise SystemExit(dock.row.error)
        genes = list(dock.presenter.run.scores.genes)
        for gene in genes[number : number + 2]:
            dock.presenter.show(Score("gene", gene))
            settle(0.05)
        for w in (2.0, 4.0, 1.0):
            dock.presenter.set_guidance(w)
            settle(0.05)
        dock.experts.top.click()
        settle(0.05)
        dock.experts.top.click()
        settle(0.1)
        if number % 10 == 0:
            settle(0.5)
            gc.collect()
            rows.append((number, process.memory_info().rss / 2**20, qt_objects(viewer)))
            print(f"after run {number:3d}: {rows[-1][1]:7.1f} MB, {rows[-1][2]} Qt objects", flush=True)
    viewer.close()
    return rows


def qt_objects(viewer: object) -> int:
    """Objects of Qt that are alive: every child of every window, and what Python holds beside them."""
    from qtpy.QtCore import QObject
    from qtpy.QtWidgets import QApplication

    owned = sum(1 + len(window.findChildren(QObject)) for window in QApplication.topLevelWidgets())
    held = 0
    for each in gc.get_objects():
        try:
            held += isinstance(each, QObject)
        except ReferenceError:
            continue
    return owned + held


def main() -> None:
    """Print the rows and what was kept between run 10 and the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MOLF_CACHE_DIR"] = folder
        rows = measure(options.slide, options.runs)
    first = next(row for row in rows if row[0] == FIRST)
    last = rows[-1]
    print(
        f"between run {first[0]} and run {last[0]}: {last[1] - first[1]:+.1f} MB (reach: 20), "
        f"{last[2] - first[2]:+d} Qt objects (reach: 0)"
    )


if __name__ == "__main__":
    main()

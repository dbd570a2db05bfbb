"""How long another score takes to be on the screen: the layer changed in place, and drawn.

    xvfb-run -a -s "-screen 0 1600x1200x24 +extension GLX" python benchmarks/score_swap.py [--patches 5000 120000] [--repeats 30]

``swap`` is what we do on the window's thread: the values scattered onto the grid, new limits, the layer told.  ``drawn`` is napari's and
the graphics card's part, until the picture stands; with software OpenGL, as under Xvfb, the processor does it.  Squares and smooth
are measured by turns.  Times are of the thread itself, so that what else the machine does is left out; ``wall`` is by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

TARGET_MS = 50.0


def patch_map(count: int):
    """A round piece of tissue of about so many patches on a grid."""
    from napari_molf.core.maps import GridFrame, PatchMap

    side = int(np.ceil(np.sqrt(4 * count / np.pi)))
    rows, cols = np.mgrid[:side, :side]
    inside = np.argsort(((rows - side / 2) ** 2 + (cols - side / 2) ** 2).ravel())[:count]
    rows, cols = (np.sort(inside) // side), (np.sort(inside) % side)
    positions = np.column_stack([cols, rows]) * 224.0 + 112.0
    return PatchMap(positions, rows, cols, 224.0, 0.5, GridFrame((112.0, 112.0), 224.0, (side, side)))


def measure(viewer, count: int, repeats: int, *, smooth: bool) -> tuple[list[float], list[float], list[float]]:
    """Milliseconds of the swap, of drawing, and of both by the clock."""
    from qtpy.QtWidgets import QApplication

    from napari_molf.core.layers import ResultLayers
    from napari_molf.core.maps import robust_limits

    layers = ResultLayers(viewer, "run", patch_map(count))
    layers.drawing.smooth = smooth
    rng = np.random.default_rng(0)
    scores = [rng.gamma(2.0, size=count).astype(np.float32) for _ in range(4)]
    layers.show_score(scores[0], "first", (0.0, 5.0))
    viewer.reset_view()
    for _ in range(5):
        QApplication.processEvents()
    swapped, drawn, wall = [], [], []
    for number in range(repeats + 2):
        values = scores[number % len(scores)]
        # Limits are found beside the window's thread.
        limits = robust_limits(values)
        began, clock = time.thread_time(), time.perf_counter()
        layers.show_score(values, f"score {number}", limits)
        middle = time.thread_time()
        viewer.screenshot(canvas_only=True, flash=False)
        ended = time.thread_time()
        if number >= 2:
            swapped.append(1e3 * (middle - began))
            drawn.append(1e3 * (ended - middle))
            wall.append(1e3 * (time.perf_counter() - clock))
    layers.remove()
    return swapped, drawn, wall


def main() -> None:
    """Print one row for each number of patches and way of drawing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, nargs="+", default=[5_000, 120_000])
    parser.add_argument("--repeats", type=int, default=30)
    arguments = parser.parse_args()
    import napari

    viewer = napari.Viewer()
    viewer.window.resize(1300, 900)
    print(f"milliseconds, median (95th percentile) of {arguments.repeats}; to reach: swap <= {TARGET_MS:.0f}")
    print(f"{'patches':>8} {'drawn as':>9} {'swap':>15} {'drawn':>15} {'wall':>15}")
    for count in arguments.patches:
        for smooth in (False, True):
            columns = measure(viewer, count, arguments.repeats, smooth=smooth)
            cells = (f"{statistics.median(ms):.1f} ({np.percentile(ms, 95):.1f})" for ms in columns)
            print(
                f"{count:>8,} {'smooth' if smooth else 'squares':>9} " + " ".join(f"{c:>15}" for c in cells), flush=True
            )
    viewer.close()


if __name__ == "__main__":
    main()

"""Time and memory to open a slide of 100,000 x 100,000 px and to look at all of it.

Writes the slide first (a pyramid of JPEG tiles, in a temporary folder, removed afterwards)::

    python benchmarks/open_slide.py
    python benchmarks/open_slide.py --size 50000 --folder /fast/disk

Each row is measured in a process of its own; the memory is the peak above the same process with its imports done.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

TILE = 512


def write_slide(path: Path, size: int) -> None:
    """Write a tiled pyramid of ``size`` x ``size`` px; every tile of a level is the same JPEG."""
    import imagecodecs
    import tifffile

    rng = np.random.default_rng(0)
    coarse = rng.integers(120, 220, (TILE // 16, TILE // 16, 3), dtype=np.uint8)
    tile = imagecodecs.jpeg_encode(np.repeat(np.repeat(coarse, 16, axis=0), 16, axis=1), level=70)
    sizes = [size]
    while sizes[-1] > 1024:
        sizes.append(sizes[-1] // 2)

    def tiles(side: int) -> Iterator[bytes]:
        for _ in range((-(-side // TILE)) ** 2):
            yield tile

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        for number, side in enumerate(sizes):
            writer.write(
                tiles(side),
                shape=(side, side, 3),
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="rgb",
                compression="jpeg",
                subfiletype=1 if number else 0,
                resolution=(40_000 / 2**number, 40_000 / 2**number),
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def measure(path: Path, task: str) -> tuple[float, float]:
    """(seconds, MB above the start) of one task."""
    import tifffile  # noqa: F401  (imports are not what is measured)

    from molf_engine.slides import open_slide, read_patch, thumbnail, tissue_mask
    from molf_engine.slides.tiff_backend import TiffSlide  # noqa: F401

    def run() -> None:
        with open_slide(path) as slide:
            if task == "open, thumbnail of 1024 px":
                thumbnail(slide)
            elif task == "open, one patch":
                read_patch(slide, (slide.levels[0].width / 2, slide.levels[0].height / 2), 112.0, 224)
            elif task == "open, tissue mask":
                tissue_mask(slide)

    return _watched(run)


def _watched(run: Callable[[], None]) -> tuple[float, float]:
    before = _resident_mb()
    peak = before
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, _resident_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    run()
    seconds = time.perf_counter() - start
    peak = max(peak, _resident_mb())
    done.set()
    watcher.join()
    return seconds, peak - before


def _resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def main() -> None:
    """Write the slide, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=100_000, help="width and height in px (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where to write the slide for a while (default: temporary folder)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "large.tif"
        start = time.perf_counter()
        write_slide(path, options.size)
        out = sys.stdout.write
        out(
            f"{options.size:,} x {options.size:,} px, {path.stat().st_size / 1e6:,.0f} MB, written in"
            f" {time.perf_counter() - start:.1f} s\n\n"
        )
        out("| what | s | peak MB above start |\n| --- | --- | --- |\n")
        spawn = multiprocessing.get_context("spawn")
        for task in ("open", "open, thumbnail of 1024 px", "open, one patch", "open, tissue mask"):
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                seconds, megabytes = pool.submit(measure, path, task).result()
            out(f"| {task} | {seconds:.3f} | {megabytes:.0f} |\n")


if __name__ == "__main__":
    main()

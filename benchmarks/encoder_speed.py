"""How many patches a second the built-in encoder does, reading them from a slide included.

    python benchmarks/encoder_speed.py SLIDE [SLIDE ...]

The encoder is fitted to a part of the slide's own patches: how fast it is does not depend on its weights.  Nothing
is cached.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from molf_engine.encoders import encode_patches, fit_builtin
from molf_engine.slides import open_slide, patch_grid


def main() -> None:
    """Print one line per slide."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slides", nargs="+", type=Path)
    parser.add_argument("--um-per-pixel", type=float, help="of slides that do not say it")
    parser.add_argument("--patch-um", type=float, default=112.0)
    parser.add_argument(
        "--stride-um", type=float, default=56.0, help="half a patch, so that a small slide has enough patches"
    )
    arguments = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before the run"
        if hasattr(os, "getloadavg")
        else f"{os.cpu_count()} cores"
    )
    for path in arguments.slides:
        with open_slide(path, um_per_pixel=arguments.um_per_pixel) as slide:
            patches = patch_grid(slide, arguments.patch_um, stride_um=arguments.stride_um)
            encoder = fit_builtin([(slide, patches.subset(slice(64)))])
        with open_slide(path, um_per_pixel=arguments.um_per_pixel) as slide:
            began, processor = time.perf_counter(), time.process_time()
            encode_patches(slide, patches, encoder)
            seconds, processor = time.perf_counter() - began, time.process_time() - processor
        print(
            f"{path.name}: {len(patches)} patches in {seconds:.1f} s, {len(patches) / seconds:.0f} patches/s;"
            f" processor time {1000 * processor / len(patches):.1f} ms a patch"
        )


if __name__ == "__main__":
    main()

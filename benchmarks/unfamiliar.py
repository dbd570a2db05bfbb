"""How many patches of a slide are called unlike training, and how many still are once the slide's own shift is taken off.

    python benchmarks/unfamiliar.py starter HER2ST/wsis/*.tif
    python benchmarks/unfamiliar.py starter --um-per-pixel 3 tonsil.jpg        for images that do not say it

``limit``: share of the slide's patches farther from the training mean than 99 % of the training patches (Mahalanobis, in the features
of the bundle's encoder).  ``shift``: distance of the slide's median patch in the same units; above 1 the whole slide is called
unlike the training slides.  ``without shift``: share beyond the limit once the slide's median is taken for the training mean.
Patches: the bundle's grid over the whole tissue.  Features are kept, so that a second run takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from molf_engine.bundle import Bundle
from molf_engine.bundle.reference import SHIFT_LIMIT, FeatureReference
from molf_engine.encoders import Encoder, FeatureCache, encode_patches
from molf_engine.errors import MolfError
from molf_engine.slides import open_slide, patch_grid

HEADINGS = ("slide", "um/px", "patches", "limit", "shift", "whole slide", "without shift")


def row_of(
    path: Path, bundle: Bundle, encoder: Encoder, reference: FeatureReference, um_per_pixel: float | None
) -> tuple[str, ...]:
    """One line of the table."""
    with open_slide(path, um_per_pixel) as slide:
        patches = patch_grid(slide, bundle.config.patch.size_um)
        features = encode_patches(slide, patches, encoder, cache=FeatureCache())
        scale = slide.um_per_pixel
    judged = reference.judge(features[np.isfinite(features).all(axis=1)])
    beyond = np.mean(judged.distance > judged.threshold)
    cells = [path.stem, f"{scale:.3g}", f"{len(judged.distance):,}", f"{100 * beyond:.1f} %"]
    if judged.shift is None or judged.own_distance is None:
        return (*cells, "too few patches", "", "")
    still = np.mean(judged.own_distance > judged.threshold)
    whole = "unlike" if judged.shift > SHIFT_LIMIT else "like"
    return (*cells, f"{judged.shift:.2f}", whole, f"{100 * still:.1f} %")


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("slides", nargs="+", type=Path)
    parser.add_argument("--um-per-pixel", type=float, help="of slides that do not say it")
    options = parser.parse_args()
    bundle = Bundle.load(options.bundle)
    reference = bundle.reference()
    if reference is None:
        parser.error(f"{bundle.name} holds no statistics of its training features")
    trained = ", ".join(bundle.config.training_sections)
    sys.stdout.write(
        f"{bundle.name}, trained on {trained}; limit {reference.threshold:.2f}, D = {len(reference.mean)}\n\n"
    )
    sys.stdout.write("| " + " | ".join(HEADINGS) + " |\n" + "| --- " * len(HEADINGS) + "|\n")
    encoder, failed = bundle.encoder(), 0
    for path in options.slides:
        try:
            cells = row_of(path, bundle, encoder, reference, options.um_per_pixel)
        except MolfError as error:
            sys.stderr.write(f"{error}\n")
            failed = 1
            continue
        sys.stdout.write("| " + " | ".join(cells) + " |\n")
        sys.stdout.flush()
    return failed


if __name__ == "__main__":
    sys.exit(main())

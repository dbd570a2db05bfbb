"""Encode a part of a slide into a cache, slowly: run as a process of its own by the tests of the cache."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from molf_engine.encoders import FeatureCache, encode, encode_patches
from molf_engine.slides import patch_grid
from tests.molf_engine.encoders.toy import PATCH_UM, MeanColour, open_toy


class Slow(MeanColour):
    def encode(self, images: np.ndarray) -> np.ndarray:
        time.sleep(float(sys.argv[5]))
        return super().encode(images)


if __name__ == "__main__":
    encode._KEEP_SECONDS = 0.0
    first, last = int(sys.argv[3]), int(sys.argv[4])
    with open_toy(Path(sys.argv[1])) as slide:
        patches = patch_grid(slide, PATCH_UM, min_tissue=0).subset(slice(first, last))
        encode_patches(slide, patches, Slow(), cache=FeatureCache(sys.argv[2]), batch_size=4)

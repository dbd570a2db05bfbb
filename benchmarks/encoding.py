"""Encoding a slide against the encoder alone: what reading, keeping and reporting cost beside it.

    python benchmarks/encoding.py SLIDE [--patches 256] [--builtin-patches 1024] [--rounds 3] [--encoder FOLDER] [--device auto]

For each encoder, in one run and in turns: images per second of batches that are in memory already, and patches per second of
`encode_patches` from the slide, opened anew, into an empty feature cache.  On a machine that others use too, compare the processor
time.  `once`: what is done once for a slide, opening it and looking at its stain, whatever the number of patches; it is in the time from
the slide, and taken out of the second ratio.  The encoders: a DINOv2 of the size of a ViT-S with random weights, written to a temporary
folder, or the one given; and the built-in one, fitted to the slide.  How fast they are does not depend on the weights.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from molf_engine.encoders import Encoder, FeatureCache, encode_patches, fit_builtin, open_encoder
from molf_engine.encoders.protocol import usable_cores
from molf_engine.slides import Patches, open_slide, patch_grid, read_patch

BATCH = 64


def main() -> None:
    """Print two lines per encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("slide", type=Path)
    parser.add_argument("--um-per-pixel", type=float, help="of a slide that does not say it")
    parser.add_argument("--patches", type=int, default=256, help="for the foundation encoder")
    parser.add_argument("--builtin-patches", type=int, default=1024, help="for the built-in one, which is far faster")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--stride-um", type=float, default=28.0, help="small, so that a small slide has enough patches")
    parser.add_argument("--encoder", help="name or folder of a foundation encoder; none: a random ViT-S")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--workers", type=int)
    arguments = parser.parse_args()
    print(f"{usable_cores()} cores, load {os.getloadavg()[0]:.1f}; {arguments.slide.name}", flush=True)
    with open_slide(arguments.slide, um_per_pixel=arguments.um_per_pixel) as slide:
        patches = patch_grid(slide, 112.0, stride_um=arguments.stride_um)
        builtin = fit_builtin([(slide, patches.subset(slice(64)))]).for_slide(slide)
    with tempfile.TemporaryDirectory() as folder:
        source = arguments.encoder or _random_vit(Path(folder) / "random-vit-s")
        foundation = open_encoder(source, device=arguments.device, precision=arguments.precision)
        _compare(foundation, patches.subset(slice(arguments.patches)), arguments)
        _compare(builtin, patches.subset(slice(arguments.builtin_patches)), arguments)


def _compare(encoder: Encoder, patches: Patches, arguments: argparse.Namespace) -> None:
    with open_slide(arguments.slide, um_per_pixel=arguments.um_per_pixel) as slide:
        images = np.stack([read_patch(slide, centre, encoder.field_um, encoder.field_px) for centre in patches.centres])
    encoder.encode(images[:BATCH])

    def alone() -> np.ndarray:
        return np.concatenate([encoder.encode(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])

    def from_slide() -> np.ndarray:
        with (
            tempfile.TemporaryDirectory() as cache,
            open_slide(arguments.slide, um_per_pixel=arguments.um_per_pixel) as slide,
        ):
            return encode_patches(slide, patches, encoder, cache=FeatureCache(cache), workers=arguments.workers)

    def once() -> None:
        with open_slide(arguments.slide, um_per_pixel=arguments.um_per_pixel) as slide:
            encoder.for_slide(slide)

    ways: dict[str, Callable[[], np.ndarray | None]] = {"alone": alone, "slide": from_slide, "once": once}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    work: dict[str, list[float]] = {way: [] for way in ways}
    features: dict[str, np.ndarray | None] = {}
    for _ in range(arguments.rounds):
        for way, encode in ways.items():
            began, processor = time.perf_counter(), time.process_time()
            features[way] = encode()
            seconds[way].append(time.perf_counter() - began)
            work[way].append(time.process_time() - processor)
    speed = {way: len(images) / statistics.median(taken) for way, taken in seconds.items()}
    cost = {way: 1000 * statistics.median(taken) / len(images) for way, taken in work.items()}
    print(
        f"{encoder.name}: {len(images)} patches of {encoder.field_px} px, median of {arguments.rounds} rounds",
        flush=True,
    )
    alone_features, slide_features = features["alone"], features["slide"]
    assert alone_features is not None
    assert slide_features is not None
    gap = np.abs(slide_features - alone_features).max()
    middle = {way: statistics.median(taken) for way, taken in seconds.items()}
    worked = {way: statistics.median(taken) for way, taken in work.items()}
    print(
        f"  alone {speed['alone']:.1f}/s, from the slide {speed['slide']:.1f}/s, ratio {speed['slide'] / speed['alone']:.2f}, "
        f"without once {middle['alone'] / (middle['slide'] - middle['once']):.2f}\n"
        f"  processor {cost['alone']:.2f} and {cost['slide']:.2f} ms a patch, ratio {worked['alone'] / worked['slide']:.2f}, without once "
        f"{worked['alone'] / (worked['slide'] - worked['once']):.2f}; once {1000 * worked['once']:.0f} ms; "
        f"largest difference of a feature {gap:.1e}"
    )


def _random_vit(folder: Path) -> Path:
    import torch
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    sizes = {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6}
    Dinov2Model(Dinov2Config(**sizes, image_size=224, patch_size=14)).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    main()

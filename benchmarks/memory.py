"""Memory that a large slide needs at the released size, on the CPU, above its weights and its features.

    python benchmarks/memory.py [--patches 20000] [--precision float32]

Each row is a process of its own: largest resident size at its end, less what was resident before the call.  Inputs are there before;
weights have been used once.  `context`: one encoder layer over all patches, in both positions of the null condition; `latents`: what
a prediction keeps; `panel`: all genes of all patches, whose result alone is printed beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peak import machine

from molf_engine.bundle.decoder import LatentDecoder
from molf_engine.bundle.latents import Branches, slide_latents
from molf_engine.bundle.networks import build_vae, build_velocity, state_arrays
from molf_engine.config import FlowConfig, VAEConfig

MIB = 2**20
FEATURES, GENES, LATENT = 1536, 1386, 128
WHAT = ("context", "context, published null", "latents", "panel")


def resident(key: str) -> int:
    """Bytes that the kernel counts under `VmRSS` (now) or `VmHWM` (most so far)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"this system does not say {key}")


def measure(what: str, patches: int, precision: str) -> None:
    """Run one row in this process and print bytes, seconds and the size of the result."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    null = "slide-features" if "published" in what else "patch-context"
    position = "row-order" if "published" in what else "grid-2d"
    flow = FlowConfig(
        expert_width=256, expert_feedforward=2048, context_heads=12, context_feedforward=2048,
        guidance_dropout=null, position=position,
    )  # fmt: skip
    field = build_velocity(flow, LATENT, FEATURES, 2).eval()
    vae = build_vae(VAEConfig(latent=LATENT, width=512, feedforward=2048), GENES, "none").eval()
    decoder = LatentDecoder(state_arrays(vae, "vae"), np.ones(GENES, bool), depth=False, standardise=True)

    def work(count: int) -> int:
        if what == "panel":
            return decoder.expression(latent[:count]).nbytes
        branches = Branches(field, features[:count], positions[:count], 0, precision)  # type: ignore[arg-type]
        if what == "latents":
            slide_latents(field, features[:count], positions[:count], 0, branches=branches)
            return 2 * count * LATENT * 4
        with torch.inference_mode():
            (branches.unconditional if "published" in what else branches.conditional).sum()
        return count * FEATURES * 4

    width = 0 if what == "panel" else FEATURES
    features, positions = rng.normal(size=(patches, width)).astype(np.float32), rng.uniform(0, 2e4, (patches, 2))
    latent = rng.normal(size=(patches, LATENT)).astype(np.float32)
    # Libraries make their own buffers once; they belong to no slide.
    work(64)
    before = resident("VmRSS")
    began = time.perf_counter()
    result = work(patches)
    print(resident("VmHWM") - before, time.perf_counter() - began, result)


def main() -> None:
    """Print one row for each part of a prediction."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=20_000)
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--row", choices=WHAT, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.row:
        measure(arguments.row, arguments.patches, arguments.precision)
        return
    print(f"{machine()}; {arguments.patches:,} patches, released size, {arguments.precision}")
    print(f"{'':<24} {'MiB above the weights':>22} {'of it the result':>17} {'seconds':>8}")
    for what in WHAT:
        command = [sys.executable, __file__, "--row", what, "--patches", str(arguments.patches)]
        done = subprocess.run(
            [*command, "--precision", arguments.precision], check=True, capture_output=True, text=True
        )
        most, seconds, result = map(float, done.stdout.split())
        print(f"{what:<24} {most / MIB:>22,.0f} {result / MIB:>17,.0f} {seconds:>8.1f}", flush=True)


if __name__ == "__main__":
    main()

"""How long a new guidance scale takes for the score on the screen: one gene, or one Hallmark set, decoded from kept latents.

    python benchmarks/guidance_latency.py [--patches 5000] [--repeats 9]

Beside it, in the same run and by turns, sampling the same patches again: by our network (context, velocity of both branches, the whole
panel decoded), and at the released size also in the released way (see ``sampling.py``).  Ratios are of one gene's milliseconds.  Weights
are random: the time does not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import torch
from peak import decoder_operations, describe, peaks
from sampling import Slide

from molf_engine.bundle.decoder import LatentDecoder
from molf_engine.bundle.latents import slide_latents
from molf_engine.bundle.networks import build_vae, build_velocity, state_arrays
from molf_engine.config import FlowConfig, VAEConfig
from molf_engine.flow.guidance import guide
from molf_engine.genes import panel
from molf_engine.prediction.guided import Guided

RELEASED = (
    VAEConfig(latent=128, width=512, feedforward=2048),
    FlowConfig(expert_width=256, expert_feedforward=2048, context_heads=12, context_feedforward=2048),
    1536,
)
SHIPPED = (VAEConfig(), FlowConfig(), 48)


def model(vae: VAEConfig, flow: FlowConfig, features: int) -> SimpleNamespace:
    """A model of some size with random weights, as far as guidance and sampling need one."""
    torch.manual_seed(0)
    genes = panel("molf-1386")
    network = build_vae(vae, len(genes) + 1, "none").eval()
    decoder = LatentDecoder(
        state_arrays(network, "vae"), np.ones(len(genes), bool), depth=True, standardise=vae.standardise
    )
    columns = {
        f"{what}_{units}": value for units in ("log1p", "log1p-cp10k") for what, value in (("mean", 0.0), ("sd", 1.0))
    }
    return SimpleNamespace(
        weights_hash="benchmark",
        name="benchmark",
        config=SimpleNamespace(units="log1p-cp10k"),
        genes=pd.DataFrame({"measured": True, **columns}, index=list(genes)),
        decoder=lambda: decoder,
        field=build_velocity(flow, vae.latent, features, 2).eval(),
    )


def prediction(patches: int, latent: int) -> ad.AnnData:
    """The parts of a prediction that guidance reads."""
    rng = np.random.default_rng(0)
    return ad.AnnData(
        obs=pd.DataFrame({"total": np.full(patches, 5000.0)}, index=[str(i) for i in range(patches)]),
        obsm={name: rng.normal(size=(patches, latent)).astype(np.float32) for name in ("latent_cond", "latent_uncond")},
        uns={"molf": {"weights_hash": "benchmark", "bundle": "benchmark"}},
    )


def medians(ways: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Milliseconds of each way, called by turns; the first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats + 1):
        for name, work in ways.items():
            # Sampling takes seconds: a third of the rounds is enough for it.
            if "again" in name and number % 3:
                continue
            began = time.perf_counter()
            work()
            if number:
                times[name].append(time.perf_counter() - began)
    return {name: 1e3 * statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print one row per size and number of patches."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, nargs="+", default=[5000])
    parser.add_argument("--repeats", type=int, default=9)
    arguments = parser.parse_args()
    peak = peaks()
    print(describe(peak))
    print(f"median of {arguments.repeats}, milliseconds; gene and Hallmark: one change of w")
    print(
        f"{'size':>8} {'patches':>8} {'gene':>7} {'products':>9} {'Hallmark':>9} {'ours again':>16} {'released way again':>19}"
    )
    for name, (vae, flow, features) in (("shipped", SHIPPED), ("released", RELEASED)):
        bundle = model(vae, flow, features)
        for patches in arguments.patches:
            guided = Guided(prediction(patches, vae.latent), bundle)  # type: ignore[arg-type]
            scales = iter(np.linspace(0.01, 10, 10 * arguments.repeats + 10))
            images = np.random.default_rng(1).normal(size=(patches, features)).astype(np.float32)
            positions = np.random.default_rng(2).uniform(0, 2e4, size=(patches, 2))

            def sample(b: SimpleNamespace = bundle, x: np.ndarray = images, at: np.ndarray = positions) -> None:
                latents = slide_latents(b.field, x, at, 0)
                b.decoder().expression(guide(latents.conditional, latents.unconditional, np.float32(2)))

            ways: dict[str, Callable[[], object]] = {
                "gene": lambda g=guided, s=scales: g.gene("EPCAM", float(next(s))),
                "Hallmark": lambda g=guided, s=scales: g.hallmark("HYPOXIA", float(next(s))),
                "ours again": sample,
            }
            if name == "released":
                ways["released way again"] = Slide(patches).released
            found = medians(ways, arguments.repeats)
            products = 1e3 * decoder_operations(patches, 1, vae.latent, vae.width) / peak[torch.float32]
            row = f"{name:>8} {patches:>8,} {found['gene']:>7.1f} {products:>9.1f} {found['Hallmark']:>9.1f}"
            for again, width in (("ours again", 16), ("released way again", 19)):
                text = f"{found[again]:,.0f} {found[again] / found['gene']:.0f}x" if again in found else "-"
                row += f" {text:>{width}}"
            print(row, flush=True)


if __name__ == "__main__":
    main()

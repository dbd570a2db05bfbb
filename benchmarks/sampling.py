"""How long a slide takes from features to genes with guidance, w = 2, at the released size.

    python benchmarks/sampling.py [--patches 6000] [--repeats 3]

Rows, by turns in one run: the released way (two Euler steps from noise, every part a plain PyTorch module in evaluation mode, context anew
in each step and branch); the published form as it runs here, with the same weights, for a first slide and for a second one of equal
size; ours (one step from z0 = 0, no image after the context layer) in float32 and in bfloat16.  Weights are random, inputs too.

Beside each time: what its own matrix products would take at this machine's peak.  The forms are compared with the plain network in the
same run; exit code 1 if they do not agree.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from peak import context_operations, decoder_operations, describe, experts_operations, peaks
from plain_network import RELEASED, PlainModel

from molf_engine.bundle import latents
from molf_engine.bundle.decoder import LatentDecoder
from molf_engine.bundle.networks import build_velocity, state_arrays
from molf_engine.bundle.released import Unwritten, read_vae, read_velocity, split_state
from molf_engine.flow.guidance import guide
from molf_engine.flow.solver import keyed_noise

GUIDANCE = 2.0
CODE = 7
TOLERANCE = 1e-4
"""Of expression values of order one, which two steps and a decoder of random weights lie between."""


class Slide:
    """One slide and one set of weights, and the ways to sample from them."""

    def __init__(self, patches: int) -> None:
        torch.manual_seed(0)
        self.plain = PlainModel(replace(RELEASED, rows=max(patches, 140))).eval()
        torch.nn.init.normal_(self.plain.unconditional_embedding, std=0.02)
        inside, rest = split_state(self.plain.state_dict())
        vae, velocity = read_vae(inside, Unwritten()), read_velocity(rest, Unwritten())
        self.published = velocity.network()
        settings = velocity.config.model_copy(update={"guidance_dropout": "patch-context"})
        self.ours = build_velocity(settings, velocity.latent, velocity.features, velocity.codes).eval()
        self.ours.load_state_dict(velocity.state)
        self.decoder = LatentDecoder(
            state_arrays(vae.network(), "vae"), np.ones(RELEASED.genes, bool), depth=False, standardise=False
        )
        self.features = torch.randn(patches, RELEASED.features)
        self.positions = np.zeros((patches, 2))
        self.onehot = torch.nn.functional.one_hot(torch.tensor([[CODE]]), RELEASED.codes).float()

    @torch.inference_mode()
    def released(self) -> np.ndarray:
        """Everything plain."""
        z0 = keyed_noise(0, range(len(self.features)), RELEASED.latent)[None]
        latent = self.plain.sample(z0, self.features[None], self.onehot, GUIDANCE, 2)
        return self.plain.gene_autoencoder.decoder(latent)[0].numpy()

    def published_cold(self) -> np.ndarray:
        """The same computed here, as if no slide had been seen before."""
        latents.forget()
        return self.published_again()

    def published_again(self) -> np.ndarray:
        """The same for the next slide of this size."""
        (end,) = latents.sample_latents(
            self.published, self.features.numpy(), self.positions, CODE, guidance=GUIDANCE, steps=2, seed=0, draws=1
        )
        return self.decoder.expression(end)

    def mean(self, precision: latents.Precision = "float32") -> np.ndarray:
        """Our estimate for maps."""
        ends = latents.slide_latents(self.ours, self.features.numpy(), self.positions, CODE, precision=precision)
        return self.decoder.expression(guide(ends.conditional, ends.unconditional, np.float32(GUIDANCE)))

    @torch.inference_mode()
    def plain_mean(self) -> np.ndarray:
        """Our estimate from the plain modules: the conditioner alone makes the context without an image."""
        plain, start = self.plain, torch.zeros(1, len(self.features), RELEASED.latent)
        towards, _ = plain.velocity(start, 0.0, self.features[None], self.onehot)
        context = plain.conditioner(plain.unconditional_embedding, plain.onco_embedder(self.onehot))
        joined = plain.velocity_input_norm(torch.cat([start[:, :1], torch.zeros(1, 1, 1), context], dim=2))
        away, _ = plain.velocity_predictor(joined[0])
        return plain.gene_autoencoder.decoder(away + GUIDANCE * (towards[0] - away)).numpy()


def agree(name: str, found: np.ndarray, expected: np.ndarray) -> bool:
    """Print the largest difference; return whether it is rounding."""
    error = float(np.abs(found - expected).max())
    good = error <= TOLERANCE
    print(f"  {name}: largest difference {error:.1e}{'' if good else '  <- too large'}")
    return good


def correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Smallest over the genes of the correlation over patches."""
    one, other = (part - part.mean(axis=0) for part in (one.astype(np.float64), other.astype(np.float64)))
    return float(((one * other).sum(0) / np.sqrt((one**2).sum(0) * (other**2).sum(0))).min())


def main() -> int:
    """Print one row per way, and how well they agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=6000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    count = arguments.patches
    peak = peaks()
    full, half = (peak[dtype] for dtype in (torch.float32, torch.bfloat16))
    context, experts, decoder = context_operations(count), experts_operations(count), decoder_operations(count)
    # Query and output of the attention to the code's one token, which plain modules compute for every patch.
    to_code = 2.0 * 2 * count * RELEASED.features**2
    # Projections of queries and keys of experts whose sequence has one patch.
    unused = 2.0 * 2 * count * 3 * RELEASED.expert_width**2
    slide = Slide(count)
    ways: dict[str, tuple[Callable[[], np.ndarray], float]] = {
        "released way": (slide.released, (4 * (context + to_code + experts + unused) + decoder) / full),
        "published form, first slide": (slide.published_cold, (2 * context + 4 * experts + decoder) / full),
        "published form, next slide": (slide.published_again, (context + 4 * experts + decoder) / full),
        "ours, float32": (slide.mean, (context + experts + decoder) / full),
        "ours, bfloat16": (lambda: slide.mean("bfloat16"), (context + experts) / half + decoder / full),
    }
    # The first round of each is not counted.
    results = {name: work() for name, (work, _) in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.repeats):
        for name, (work, _) in ways.items():
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    print(describe(peak))
    print(f"{count:,} patches, w = {GUIDANCE:g}, features to {RELEASED.genes:,} genes, median of {arguments.repeats}")
    print(f"{'':<30} {'seconds':>8} {'ratio':>7} {'products alone':>15} {'ratio':>7}")
    baseline, least = statistics.median(times["released way"]), ways["released way"][1]
    for name, (_, bound) in ways.items():
        middle = statistics.median(times[name])
        print(f"{name:<30} {middle:>8.2f} {baseline / middle:>6.1f}x {bound:>13.2f} s {least / bound:>6.1f}x")
    print("agreement, expression values against the plain network:")
    good = agree("published form", results["published form, first slide"], results["released way"])
    good &= agree("published form, next slide", results["published form, next slide"], results["released way"])
    good &= agree("ours, float32", results["ours, float32"], slide.plain_mean())
    half_way = results["ours, bfloat16"]
    print(
        f"  ours, bfloat16 against float32: largest difference {np.abs(half_way - results['ours, float32']).max():.1e}, smallest "
        f"correlation of a gene {correlation(half_way, results['ours, float32']):.5f}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

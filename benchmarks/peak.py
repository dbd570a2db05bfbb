"""How fast this machine multiplies matrices: what the other benchmarks set their times against.

    python benchmarks/peak.py [--patches 2000 6000]

Prints the peak of a large square product, and what the products of the released network reach, in float32 and bfloat16.  Shapes are rows x
inner x columns of one linear layer.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable

import torch

SQUARE = 4096
DTYPES = (torch.float32, torch.bfloat16)

Shape = tuple[int, int, int]


def machine() -> str:
    """What was measured on."""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {torch.get_num_threads()} threads, {capability}"


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Shortest time of a call, after one that is not counted: a peak is what the machine does undisturbed."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


@torch.inference_mode()
def rate(shape: Shape, dtype: torch.dtype, repeats: int = 5) -> float:
    """Floating-point operations per second of one linear layer."""
    rows, inner, columns = shape
    x, layer = torch.randn(rows, inner).to(dtype), torch.nn.Linear(inner, columns).to(dtype)
    return 2 * rows * inner * columns / seconds(lambda: layer(x), repeats)


def peaks() -> dict[torch.dtype, float]:
    """Rate of a large square product in each precision."""
    return {dtype: rate((SQUARE, SQUARE, SQUARE), dtype, repeats=5) for dtype in DTYPES}


def describe(peak: dict[torch.dtype, float]) -> str:
    """Machine and peaks in one line."""
    rates = ", ".join(f"{str(dtype).removeprefix('torch.')} {value / 1e9:.0f} GFLOP/s" for dtype, value in peak.items())
    return f"{machine()}; product of {SQUARE} x {SQUARE} matrices: {rates}"


def layer_shapes(patches: int) -> dict[str, Shape]:
    """Linear layers of the released network, and one head's scores."""
    routed = patches * 2 // 6
    return {
        "query, key, value": (patches, 1536, 4608),
        "attention out": (patches, 1536, 1536),
        "feed-forward in": (patches, 1536, 2048),
        "feed-forward out": (patches, 2048, 1536),
        "scores of 256 queries": (256, 128, patches),
        "values of 256 queries": (256, patches, 128),
        "expert in": (routed, 1665, 256),
        "expert feed-forward in": (routed, 256, 2048),
        "expert feed-forward out": (routed, 2048, 256),
        "decoder last": (patches, 1024, 1386),
    }


def context_operations(patches: int, width: int = 1536, feedforward: int = 2048) -> float:
    """Of the products of one encoder layer over the patches, attention included, forwards."""
    return 2.0 * patches * width * (4 * width + 2 * feedforward + 2 * patches)


def experts_operations(patches: int, joined: int = 1665, width: int = 256, feedforward: int = 2048) -> float:
    """Of two experts for each patch."""
    return 2.0 * 2 * patches * (joined * width + width * width + 2 * width * feedforward + width * 128)


def decoder_operations(patches: int, columns: int = 1386, latent: int = 128, width: int = 512) -> float:
    """Of the decoder, for some of the genes."""
    return 2.0 * patches * (latent * width + 2 * width * width + 2 * width * columns)


def report(patches: Iterable[int]) -> None:
    """Print the table."""
    print(describe(peaks()))
    for count in patches:
        print(f"\n{count:,} patches{'':<20}{'shape':>20} {'float32':>9} {'bfloat16':>9}  GFLOP/s")
        for name, shape in layer_shapes(count).items():
            found = " ".join(f"{rate(shape, dtype) / 1e9:>9.0f}" for dtype in DTYPES)
            print(f"  {name:<28}{' x '.join(map(str, shape)):>20} {found}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, nargs="+", default=[2000, 6000])
    report(parser.parse_args().patches)


if __name__ == "__main__":
    main()

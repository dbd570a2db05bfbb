"""Agreement with the released network: every tensor of a vectors file, computed from a released checkpoint.

    python benchmarks/parity.py CHECKPOINT VECTORS [--top-k 2] [--context-heads 12] [--vae-heads 4] [--expert-heads 4]
                                [--cancer-heads 4]

CHECKPOINT is what `molf-engine import-weights` reads.  VECTORS is a safetensors file with inputs and outputs of the released network in
float32, named CASE.TENSOR: inputs emb, expression, mask, onco and z0; outputs as listed in `COMPUTED` below.

What runs is what predicts: the context once per slide and branch, the cancer code as a row of a table, experts over sorted blocks of
patches, attention over a single patch as one linear map.  Prints the largest absolute error of each tensor over all cases, and the case.
Exit code 0: all within 1e-5; 1: not; 2: a file or an option cannot be used.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from molf_engine.bundle.importing import read_checkpoint
from molf_engine.bundle.released import Unwritten
from molf_engine.errors import DataError, MolfError
from molf_engine.flow.guidance import guided_velocity
from molf_engine.flow.losses import balance_loss, flow_matching_loss, masked_mse
from molf_engine.flow.path import end_point, interpolate
from molf_engine.flow.solver import euler
from molf_engine.nn.experts import Routing
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField

TOLERANCE = 1e-5
INPUTS = ("emb", "expression", "mask", "onco", "z0")
Case = Mapping[str, Tensor]


class Computed:
    """Our outputs for one case; what several of them need is computed once."""

    def __init__(self, vae: GeneVAE, field: VelocityField, case: Case) -> None:
        self.vae, self.field = vae, field
        self.emb, self.expression, self.mask, self.z0 = (case[name] for name in ("emb", "expression", "mask", "z0"))
        # The released network knows a patch's place by its row alone.
        nowhere = torch.zeros(len(self.emb), 2)
        code = int(case["onco"].argmax())
        self.mean, self.logvar = vae.encode(self.expression, self.mask, nowhere)
        self.conditional = field.context(self.emb, nowhere, code)
        self.unconditional = field.context.unconditional(nowhere, code)

    def masked(self, latent: Tensor) -> Tensor:
        """Expression of the measured genes."""
        return self.vae.decode(latent) * self.mask

    def routing(self, t: float) -> Routing:
        """How the conditional branch is routed at z0."""
        routing = self.field(self.z0, t, self.conditional).routing
        if routing is None:
            raise DataError("the vectors hold gate logits or their loss, but the checkpoint has no experts.")
        return routing

    def balance(self, t: float) -> Tensor:
        """Load-balancing loss."""
        routing = self.routing(t)
        return balance_loss(routing.logits, routing.chosen)

    def on_path(self, t: float) -> tuple[Tensor, Tensor]:
        """Point between z0 and the VAE's mean, and the velocity there."""
        z = interpolate(self.z0, self.mean, torch.tensor(t))
        return z, self.field(z, t, self.conditional).value

    def gene_loss(self, t: float) -> Tensor:
        """Gene-consistency loss."""
        end = end_point(*self.on_path(t), torch.tensor(t))
        return masked_mse(self.vae.decode(end), self.expression, self.mask)

    def sample(self, scale: float, steps: int) -> Tensor:
        """End of a guided path from z0."""
        velocity = guided_velocity(
            lambda z, t: self.field(z, t, self.conditional).value,
            lambda z, t: self.field(z, t, self.unconditional).value,
            scale,
        )
        return euler(velocity, self.z0, int(steps))


NUMBER = r"(\d+(?:\.\d+)?)"
COMPUTED: dict[str, Callable[..., Tensor]] = {
    r"vae_mean": lambda c: c.mean,
    r"vae_logvar": lambda c: c.logvar,
    r"decoded_from_mean": lambda c: c.masked(c.mean),
    r"decoded_from_mean_unmasked": lambda c: c.vae.decode(c.mean),
    rf"velocity_cond_t{NUMBER}": lambda c, t: c.field(c.z0, t, c.conditional).value,
    rf"velocity_uncond_t{NUMBER}": lambda c, t: c.field(c.z0, t, c.unconditional).value,
    rf"gate_logits_t{NUMBER}": lambda c, t: c.routing(t).logits,
    rf"sample_latent_w{NUMBER}_steps{NUMBER}": lambda c, w, steps: c.sample(w, steps),
    rf"sample_genes_w{NUMBER}_steps{NUMBER}": lambda c, w, steps: c.masked(c.sample(w, steps)),
    rf"load_balancing_t{NUMBER}": lambda c, t: c.balance(t),
    rf"cfm_loss_t{NUMBER}": lambda c, t: flow_matching_loss(c.on_path(t)[1], c.z0, c.mean),
    rf"gene_loss_t{NUMBER}": lambda c, t: c.gene_loss(t),
}
"""Name of a tensor of the vectors file (its numbers are arguments) -> how it is computed here."""


def read_vectors(path: Path) -> dict[str, dict[str, Tensor]]:
    """Cases of a vectors file, by name, without the axis of one slide.

    Raises
    ------
    DataError
        If the file cannot be read or holds something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path} cannot be read as a safetensors file of vectors: {error}") from error
    cases: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        case, _, tensor = name.partition(".")
        cases.setdefault(case, {})[tensor] = value[0] if value.ndim == 3 and len(value) == 1 else value
    if not cases:
        raise DataError(f"{path} holds no tensors.")
    for case, found in cases.items():
        if missing := [name for name in INPUTS if name not in found]:
            raise DataError(f"{path}: {case} lacks {', '.join(missing)}.")
        if len(found) == len(INPUTS):
            raise DataError(f"{path}: {case} has inputs only, and nothing to compare with.")
        if strange := [name for name in found if name not in INPUTS and recipe(name) is None]:
            raise DataError(f"{path}: {case} has tensors that this program cannot compute: {', '.join(strange[:5])}.")
    return cases


def recipe(name: str) -> tuple[Callable[..., Tensor], list[float]] | None:
    """How a tensor is computed, and the numbers in its name."""
    for pattern, compute in COMPUTED.items():
        if match := re.fullmatch(pattern, name):
            return compute, [float(number) for number in match.groups()]
    return None


def check_sizes(vae: GeneVAE, field: VelocityField, case: Case, where: str) -> None:
    """Raise :class:`DataError` if the inputs of a case are not for these weights."""
    patches, codes = len(case["emb"]), field.context.code.num_embeddings
    genes, features = vae.centre.numel(), field.context.null.numel()
    expected = {
        "emb": (patches, features),
        "expression": (patches, genes),
        "mask": (patches, genes),
        "onco": (1, codes),
        "z0": (patches, field.latent),
    }
    for name, shape in expected.items():
        if tuple(case[name].shape) != shape:
            raise DataError(
                f"{where}: {name} has the shape {tuple(case[name].shape)}; the checkpoint needs {shape}. They do not belong together."
            )
    onco = case["onco"]
    if not (onco.sum() == 1 and onco.max() == 1):
        raise DataError(f"{where}: onco is not the one-hot vector of one cancer code.")


@torch.inference_mode()
def worst_errors(
    vae: GeneVAE, field: VelocityField, cases: Mapping[str, Case], where: str
) -> dict[str, tuple[float, str]]:
    """Largest absolute error of each tensor, and the case it is of; a value that is not finite counts as infinite error."""
    worst: dict[str, tuple[float, str]] = {}
    for label, case in cases.items():
        check_sizes(vae, field, case, f"{where}: {label}")
        computed = Computed(vae, field, case)
        for name, theirs in case.items():
            found = recipe(name)
            if found is None:
                continue
            compute, numbers = found
            ours = compute(computed, *numbers)
            if ours.numel() != theirs.numel():
                raise DataError(f"{where}: {label}.{name} has {theirs.numel()} values; here it has {ours.numel()}.")
            error = float((ours - theirs.reshape(ours.shape)).abs().max().nan_to_num(torch.inf))
            if name not in worst or error > worst[name][0]:
                worst[name] = (error, label)
    return worst


def report(worst: Mapping[str, tuple[float, str]], cases: int) -> bool:
    """Print the table; return whether everything is within :data:`TOLERANCE`."""
    print(f"{'tensor':<28} {'largest error':>14}  case")
    for name in sorted(worst):
        error, case = worst[name]
        mark = "" if error <= TOLERANCE else "  <- too large"
        print(f"{name:<28} {error:>14.2e}  {case}{mark}")
    largest = max((error for error, _ in worst.values()), default=0.0)
    good = bool(worst) and largest <= TOLERANCE
    verdict = "within" if good else "NOT within"
    print(f"\n{len(worst)} tensors, {cases} cases, float32: largest error {largest:.2e}, {verdict} {TOLERANCE:.0e}")
    return good


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT")
    parser.add_argument("vectors", type=Path, metavar="VECTORS")
    released = Unwritten()
    for option, value in (
        ("--top-k", released.active),
        ("--context-heads", released.context_heads),
        ("--vae-heads", released.vae_heads),
        ("--expert-heads", released.expert_heads),
        ("--cancer-heads", released.cancer_heads),
    ):
        parser.add_argument(option, type=int, default=value, help="default: %(default)s; no tensor says it")
    given = parser.parse_args(arguments)
    unwritten = Unwritten(given.top_k, given.context_heads, given.vae_heads, given.expert_heads, given.cancer_heads)
    try:
        vae, velocity = read_checkpoint(given.checkpoint, unwritten)
        cases = read_vectors(given.vectors)
        worst = worst_errors(vae.network(), velocity.network(), cases, str(given.vectors))
    except MolfError as error:
        print(error, file=sys.stderr)
        return 2
    return 0 if report(worst, len(cases)) else 1


if __name__ == "__main__":
    sys.exit(main())

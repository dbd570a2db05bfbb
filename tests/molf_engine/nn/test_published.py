"""The published form computes what the released network computes: the reference vectors, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from molf_engine.bundle.importing import read_checkpoint
from molf_engine.flow.guidance import guide
from molf_engine.flow.losses import balance_loss, flow_matching_loss, masked_mse
from molf_engine.flow.path import end_point, interpolate
from molf_engine.flow.solver import euler

TOLERANCE = 1e-5


class Published:
    """The released network at the checkpoint's widths."""

    def __init__(self, folder: Path) -> None:
        vae, velocity = read_checkpoint(folder / "parity_checkpoint.pt")
        self.vae, self.field = vae.network(), velocity.network()


@pytest.fixture(scope="module")
def published(shared_root: Path) -> Published:
    return Published(shared_root / "reference")


@pytest.fixture(scope="module", params=range(4), ids="case{}".format)
def case(request: pytest.FixtureRequest, shared_root: Path) -> dict[str, Tensor]:
    """Tensors of one case without their batch axis, and the index of its cancer code."""
    with safe_open(str(shared_root / "reference" / "parity_vectors.safetensors"), framework="pt") as file:
        prefix = f"case{request.param}."
        found = {key.removeprefix(prefix): file.get_tensor(key) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
    return {name: value[0] if value.ndim == 3 else value for name, value in found.items()}


def close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs.reshape(ours.shape), rtol=0, atol=TOLERANCE)


def code_of(case: dict[str, Tensor]) -> int:
    return int(case["onco"].argmax())


def no_positions(case: dict[str, Tensor]) -> Tensor:
    """The published network knows only the number of patches."""
    return torch.zeros(len(case["emb"]), 2)


@torch.no_grad()
def test_gene_vae(published: Published, case: dict[str, Tensor]) -> None:
    mean, logvar = published.vae.encode(case["expression"], case["mask"], no_positions(case))
    close(mean, case["vae_mean"])
    close(logvar, case["vae_logvar"])
    close(published.vae.decode(mean), case["decoded_from_mean_unmasked"])
    close(published.vae.decode(mean) * case["mask"], case["decoded_from_mean"])


@torch.no_grad()
@pytest.mark.parametrize("time", ["0.0", "0.3", "0.9"])
def test_velocity_and_gate(published: Published, case: dict[str, Tensor], time: str) -> None:
    field, positions = published.field, no_positions(case)
    towards = field(case["z0"], float(time), field.context(case["emb"], positions, code_of(case)))
    away = field(case["z0"], float(time), field.context.unconditional(positions, code_of(case)))
    assert towards.routing is not None
    close(towards.value, case[f"velocity_cond_t{time}"])
    close(away.value, case[f"velocity_uncond_t{time}"])
    close(towards.routing.logits, case[f"gate_logits_t{time}"])


@torch.no_grad()
@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("scale", [1.0, 2.0, 3.5])
def test_guided_sample(published: Published, case: dict[str, Tensor], scale: float, steps: int) -> None:
    field, positions = published.field, no_positions(case)
    conditional = field.context(case["emb"], positions, code_of(case))
    unconditional = field.context.unconditional(positions, code_of(case))

    def velocity(z: Tensor, t: float) -> Tensor:
        return guide(field(z, t, conditional).value, field(z, t, unconditional).value, scale)

    latent = euler(velocity, case["z0"], steps)
    close(latent, case[f"sample_latent_w{scale}_steps{steps}"])
    close(published.vae.decode(latent) * case["mask"], case[f"sample_genes_w{scale}_steps{steps}"])


@torch.no_grad()
def test_losses(published: Published, case: dict[str, Tensor]) -> None:
    field, t = published.field, torch.tensor(0.3)
    context = field.context(case["emb"], no_positions(case), code_of(case))
    routing = field(case["z0"], t, context).routing
    assert routing is not None
    close(balance_loss(routing.logits, routing.chosen), case["load_balancing_t0.3"])

    z = interpolate(case["z0"], case["vae_mean"], t)
    velocity = field(z, t, context).value
    close(flow_matching_loss(velocity, case["z0"], case["vae_mean"]), case["cfm_loss_t0.3"])
    decoded = published.vae.decode(end_point(z, velocity, t))
    close(masked_mse(decoded, case["expression"], case["mask"]), case["gene_loss_t0.3"])

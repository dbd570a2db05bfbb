"""Properties of the network that no width or weight changes."""

from __future__ import annotations

import pytest
import torch

from molf_engine.nn.context import Context
from molf_engine.nn.experts import Experts, Gate
from molf_engine.nn.position import grid_sinusoids
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField


def field(position: str = "grid-2d", kind: str = "moe") -> VelocityField:
    torch.manual_seed(0)
    context = Context(24, 3, 4, 32, position=position)
    return VelocityField(8, context, 24, kind, experts=5, active=2, width=16, feedforward=32).eval()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["moe", "dense", "attention"])
def test_with_true_positions_the_order_of_the_patches_does_not_matter(kind: str) -> None:
    network, order = field(kind=kind), torch.randperm(40)
    features, positions, z = torch.randn(40, 24), torch.rand(40, 2) * 5000, torch.randn(40, 8)

    def velocity(index: torch.Tensor) -> torch.Tensor:
        return network(z[index], 0.0, network.context(features[index], positions[index], 1)).value

    torch.testing.assert_close(velocity(torch.arange(40))[order], velocity(order), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_with_row_order_it_does() -> None:
    network, order = field("row-order"), torch.arange(39, -1, -1)
    features, positions = torch.randn(40, 24), torch.zeros(40, 2)
    straight = network.context(features, positions, 1)[order]
    assert not torch.allclose(straight, network.context(features[order], positions, 1), atol=1e-3)


@torch.no_grad()
def test_the_same_tissue_elsewhere_on_the_glass_is_the_same_tissue() -> None:
    network = field()
    features, positions = torch.randn(12, 24), torch.rand(12, 2, dtype=torch.float64) * 3000
    here = network.context(features, positions, 0)
    torch.testing.assert_close(here, network.context(features, positions + 7777.0, 0), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_neighbours_reach_a_patch_and_its_own_absence_does_not_leak() -> None:
    network = field()
    features, positions = torch.randn(10, 24), torch.rand(10, 2) * 2000
    before = network.context(features, positions, 0)
    changed = features.clone()
    changed[7] += 3
    assert not torch.allclose(before[2], network.context(changed, positions, 0)[2], atol=1e-4)
    hidden = torch.zeros(10, dtype=torch.bool)
    hidden[7] = True
    withheld = network.context(changed, positions, 0, hidden)[7]
    torch.testing.assert_close(withheld, network.context(features, positions, 0, hidden)[7])
    torch.testing.assert_close(withheld, network.context.unconditional(positions, 0)[0])


@torch.no_grad()
def test_the_unconditional_branch_keeps_the_cancer_code() -> None:
    context, positions = field().context, torch.zeros(4, 2)
    assert context.unconditional(positions, 0).shape == (1, 24)
    assert not torch.allclose(context.unconditional(positions, 0), context.unconditional(positions, 1), atol=1e-4)


@torch.no_grad()
def test_experts_sorted_by_patch_equal_each_expert_on_every_patch() -> None:
    torch.manual_seed(1)
    gate, experts = Gate(10, 6, 2), Experts(6, 10, 16, 32, 4).eval()
    x = torch.randn(50, 10)
    routing = gate(x)
    everything = torch.stack([expert(x) for expert in experts.experts], dim=1)
    expected = (routing.dense()[:, :, None] * everything).sum(1)
    torch.testing.assert_close(experts(x, routing), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_gate_weights_are_a_softmax_over_the_kept_logits() -> None:
    gate = Gate(10, 6, 2)
    routing = gate(torch.randn(30, 10))
    dense = routing.dense()
    torch.testing.assert_close(dense.sum(1), torch.ones(30))
    assert ((dense > 0).sum(1) == 2).all()
    assert (routing.logits.argmax(1) == dense.argmax(1)).all()
    top = routing.logits.topk(2, dim=1).values
    torch.testing.assert_close(routing.weights, top.softmax(1))


@torch.no_grad()
def test_a_patch_without_measured_genes_tells_its_neighbours_nothing() -> None:
    torch.manual_seed(2)
    vae = GeneVAE(20, 6, 16, 4, 32, position="none").eval()
    x, mask = torch.rand(5, 20), torch.ones(5, 20)
    mask[4] = 0
    before, _ = vae.encode(x, mask, torch.zeros(5, 2))
    x[4] = 9
    after, _ = vae.encode(x, mask, torch.zeros(5, 2))
    torch.testing.assert_close(before, after)


@torch.no_grad()
def test_a_slide_where_nothing_was_measured_gives_finite_latents() -> None:
    vae = GeneVAE(20, 6, 16, 4, 32).eval()
    mean, logvar = vae.encode(torch.rand(3, 20), torch.zeros(3, 20), torch.rand(3, 2))
    assert torch.isfinite(mean).all()
    assert torch.isfinite(logvar).all()


def test_positions_of_one_patch_and_of_none_are_finite() -> None:
    assert torch.isfinite(grid_sinusoids(torch.tensor([[5.0, 5.0]]), 10)).all()
    assert grid_sinusoids(torch.zeros(0, 2), 10).shape == (0, 10)


def test_the_dense_control_has_as_many_parameters_as_all_experts() -> None:
    def count(kind: str) -> int:
        return sum(parameter.numel() for parameter in field(kind=kind).head.parameters())

    assert abs(count("dense") / count("moe") - 1) < 0.1

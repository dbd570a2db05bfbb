"""Path, solver, guidance and losses against answers known on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from molf_engine.flow.guidance import guide
from molf_engine.flow.losses import balance_loss, flow_matching_loss, kl_divergence, masked_mse
from molf_engine.flow.path import draw_times, end_point, interpolate
from molf_engine.flow.solver import euler, keyed_noise


def test_the_path_starts_at_noise_and_ends_at_data() -> None:
    z0, z1 = torch.randn(5, 3), torch.randn(5, 3)
    torch.testing.assert_close(interpolate(z0, z1, torch.zeros(5)), z0)
    torch.testing.assert_close(interpolate(z0, z1, torch.ones(5)), z1)
    torch.testing.assert_close(interpolate(z0, z1, torch.tensor(0.25)), 0.75 * z0 + 0.25 * z1)


def test_the_true_velocity_leads_to_the_end_from_any_time() -> None:
    z0, z1, t = torch.randn(5, 3), torch.randn(5, 3), torch.rand(5)
    torch.testing.assert_close(end_point(interpolate(z0, z1, t), z1 - z0, t), z1)


def test_one_step_of_euler_is_start_plus_velocity() -> None:
    z0 = torch.randn(4, 2)
    torch.testing.assert_close(euler(lambda z, t: 3 * z + 1, z0, 1), 4 * z0 + 1)


@pytest.mark.parametrize(("steps", "error"), [(10, 0.15), (1000, 0.0015)])
def test_euler_converges_to_the_exponential(steps: int, error: float) -> None:
    end = euler(lambda z, t: z, torch.ones(1, 1), steps)
    assert abs(float(end) - math.e) < error
    assert float(end) == pytest.approx((1 + 1 / steps) ** steps, rel=1e-4)


def test_euler_visits_the_left_end_of_each_step() -> None:
    times: list[float] = []

    def velocity(z: torch.Tensor, t: float) -> torch.Tensor:
        times.append(t)
        return torch.zeros_like(z)

    euler(velocity, torch.zeros(1, 1), 4)
    assert times == [0.0, 0.25, 0.5, 0.75]


def test_euler_without_a_step_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one step"):
        euler(lambda z, t: z, torch.zeros(1, 1), 0)


def test_guidance_is_linear_between_the_branches_and_beyond() -> None:
    c, u = np.float32([[2.0, 0.0]]), np.float32([[1.0, 4.0]])
    np.testing.assert_allclose(guide(c, u, 0.0), u)
    np.testing.assert_allclose(guide(c, u, 1.0), c)
    np.testing.assert_allclose(guide(c, u, 3.0), [[4.0, -8.0]])


def test_noise_belongs_to_the_patch_and_not_to_the_batch() -> None:
    together = keyed_noise(7, [3, 9, 27], 16)
    alone = keyed_noise(7, [9], 16)
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=0)
    assert not torch.equal(alone, keyed_noise(8, [9], 16))
    assert not torch.equal(alone, keyed_noise(7, [9], 16, draw=1))


def test_noise_is_standard_normal() -> None:
    noise = keyed_noise(1, range(4000), 8)
    assert abs(float(noise.mean())) < 0.03
    assert abs(float(noise.std()) - 1) < 0.03


def test_times_are_uniform_but_for_the_share_at_zero() -> None:
    t = draw_times(20_000, per_patch=True, zero_share=0.3, generator=torch.Generator().manual_seed(0))
    assert abs(float((t == 0).float().mean()) - 0.3) < 0.02
    assert abs(float(t[t > 0].mean()) - 0.5) < 0.02


def test_a_slide_can_share_one_time() -> None:
    t = draw_times(50, per_patch=False, zero_share=0.0, generator=torch.Generator().manual_seed(0))
    assert t.shape == (50,)
    assert len(t.unique()) == 1


def test_flow_matching_loss_is_zero_for_the_true_velocity() -> None:
    z0, z1 = torch.randn(6, 4), torch.randn(6, 4)
    assert float(flow_matching_loss(z1 - z0, z0, z1)) == 0
    assert float(flow_matching_loss(z1 - z0 + 2, z0, z1)) == pytest.approx(4)


def test_masked_mse_ignores_what_was_not_measured() -> None:
    predicted = torch.tensor([[1.0, 100.0], [3.0, -100.0]])
    assert float(masked_mse(predicted, torch.zeros(2, 2), torch.tensor([1.0, 0.0]))) == pytest.approx(5)


def test_kl_divergence_of_a_standard_normal_is_zero() -> None:
    assert float(kl_divergence(torch.zeros(3, 2), torch.zeros(3, 2))) == 0
    assert float(kl_divergence(torch.ones(3, 2), torch.zeros(3, 2))) == pytest.approx(3.0)


def test_the_balance_losses_have_their_optimum_at_equal_use() -> None:
    experts, active = 6, 2
    even = torch.zeros(300, experts)
    chosen = torch.stack([torch.arange(300) % experts, (torch.arange(300) + 1) % experts], dim=1)
    assert float(balance_loss(even, chosen, "switch")) == pytest.approx(active)
    assert float(balance_loss(even, chosen, "cv")) == pytest.approx(0)
    skewed = even.clone()
    skewed[:, 0] = 5
    alone = torch.tensor([[0, 1]]).expand(300, 2)
    assert float(balance_loss(skewed, alone, "switch")) > active
    assert float(balance_loss(skewed, alone, "cv")) > 1

"""Path, solver, guidance and losses against answers known on paper."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from molf_engine.errors import ConfigError
from molf_engine.flow.guidance import check_interval, check_scale, guide, guided_velocity
from molf_engine.flow.losses import balance_loss, flow_matching_loss, kl_divergence, masked_mse
from molf_engine.flow.path import draw_times, end_point, interpolate
from molf_engine.flow.solver import VelocityFunction, euler, keyed_noise


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


@pytest.mark.parametrize("steps", [1, 2, 5, 16])
def test_a_constant_field_leads_to_the_same_end_in_any_number_of_steps(steps: int) -> None:
    z0 = torch.randn(4, 2)
    torch.testing.assert_close(euler(lambda z, t: torch.full_like(z, 2.5), z0, steps), z0 + 2.5)


@pytest.mark.parametrize("steps", [1, 2, 7, 50])
def test_a_field_of_time_alone_is_summed_at_the_left_ends(steps: int) -> None:
    end = euler(lambda z, t: torch.full_like(z, 3 * t**2), torch.zeros(1, 1), steps)
    assert float(end) == pytest.approx((steps - 1) * (2 * steps - 1) / (2 * steps**2))


@pytest.mark.parametrize("rate", [-1.0, 0.5, 2.0])
@pytest.mark.parametrize("steps", [1, 3, 20])
def test_a_linear_field_grows_by_one_factor_per_step(rate: float, steps: int) -> None:
    z0 = torch.randn(4, 2)
    torch.testing.assert_close(euler(lambda z, t: rate * z, z0, steps), (1 + rate / steps) ** steps * z0)


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


def gaussian(mean: float, sd: float) -> VelocityFunction:
    """E[z1 - z0 | z_t = z] for z1 ~ N(mean, sd^2) and z0 ~ N(0, 1), independent of each other.

    z_t = (1 - t) z0 + t z1 has the mean t mean and the variance (1 - t)^2 + t^2 sd^2; its covariance with z1 - z0 is
    t sd^2 - (1 - t).
    """

    def velocity(z: torch.Tensor, t: float) -> torch.Tensor:
        return mean + (t * sd**2 - (1 - t)) / ((1 - t) ** 2 + t**2 * sd**2) * (z - t * mean)

    return velocity


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (2.0, 0.5), (-3.0, 2.0)])
def test_many_steps_from_noise_draw_from_the_gaussian(mean: float, sd: float) -> None:
    count = 20_000
    end = euler(gaussian(mean, sd), keyed_noise(0, range(count), 1), 400)
    # Four standard errors of the estimates, and what 400 steps of Euler's method are off by.
    assert abs(float(end.mean()) - mean) < 4 * sd / math.sqrt(count) + 0.002 * abs(mean)
    assert abs(float(end.std()) / sd - 1) < 4 / math.sqrt(2 * count) + 0.01


@pytest.mark.parametrize(("mean", "sd"), [(2.0, 0.5), (-3.0, 2.0)])
def test_one_step_from_noise_is_the_mean_without_any_spread(mean: float, sd: float) -> None:
    end = euler(gaussian(mean, sd), keyed_noise(0, range(1000), 1), 1)
    torch.testing.assert_close(end, torch.full_like(end, mean), rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_one_guided_step_between_two_gaussians_is_linear_in_their_means(scale: float) -> None:
    end = euler(guided_velocity(gaussian(2.0, 0.5), gaussian(-1.0, 2.0), scale), keyed_noise(0, range(100), 1), 1)
    torch.testing.assert_close(end, torch.full_like(end, -1.0 + scale * 3.0), rtol=0, atol=1e-5)


class Counted:
    """A constant velocity that remembers when it was asked for."""

    def __init__(self, value: float) -> None:
        self.value = value
        self.times: list[float] = []

    def __call__(self, z: torch.Tensor, t: float) -> torch.Tensor:
        self.times.append(t)
        return torch.full_like(z, self.value)


def test_guidance_is_limited_to_its_interval() -> None:
    conditional, unconditional = Counted(2.0), Counted(1.0)
    velocity = guided_velocity(conditional, unconditional, 3.0, (0.2, 0.5))
    end = euler(velocity, torch.zeros(1, 1), 10)
    guided = [0.2, 0.3, 0.4, 0.5]
    assert unconditional.times == guided
    assert conditional.times == [step / 10 for step in range(10)]
    assert float(end) == pytest.approx((len(guided) * 4.0 + (10 - len(guided)) * 2.0) / 10)


@pytest.mark.parametrize(("scale", "silent"), [(1.0, "unconditional"), (0.0, "conditional")])
def test_a_branch_that_does_not_count_is_not_evaluated(scale: float, silent: str) -> None:
    branches = {"conditional": Counted(2.0), "unconditional": Counted(1.0)}
    end = euler(guided_velocity(**branches, scale=scale), torch.zeros(1, 1), 4)
    assert not branches.pop(silent).times
    (other,) = branches.values()
    assert float(end) == other.value


@pytest.mark.parametrize("interval", [(0.5, 0.5), (0.6, 0.4), (-0.1, 1.0), (0.0, 1.1), (math.nan, 1.0), (0.9, 1.0)])
def test_an_interval_that_cannot_be_or_guides_no_step_is_refused(interval: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="guidance interval"):
        check_interval(interval, 4)


@pytest.mark.parametrize("scale", [-0.1, math.nan, math.inf])
def test_a_scale_that_is_none_is_refused(scale: float) -> None:
    with pytest.raises(ConfigError, match="guidance scale"):
        check_scale(scale)


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

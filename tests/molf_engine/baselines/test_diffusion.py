from __future__ import annotations

from itertools import pairwise

import torch

from molf_engine.baselines.diffusion import noised, remaining, step_back, times_back


def sampled(denoise, start: torch.Tensor, times: int, steps: int) -> torch.Tensor:
    """Follow the steps back with a denoiser that is known."""
    left, values = remaining(times), start
    back = times_back(times, steps)
    for time, after in pairwise(back):
        values = step_back(values, denoise(values, left[time]), left[time], left[after])
    return denoise(values, left[back[-1]])


def test_what_remains_falls_from_nearly_all_to_nearly_nothing() -> None:
    for times in (100, 1000):
        left = remaining(times)
        assert (left.diff() < 0).all()
        assert left[0] > 0.99
        assert left[-1] < 1e-3
    # The first beta is 1e-4, the second a little more: known on paper.
    torch.testing.assert_close(remaining(1000)[0], torch.tensor(1 - 1e-4))
    torch.testing.assert_close(remaining(1000)[1], torch.tensor((1 - 1e-4) * (1 - 1e-4 - 0.0199 / 999)))


def test_values_and_noise_are_mixed_to_the_same_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 20_000, 1, generator=generator)
    for share in (0.01, 0.5, 0.99):
        mixed = noised(clean, noise, torch.full((20_000,), share))
        torch.testing.assert_close(mixed.var(), torch.tensor(1.0), atol=0.05, rtol=0)


def test_times_run_from_the_last_to_the_first() -> None:
    assert times_back(1000, 4) == [999, 666, 333, 0]
    assert times_back(5, 5) == [4, 3, 2, 1, 0]
    assert times_back(1000, 1) == [999]


def test_values_that_never_vary_are_found_exactly_in_any_number_of_steps() -> None:
    constant = torch.full((7, 2), 1.5)
    for steps in (1, 3, 10):
        found = sampled(lambda values, left: constant, torch.randn(7, 2), 1000, steps)
        torch.testing.assert_close(found, constant)


def test_samples_of_a_gaussian_have_its_mean_and_sd() -> None:
    mean, sd = 2.0, 0.5

    def denoise(values: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
        # Posterior mean of the clean value, known on paper.
        gain = left.sqrt() * sd**2 / (left * sd**2 + 1 - left)
        return mean + gain * (values - left.sqrt() * mean)

    start = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0))
    found = sampled(denoise, start, 1000, 500)
    torch.testing.assert_close(found.mean(), torch.tensor(mean), atol=0.02, rtol=0)
    torch.testing.assert_close(found.std(), torch.tensor(sd), atol=0.02, rtol=0)

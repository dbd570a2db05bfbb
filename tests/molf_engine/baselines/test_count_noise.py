from __future__ import annotations

import numpy as np

from molf_engine.baselines.count_noise import count_noise, zinb
from molf_engine.baselines.whole_slide import every_training_spots

from .sections import GENES, NEVER, sections


def test_without_extra_zeros_or_variance_it_is_a_poisson() -> None:
    mean, size, inflation = zinb(np.array([2.0]), np.array([2.0]), np.exp([-2.0]))
    assert mean[0] / (1 - inflation[0]) < 2.01
    assert size[0] > 500
    assert inflation[0] < 0.01


def test_variance_and_zeros_of_a_negative_binomial_need_no_inflation() -> None:
    rng = np.random.default_rng(0)
    counts = rng.negative_binomial(2, 2 / (2 + 6), size=200_000)
    mean, size, inflation = zinb(np.array([counts.mean()]), np.array([counts.var()]), np.array([(counts == 0).mean()]))
    np.testing.assert_allclose((mean[0], size[0]), (6, 2), rtol=0.03)
    assert inflation[0] < 0.01


def test_zeros_beyond_the_negative_binomial_s_become_inflation_and_the_mean_stays() -> None:
    mean, _, inflation = zinb(np.array([3.0]), np.array([20.0]), np.array([0.8]))
    assert inflation[0] > 0.3
    np.testing.assert_allclose(mean[0] * (1 - inflation[0]), 3.0)


def test_a_gene_never_measured_has_no_noise_and_the_others_their_mean_count() -> None:
    slides = sections(3)
    noise = count_noise(every_training_spots(slides, len(GENES)), seed=0)
    assert not noise[:, NEVER].any()
    counts = np.expm1(np.concatenate([slide.targets[:, 0] for slide in slides]))
    np.testing.assert_allclose(np.expm1(noise[:, 0]).mean(), counts.mean(), rtol=0.15)

from __future__ import annotations

from dataclasses import replace

import numpy as np

from molf_engine.baselines import RivalSlide
from molf_engine.baselines.fitting import Budget
from molf_engine.baselines.stem import STEM, STEMSettings


def two_outcomes(seed: int, spots: int = 200) -> tuple[RivalSlide, np.ndarray]:
    """A feature says how likely expression is 3 rather than 1; and the mean that follows."""
    rng = np.random.default_rng(seed)
    features = rng.uniform(-1, 1, size=(spots, 1)).astype(np.float32)
    chance = 0.5 + 0.4 * features[:, 0]
    targets = np.where(rng.random(spots) < chance, 3.0, 1.0)[:, None]
    slide = RivalSlide(
        "S",
        features,
        rng.uniform(0, 1e3, (spots, 2)),
        targets.astype(np.float32),
        np.array([True]),
        np.full(spots, 7.0),
    )
    return slide, 1 + 2 * chance


def test_samples_differ_and_their_mean_is_the_conditional_mean() -> None:
    settings = STEMSettings(width=16, heads=2, layers=1, tokens=1, dropout=0.0)
    rival = STEM(settings, Budget(steps=300, learning_rate=3e-3), draws=32)
    rival.fit([two_outcomes(0)[0], two_outcomes(1)[0]], [], ("A",))
    slide, expected = two_outcomes(2)
    predicted = rival.predict(slide).values[:, 0]
    assert np.abs(predicted - expected).mean() < 0.3
    assert np.corrcoef(predicted, expected)[0, 1] > 0.9
    rival.draws = 1
    one_sample = rival.predict(slide).values[:, 0]
    # Single samples are near the two outcomes, not near their mean.
    between = np.abs(one_sample - 2) < 0.5
    assert between.mean() < 0.4
    assert {0, 1} == set((one_sample > 2).astype(int))


def test_positions_play_no_part() -> None:
    rival = STEM(STEMSettings(width=8, heads=1, layers=1), Budget(steps=2))
    slide, _ = two_outcomes(0)
    rival.fit([slide], [], ("A",))
    elsewhere = replace(slide, positions_um=slide.positions_um[::-1] * 7)
    np.testing.assert_array_equal(rival.predict(slide).values, rival.predict(elsewhere).values)

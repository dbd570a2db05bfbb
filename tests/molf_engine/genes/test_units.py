from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import ConfigError
from molf_engine.genes import convert_units


def test_counts_per_ten_thousand_by_hand() -> None:
    counts = np.array([[0.0, 5.0], [20.0, 1.0]])
    converted = convert_units(np.log1p(counts), np.array([500.0, 20_000.0]), "log1p", "log1p-cp10k")
    np.testing.assert_allclose(converted, np.log1p([[0.0, 100.0], [10.0, 0.5]]))


def test_there_and_back_is_the_same_also_for_negative_predictions() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(scale=2, size=(50, 7)).astype(np.float32)
    total = rng.uniform(100, 100_000, 50).astype(np.float32)
    back = convert_units(convert_units(x, total, "log1p-cp10k", "log1p"), total, "log1p", "log1p-cp10k")
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, x, rtol=1e-4, atol=1e-6)


def test_negative_predictions_stay_finite_and_in_order() -> None:
    x = np.linspace(-3, 3, 101)
    converted = convert_units(x, np.full(101, 80_000.0), "log1p-cp10k", "log1p")
    assert np.isfinite(converted).all()
    assert (np.diff(converted) > 0).all()


def test_a_spot_without_counts_converts_to_0() -> None:
    assert convert_units(np.zeros((1, 3)), np.zeros(1), "log1p", "log1p-cp10k").tolist() == [[0, 0, 0]]


def test_a_wild_extrapolation_stays_finite() -> None:
    assert np.isfinite(convert_units(np.float32([[1000.0]]), np.array([1e6]), "log1p-cp10k", "log1p")).all()


def test_the_same_scale_changes_nothing_and_an_unknown_one_is_refused() -> None:
    x = np.ones((2, 2))
    assert convert_units(x, np.ones(2), "log1p", "log1p") is x
    with pytest.raises(ConfigError, match="log1p or log1p-cp10k"):
        convert_units(x, np.ones(2), "log1p", "tpm")

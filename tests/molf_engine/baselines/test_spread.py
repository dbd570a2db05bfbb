from __future__ import annotations

import numpy as np

from molf_engine.baselines.spread import Spread


def test_sections_added_one_by_one_have_the_mean_and_variance_of_all_together() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(1e4 * index, 1e-2, size=(20 + index, 3)) for index in range(4)]
    spread = Spread()
    for part in parts:
        spread.add(part)
    together = np.concatenate(parts)
    np.testing.assert_allclose(spread.mean, together.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread.variance, together.var(axis=0), rtol=1e-10)


def test_a_column_counts_only_where_it_is_known() -> None:
    spread = Spread()
    spread.add(np.array([[1.0, 7.0], [3.0, 7.0]]), np.array([True, False]))
    spread.add(np.array([[5.0, 2.0]]), np.array([False, True]))
    assert spread.mean.tolist() == [2.0, 2.0]
    assert spread.variance.tolist() == [1.0, 0.0]
    assert spread.sd_or_1().tolist() == [1.0, 1.0]
    assert spread.count.tolist() == [2.0, 1.0]


def test_an_empty_section_changes_nothing() -> None:
    spread = Spread()
    spread.add(np.zeros((0, 2)))
    spread.add(np.array([[1.0, 2.0]]))
    assert spread.mean.tolist() == [1.0, 2.0]

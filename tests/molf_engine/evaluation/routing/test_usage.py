"""Expert use of sections whose routing is known."""

from __future__ import annotations

import numpy as np
import pytest

from molf_engine.errors import BundleError
from molf_engine.evaluation.report.cells import expand
from molf_engine.evaluation.routing.observe import RoutedSection
from molf_engine.evaluation.routing.usage import (
    balance_ratio,
    effective_experts,
    pooled_by_type,
    section_use,
    type_shares,
    use_by_section,
    use_by_type,
)
from tests.molf_engine.evaluation.routing.made import routed, use

NAMES = ("E1", "E2", "E3")


def test_shares_count_the_top_k_of_every_spot() -> None:
    found = section_use(routed([[3, 2, 1], [3, 2, 1], [1, 2, 3], [3, 1, 2]]))
    assert found is not None
    np.testing.assert_allclose(found.shares, [3 / 8, 3 / 8, 2 / 8])
    np.testing.assert_allclose(found.first, [3 / 4, 0, 1 / 4])
    assert found.noise_agreement == 1


def test_even_use_is_balanced_and_one_set_of_experts_for_all_is_not() -> None:
    assert balance_ratio(np.zeros((10, 6)), np.full(6, 2 / 6), 2) == pytest.approx(1)
    collapsed = np.full((10, 6), -100.0)
    collapsed[:, :2] = 0
    assert balance_ratio(collapsed, np.array([1, 1, 0, 0, 0, 0]), 2) == pytest.approx(6 / 2)


def test_effective_experts_count_those_that_are_used_alike() -> None:
    assert effective_experts(np.array([0.25, 0.25, 0.25, 0.25, 0, 0])) == pytest.approx(4)
    assert effective_experts(np.array([1.0, 0, 0])) == pytest.approx(1)


def test_every_section_counts_once_and_pooling_lets_the_largest_decide() -> None:
    uses = [use([1, 0, 0], patient="A", spots=900), use([0, 1, 0], patient="B", spots=100)]
    np.testing.assert_allclose(type_shares(uses)["IDC"], [0.5, 0.5, 0])
    pooled = pooled_by_type(uses, NAMES).iloc[0]
    assert pooled["E1"] == pytest.approx(0.9)
    assert pooled["largest section %"] == pytest.approx(90)


def test_the_table_gives_the_spread_over_sections_and_the_mean_of_types() -> None:
    uses = [use([1, 0, 0], patient="A"), use([0, 1, 0], patient="B"), use([0, 0, 1], "PRAD", "C")]
    table = expand(use_by_type(uses, NAMES))
    assert list(table["type"]) == ["IDC", "PRAD", "mean of types"]
    assert list(table["sections"]) == [2, 1, 3]
    assert table["E1 sd"][0] == pytest.approx(0.5**0.5)
    assert np.isnan(table["E1 sd"][1])
    np.testing.assert_allclose(table.loc[2, list(NAMES)].astype(float), [0.25, 0.25, 0.5])


def test_one_type_has_no_mean_of_types() -> None:
    assert list(use_by_type([use([1, 0, 0])], NAMES)["type"]) == ["IDC"]


def test_every_section_is_a_row() -> None:
    table = use_by_section([use([0.5, 0.5, 0]), use([1, 0, 0], "PRAD", "P2")], NAMES)
    assert list(table["type"]) == ["IDC", "PRAD"]
    np.testing.assert_allclose(table["effective experts"], [2, 1])


def test_a_code_that_was_not_learned_gives_no_use() -> None:
    assert section_use(routed([[1, 2, 3]]), "unknown") is None


def test_a_model_without_experts_says_so() -> None:
    section = routed([[1, 2, 3]])
    dense = RoutedSection(**{**vars(section), "logits": None})
    with pytest.raises(BundleError, match="no experts"):
        section_use(dense)

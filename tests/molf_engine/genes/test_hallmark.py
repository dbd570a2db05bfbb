from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from molf_engine.errors import ConfigError
from molf_engine.genes import MIN_GENES, hallmark_scores, hallmark_sets, hallmark_sizes, panel

GENES = ("ABCA1", "NOT_A_GENE", "ACLY", "ADIPOQ")  # three of adipogenesis


def test_there_are_50_sets_in_alphabetical_order_of_4384_genes() -> None:
    sets = hallmark_sets()
    assert len(sets) == 50
    assert list(sets) == sorted(sets)
    assert not any(name.startswith("HALLMARK_") for name in sets)
    assert len({symbol for symbols in sets.values() for symbol in symbols}) == 4384


def test_the_sets_cut_to_the_panel_are_those_of_the_release(shared_root: Path) -> None:
    expected = json.loads((shared_root / "facts" / "hallmark" / "hallmark_sets_restricted_to_panel.json").read_text())
    genes = set(panel("molf-1386"))
    cut = {f"HALLMARK_{name}": sorted(genes.intersection(symbols)) for name, symbols in hallmark_sets().items()}
    assert cut == {name: sorted(symbols) for name, symbols in expected.items()}


def test_a_score_is_the_mean_of_the_clipped_standardised_genes() -> None:
    expression = np.array([[3.0, 9.0, 1.0, 0.0], [1.0, 9.0, 100.0, -100.0]], dtype=np.float32)
    scores = hallmark_scores(expression, GENES, mean=[1, 1, 1, 1], sd=[2, 1, 4, 0.5], measured=np.ones(4, bool))
    by_hand = [((3 - 1) / 2 + 0 + (0 - 1) / 0.5) / 3, (0 + 5 - 5) / 3]
    np.testing.assert_allclose(scores["ADIPOGENESIS"], by_hand, atol=1e-6)


def test_genes_unmeasured_or_constant_in_training_are_left_out() -> None:
    expression = np.array([[3.0, 0.0, 2.0, 7.0]], dtype=np.float32)
    scores = hallmark_scores(
        expression, GENES, [1, 0, 1, np.nan], [2, 1, 0, np.nan], np.array([True, True, True, False])
    )
    assert scores["ADIPOGENESIS"].tolist() == [1.0]


def test_a_set_without_genes_has_no_score_and_size_0() -> None:
    measured = np.ones(4, bool)
    scores = hallmark_scores(np.ones((2, 4)), GENES, np.zeros(4), np.ones(4), measured)
    assert scores.shape == (2, 50)
    assert scores["PANCREAS_BETA_CELLS"].isna().all()
    sizes = hallmark_sizes(GENES, measured)
    assert sizes["PANCREAS_BETA_CELLS"] == 0
    assert sizes["ADIPOGENESIS"] == 3


def test_sets_of_the_panel_hold_8_to_83_genes_and_the_small_ones_are_known() -> None:
    sizes = hallmark_sizes(panel("molf-1386"), np.ones(1386, bool))
    assert (sizes.min(), sizes.max()) == (8, 83)
    assert list(sizes.index[sizes < MIN_GENES]) == ["PANCREAS_BETA_CELLS"]


def test_sizes_leave_out_what_the_scores_leave_out() -> None:
    sizes = hallmark_sizes(GENES, np.array([True, True, True, False]), sd=np.array([1.0, 1.0, 0.0, np.nan]))
    assert sizes["ADIPOGENESIS"] == 1


def test_one_set_from_its_own_genes_equals_the_same_set_from_the_whole_panel() -> None:
    rng = np.random.default_rng(0)
    genes = panel("molf-1386")
    expression, mean, sd = rng.normal(size=(5, 1386)), rng.normal(size=1386), rng.uniform(0.5, 2, 1386)
    measured = rng.random(1386) < 0.9
    whole = hallmark_scores(expression, genes, mean, sd, measured)
    own = [column for column, gene in enumerate(genes) if gene in hallmark_sets()["HYPOXIA"]]
    part = hallmark_scores(
        expression[:, own], [genes[c] for c in own], mean[own], sd[own], measured[own], names=["HYPOXIA"]
    )
    assert list(part) == ["HYPOXIA"]
    np.testing.assert_allclose(part["HYPOXIA"], whole["HYPOXIA"], atol=1e-6)


def test_an_unknown_set_is_refused() -> None:
    with pytest.raises(ConfigError, match="HALLMARK_HYPOXIA"):
        hallmark_scores(np.ones((1, 4)), GENES, np.zeros(4), np.ones(4), np.ones(4, bool), names=["HALLMARK_HYPOXIA"])

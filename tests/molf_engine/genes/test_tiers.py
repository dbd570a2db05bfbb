from __future__ import annotations

import math

import numpy as np
import pytest

from molf_engine.errors import ConfigError, DataError
from molf_engine.genes import hallmark_sets, panel, tiers


def spread_over_sets() -> tuple[list[str], np.ndarray]:
    """Genes of one set only, with the number of their set as variance."""
    sets = hallmark_sets()
    genes = {}
    for number, members in enumerate(sets.values()):
        for gene in members:
            genes[gene] = -1.0 if gene in genes else float(number)
    alone = {gene: number for gene, number in genes.items() if number >= 0}
    return list(alone), np.array(list(alone.values()))


def test_sets_are_parted_at_the_terciles_of_their_mean_variance() -> None:
    genes, variance = spread_over_sets()
    found = tiers(variance, genes)
    assert [row.variance for row in found.sets] == list(map(float, range(50)))
    assert found.thresholds == pytest.approx((49 / 3, 98 / 3))
    assert [row.tier for row in found.sets] == ["Low"] * 17 + ["Mid"] * 16 + ["High"] * 17
    assert found.names("High") == tuple(hallmark_sets())[33:]


def test_given_thresholds_stand_beside_ours() -> None:
    genes, variance = spread_over_sets()
    found = tiers(variance, genes, given=(1.0, 2.0))
    assert [row.given_tier for row in found.sets[:4]] == ["Low", "Low", "Mid", "High"]
    assert found.sets[3].tier == "Low"
    with pytest.raises(ConfigError, match="should rise"):
        tiers(variance, genes, given=(2.0, 1.0))


def test_unmeasured_genes_are_left_out_and_sets_without_genes_have_no_tier() -> None:
    first, second = list(hallmark_sets().items())[:2]
    genes = [first[1][0], first[1][1], next(gene for gene in second[1] if gene not in first[1])]
    found = tiers(np.array([1.0, np.nan, 3.0]), genes)
    by_name = {row.name: row for row in found.sets}
    assert by_name[first[0]].genes == 1
    empty = [row for row in found.sets if not row.genes]
    assert empty
    assert all(row.tier == "" and math.isnan(row.variance) for row in empty)


@pytest.mark.parametrize(
    ("variance", "genes", "message"),
    [
        (np.zeros(2), ["A"], "2 variances for 1 genes"),
        (np.array([-1.0]), ["TP53"], "negative"),
        (np.array([np.inf]), ["TP53"], "infinite"),
        (np.array([1.0]), ["NO_GENE"], "No Hallmark set"),
    ],
)
def test_impossible_variances_are_refused(variance: np.ndarray, genes: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        tiers(variance, genes)


def test_every_set_of_the_released_panel_has_a_tier() -> None:
    genes = panel("molf-1386")
    found = tiers(np.linspace(0, 1, len(genes)), genes)
    assert {row.tier for row in found.sets} == {"Low", "Mid", "High"}
    assert len(found.sets) == 50

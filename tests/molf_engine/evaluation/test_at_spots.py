"""A finished prediction against measured spots."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molf_engine.bundle import Bundle
from molf_engine.data import Expression, read_hest
from molf_engine.data.measured import read_measured
from molf_engine.data.sections import open_section
from molf_engine.data.spots import FolderSpots
from molf_engine.encoders import FeatureCache
from molf_engine.evaluation.at_spots import PatchValues, Statistics, agreement, match_spots, measured_values
from molf_engine.evaluation.evaluate import evaluate
from molf_engine.genes import hallmark_sets
from molf_engine.prediction import predict_slide
from molf_engine.slides import patches_at

SET = next(iter(hallmark_sets()))
MEMBERS = hallmark_sets()[SET][:3]
GENES = (*MEMBERS, "UNMEASURED")
COUNTS = np.array([[1.0, 5, 0, 0], [4, 2, 1, 0], [9, 1, 3, 0], [2, 2, 8, 0]])


def expression(positions: np.ndarray) -> Expression:
    return Expression(
        section_id="S",
        genes=GENES,
        counts_log1p=np.log1p(COUNTS).astype(np.float32),
        measured=np.array([True, True, True, False]),
        total=np.array([100, 200, 400, 300], np.float32),
        positions=positions,
        names=tuple("abcd"),
        left_out=1,
    )


def statistics() -> Statistics:
    columns = {"measured": True, "mean_log1p": 1.0, "sd_log1p": 0.5, "mean_log1p-cp10k": 4.0, "sd_log1p-cp10k": 1.0}
    return Statistics(pd.DataFrame(columns, index=list(GENES)))


def patch_values(positions: np.ndarray, total: float | None = None) -> PatchValues:
    values = np.random.default_rng(0).uniform(0, 3, (len(positions), len(GENES))).astype(np.float32)
    totals = np.full(len(positions), np.nan) if total is None else total * np.arange(1, len(positions) + 1)
    return PatchValues(values, "log1p", totals.astype(np.float32), positions, 10.0)


LINE = np.column_stack([np.arange(4) * 10.0, np.zeros(4)])


def test_a_spot_belongs_to_the_square_it_lies_in_and_the_others_are_counted() -> None:
    match = match_spots(np.array([[4.9, 4.9], [0.0, 5.1], [21.0, -5.0]]), LINE, 10.0)
    assert (match.spots.tolist(), match.patches.tolist(), match.without) == ([0, 2], [0, 2], 1)


def test_without_spots_or_patches_nothing_matches() -> None:
    assert len(match_spots(np.empty((0, 2)), LINE, 10.0)) == 0
    assert match_spots(LINE, np.empty((0, 2)), 10.0).without == 4


def test_a_gene_is_correlated_over_the_spots_that_lie_in_a_patch() -> None:
    predicted = patch_values(LINE[:3])
    found = agreement(expression(LINE), predicted)
    by_hand = np.corrcoef(predicted.expression[:3, 1], np.log1p(COUNTS[:3, 1]))[0, 1]
    assert found.table.loc[GENES[1], "pcc_log1p"] == pytest.approx(by_hand, abs=1e-6)
    assert (len(found.match), found.match.without, found.left_out) == (3, 1, 1)
    assert "UNMEASURED" not in found.table.index
    assert found.scales == ("log1p",)


def test_density_alone_is_the_correlation_with_the_predicted_total_in_the_sign_of_training() -> None:
    predicted, falling = patch_values(LINE, total=100.0), np.array([-1.0, 1.0, 1.0, 1.0])
    known = Statistics(statistics().table, {"log1p": falling})
    plain, signed = (agreement(expression(LINE), predicted, each).table["density_log1p"] for each in (None, known))
    by_hand = np.corrcoef(np.log1p(predicted.total), np.log1p(COUNTS[:, 0]))[0, 1]
    assert plain[GENES[0]] == pytest.approx(by_hand, abs=1e-6)
    assert signed[GENES[0]] == pytest.approx(-plain[GENES[0]])
    assert signed[GENES[1]] == pytest.approx(plain[GENES[1]])


def test_ranks_count_from_the_highest_correlation() -> None:
    found = agreement(expression(LINE), patch_values(LINE))
    best = found.table["pcc_log1p"].idxmax()
    assert found.rank(best, "log1p") == (1, 3)
    assert found.rank("UNMEASURED", "log1p") is None


def test_a_measured_hallmark_score_is_standardised_by_training_over_the_genes_that_were_measured() -> None:
    got = measured_values(expression(LINE), "hallmark", SET, "log1p", statistics())
    by_hand = np.clip((np.log1p(COUNTS[:, :3]) - 1.0) / 0.5, -5, 5).mean(axis=1)
    np.testing.assert_allclose(got, by_hand, rtol=1e-5)
    row = agreement(expression(LINE), patch_values(LINE), statistics()).table.loc[SET]
    assert (row["kind"], row["genes"], row["of"]) == ("hallmark", 3, 3)


def test_what_was_not_measured_has_no_values() -> None:
    other = list(hallmark_sets())[-1]
    assert measured_values(expression(LINE), "gene", "UNMEASURED", "log1p") is None
    assert measured_values(expression(LINE), "gene", "NOSUCH", "log1p") is None
    assert measured_values(expression(LINE), "hallmark", SET, "log1p", None) is None
    assert measured_values(expression(LINE), "hallmark", other, "log1p", statistics()) is None


def test_values_per_ten_thousand_are_over_the_total_of_all_genes() -> None:
    got = measured_values(expression(LINE), "gene", GENES[0], "log1p-cp10k")
    np.testing.assert_allclose(got, np.log1p(COUNTS[:, 0] / [100, 200, 400, 300] * 1e4), rtol=1e-5)


def test_correlations_at_the_spots_are_those_of_evaluate(tiny_bundle: Bundle, corpus: Path) -> None:
    section = read_hest(corpus, ["SIM_A_4"])[0]
    config = tiny_bundle.config
    cache = FeatureCache(corpus.parent / "features")
    source = FolderSpots(corpus, config.patch.size_um, encoder=tiny_bundle.encoder(), cache=cache)
    (scores,) = evaluate(tiny_bundle, source, [section])
    spots = read_measured(section.st_path)
    code = section.code if section.code in config.trained_codes else "Unknown"
    measured = spots.on_panel(tuple(tiny_bundle.genes.index), config.min_counts)
    with open_section(section) as slide:
        patches = patches_at(slide, measured.positions, config.patch.size_um, measured.names)
        adata = predict_slide(slide, tiny_bundle, patches=patches, code=code, cache=cache)
    predicted = PatchValues(
        np.asarray(adata.X), config.units, adata.obs["total"].to_numpy(), adata.obsm["spatial"], patches.size_px
    )
    found = agreement(measured, predicted, Statistics(tiny_bundle.genes))
    genes = found.table[found.table["kind"] == "gene"]
    assert len(found.match) == scores.spots
    for units in found.scales:
        expected = pd.Series(scores.pcc["molf"][units], index=tiny_bundle.genes.index)[genes.index]
        np.testing.assert_allclose(genes[f"pcc_{units}"], expected, atol=1e-4)
        assert np.isfinite(expected).sum() > 50

"""Averages are those of the two protocols, on genes and sections that all models share."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from molf_engine.data.expression import Expression
from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.evaluation.metrics import pcc
from molf_engine.evaluation.protocols import POOLED, Comparison, one_protocol
from molf_engine.evaluation.results import SectionResult, measure_section

GENES = ("G0", "G1", "G2", "G3")
ALL = [np.arange(4)]
SPOTS = 12


def expression(section: str, shift: float = 0.0) -> Expression:
    rng = np.random.default_rng(sum(section.encode()))
    values = (rng.uniform(0, 2, (SPOTS, 4)) + shift).astype(np.float32)
    return Expression(section, GENES, values, np.ones(4, bool), np.full(SPOTS, 1e3, np.float32), rng.uniform(0, 9, (SPOTS, 2)),
                      tuple(map(str, range(SPOTS))), 0)  # fmt: skip


def result(
    section: str,
    predicted: np.ndarray | None = None,
    model: str = "molf",
    code: str = "A",
    shift: float = 0.0,
    **about: object,
) -> SectionResult:
    truth = expression(section, shift)
    if predicted is None:
        predicted = truth.counts_log1p + np.random.default_rng(len(model)).normal(size=(SPOTS, 4)).astype(np.float32)
    where = Section(section, Path("x.tif"), Path("x.h5ad"), code=code, patient=section)
    about = {"role": "test", "seen": False} | about
    return measure_section(model, {"log1p": predicted}, truth, truth.positions, where, **about)  # type: ignore[arg-type]


def test_per_section_is_the_mean_over_genes_sections_and_types() -> None:
    results = [result("a"), result("b"), result("c", code="B")]
    scores = Comparison(results, "log1p", GENES).per_section("panel", ALL)
    mean = {one.section: one.pcc("log1p").mean() for one in results}
    assert {row.section: row.value for row in scores.rows} == pytest.approx(mean)
    assert scores.of_type("molf", "A") == pytest.approx((mean["a"] + mean["b"]) / 2)
    assert scores.overall("molf") == pytest.approx(((mean["a"] + mean["b"]) / 2 + mean["c"]) / 2)
    assert np.isnan(scores.spread("molf"))


def test_pooled_is_the_correlation_of_all_spots_of_a_type_in_a_fold() -> None:
    predicted = {
        name: expression(name, shift).counts_log1p[:, ::-1].copy() + shift for name, shift in (("a", 0.0), ("b", 5.0))
    }
    results = [result("a", predicted["a"]), result("b", predicted["b"], shift=5.0)]
    comparison = Comparison(results, "log1p", GENES)
    scores = comparison.pooled("panel", ALL)
    truth = np.concatenate([expression("a").counts_log1p, expression("b", 5.0).counts_log1p])
    (row,) = scores.rows
    assert row.value == pytest.approx(pcc(np.concatenate(list(predicted.values())), truth).mean(), abs=1e-9)
    # The step between the sections is all that these predictions get right.
    assert row.value > 0.9
    assert abs(comparison.per_section("panel", ALL).overall("molf")) < 0.5
    assert row.spots == 2 * SPOTS


def test_mean_and_spread_are_over_splits_and_seeds() -> None:
    results = [result("a", split="0", seed=seed, model="molf") for seed in (0, 1)] + [result("b", split="1", seed=0)]
    for place, one in enumerate(results):
        noise = np.random.default_rng(place).normal(size=(SPOTS, 4)).astype(np.float32)
        results[place] = result(
            one.section, expression(one.section).counts_log1p + noise, split=one.split, seed=one.seed
        )
    first, second, third = (one.pcc("log1p").mean() for one in results)
    for scores in (
        Comparison(results, "log1p", GENES).per_section("panel", ALL),
        Comparison(results, "log1p", GENES).pooled("panel", ALL),
    ):
        assert scores.overall("molf") == pytest.approx(((first + second) / 2 + third) / 2)
        assert scores.spread("molf") == pytest.approx(np.std([first, second, third], ddof=1))


def test_models_are_compared_on_the_genes_that_all_can_be_scored_on() -> None:
    constant = expression("a").counts_log1p.copy()
    constant[:, 1] = 0.1
    results = [result("a"), result("a", constant, model="depth")]
    scores = Comparison(results, "log1p", GENES).per_section("panel", ALL)
    molf, depth = scores.rows
    assert (molf.genes, molf.constant, depth.constant) == (3, 0, 1)
    assert molf.value == pytest.approx(results[0].pcc("log1p")[[0, 2, 3]].mean())
    assert depth.value == pytest.approx(1)


def test_each_of_several_gene_sets_counts_the_same() -> None:
    one = result("a")
    scores = Comparison([one], "log1p", GENES).per_section("tier", [np.array([0]), np.array([1, 2, 3])])
    values = one.pcc("log1p")
    assert scores.rows[0].value == pytest.approx((values[0] + values[1:].mean()) / 2)


def test_a_model_of_a_smaller_panel_is_compared_on_its_part() -> None:
    whole = result("a")
    scale = whole.scales["log1p"]
    part = dataclasses.replace(
        result("a", model="small"),
        genes=("G3", "G1"),
        measured=np.ones(2, bool),
        scales={"log1p": dataclasses.replace(scale, moments=scale.moments.take(np.array([3, 1])), structure=None)},
    )
    scores = Comparison([whole, part], "log1p", GENES).per_section("panel", ALL)
    expected = whole.pcc("log1p")[[1, 3]].mean()
    assert [row.value for row in scores.rows] == pytest.approx([expected, expected])
    assert [row.constant for row in scores.rows] == [0, 2]


def test_sections_that_a_model_lacks_are_left_out_and_named() -> None:
    results = [result("a"), result("b"), result("a", model="ridge")]
    scores = Comparison(results, "log1p", GENES).per_section("panel", ALL)
    assert {row.section for row in scores.rows} == {"a"}
    assert scores.left_out == ("b is left out: ridge has no result on it.",)


def test_sections_without_a_type_are_apart() -> None:
    scores = Comparison([result("a"), result("b", code="Unknown")], "log1p", GENES).per_section("panel", ALL)
    assert scores.codes == ("A",)
    assert [row.section for row in scores.without_code()] == ["b"]
    assert scores.overall("molf") == pytest.approx(result("a").pcc("log1p").mean())


def test_seen_patients_can_be_left_out_of_a_mean() -> None:
    scores = Comparison([result("a"), result("b", seen=True)], "log1p", GENES).per_section("panel", ALL)
    assert scores.seen.tolist() == [False, True]
    assert scores.overall("molf", ~scores.seen) == pytest.approx(result("a").pcc("log1p").mean())


def test_the_two_protocols_never_meet_in_one_table() -> None:
    comparison = Comparison([result("a")], "log1p", GENES)
    assert one_protocol([comparison.pooled("panel", ALL)]) is POOLED
    with pytest.raises(DataError, match="never set in one table"):
        one_protocol([comparison.pooled("panel", ALL), comparison.per_section("panel", ALL)])


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(DataError, match="No section"):
        Comparison([result("a"), result("b", model="ridge")], "log1p", GENES)
    with pytest.raises(DataError, match="No section"):
        Comparison([result("a")], "truth", GENES)
    with pytest.raises(DataError, match="two results of molf on a"):
        Comparison([result("a"), result("a")], "log1p", GENES)

"""A result keeps what the protocols need of a section, and comes back from its file as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molf_engine.data.expression import Expression
from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.evaluation import metrics
from molf_engine.evaluation.gene_sets import GeneSets, gene_sets
from molf_engine.evaluation.results import (
    SectionResult,
    load_result,
    load_results,
    measure_models,
    measure_section,
    save_result,
)
from molf_engine.genes import hallmark_sets

GENES = ("EPCAM", "VIM", "KRT5", "COL1A1", "CD3E", "MKI67", "ABSENT")
SPOTS = 40


@pytest.fixture
def expression() -> Expression:
    rng = np.random.default_rng(0)
    measured = np.arange(len(GENES)) < 6
    counts = rng.poisson(3.0, (SPOTS, len(GENES))) * measured
    return Expression(
        section_id="S1",
        genes=GENES,
        counts_log1p=np.log1p(counts).astype(np.float32),
        measured=measured,
        total=(counts.sum(axis=1) + 50).astype(np.float32),
        positions=rng.uniform(0, 1e4, (SPOTS, 2)),
        names=tuple(map(str, range(SPOTS))),
        left_out=3,
        truth=rng.normal(size=(SPOTS, len(GENES))).astype(np.float32),
    )


@pytest.fixture
def sets() -> GeneSets:
    spread = np.arange(len(GENES), dtype=float)
    # In log1p the last gene varies most, in log1p-cp10k the first.
    table = pd.DataFrame({"sd_log1p": spread, "sd_log1p-cp10k": -spread, "measured": True}, index=list(GENES))
    return gene_sets(table)


def predictions(seed: int = 1) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {units: rng.normal(size=(SPOTS, len(GENES))).astype(np.float32) for units in ("log1p", "log1p-cp10k")}


SECTION = Section(
    "S1",
    Path("S1.tif"),
    Path("S1.h5ad"),
    patient="P1",
    code="IDC",
    organ="Breast",
    technology="Visium",
    species="Homo sapiens",
)


def measured(expression: Expression, sets: GeneSets | None = None, **about: object) -> SectionResult:
    about = {"role": "test", "seen": False, "sets": sets} | about
    return measure_section("molf", predictions(), expression, expression.positions, SECTION, **about)  # type: ignore[arg-type]


def test_scores_are_those_of_the_metrics_in_every_scale(expression: Expression, sets: GeneSets) -> None:
    result, predicted = measured(expression, sets), predictions()
    assert set(result.scales) == {"log1p", "log1p-cp10k", "truth"}
    assert expression.truth is not None
    for units, values, truth in (
        ("log1p", predicted["log1p"], expression.counts_log1p),
        ("log1p-cp10k", predicted["log1p-cp10k"], expression.in_units("log1p-cp10k")),
        ("truth", predicted["log1p-cp10k"], expression.truth),
    ):
        scale = result.scales[units]
        np.testing.assert_allclose(
            result.pcc(units), metrics.pcc(values, truth, expression.measured), atol=1e-9, rtol=0
        )
        assert scale.mse == pytest.approx(metrics.mse(values, truth, expression.measured), rel=1e-12)
        assert scale.w1 == metrics.wasserstein_per_spot(values, truth, expression.measured)
        assert scale.cosine == metrics.cosine(values, truth, expression.measured)
        assert scale.structure is not None
        assert np.isnan(scale.structure.moran_measured[6])


def test_it_says_what_it_is_of(expression: Expression) -> None:
    result = measured(expression, split="fold 1", seed=7, variant="position=none", seen=True)
    assert (result.section, result.code, result.patient, result.organ) == ("S1", "IDC", "P1", "Breast")
    assert (result.spots, result.left_out, result.seen, result.seed) == (SPOTS, 3, True, 7)
    assert result.name == "molf (position=none)"


def test_a_result_comes_back_as_it_was(expression: Expression, sets: GeneSets, tmp_path: Path) -> None:
    result = measured(expression, sets, split="split 0")
    read = load_result(save_result(result, tmp_path))
    for name in ("model", "section", "genes", "code", "patient", "role", "seen", "split", "seed", "spots", "left_out"):
        assert getattr(read, name) == getattr(result, name)
    np.testing.assert_array_equal(read.measured, result.measured)
    for units, scale in result.scales.items():
        for name, values in scale.moments.arrays().items():
            np.testing.assert_array_equal(getattr(read.scales[units].moments, name), values)
        back = read.scales[units]
        assert (back.mse, back.w1, back.cosine) == (scale.mse, scale.w1, scale.cosine)
        assert back.structure is not None
        assert scale.structure is not None
        np.testing.assert_array_equal(back.structure.moran_predicted, scale.structure.moran_predicted)
        assert back.structure.pairs.keys() == scale.structure.pairs.keys() == {"HVG-50", "Hallmark"}
        assert back.structure.pairs["HVG-50"] == scale.structure.pairs["HVG-50"]


def test_every_model_split_and_section_has_a_file_of_its_own(expression: Expression, tmp_path: Path) -> None:
    ids = [{"split": "a/b"}, {"split": "a b"}, {"split": "a", "variant": "b"}, {"seed": 1}, {}]
    paths = {save_result(measured(expression, **about), tmp_path) for about in ids}
    assert len(paths) == len(load_results(tmp_path)) == 5
    save_result(measured(expression), tmp_path)
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("damage", ["short", "other", "empty", "pickle", "version"])
def test_a_damaged_file_is_named(expression: Expression, tmp_path: Path, damage: str) -> None:
    path = save_result(measured(expression), tmp_path)
    content = path.read_bytes()
    match damage:
        case "short":
            path.write_bytes(content[: len(content) // 2])
        case "other":
            path.write_bytes(b"<html>no result</html>")
        case "empty":
            path.write_bytes(b"")
        case "pickle":
            np.savez(path, header=np.array([{"a": 1}], dtype=object))
        case "version":
            np.savez(path, header=np.frombuffer(b'{"version": 99}', dtype=np.uint8))
    with pytest.raises(DataError, match=path.name):
        load_result(path)


def test_predictions_that_cannot_be_scored_are_refused(expression: Expression) -> None:
    diverged = predictions()
    diverged["log1p"][3, 2] = np.nan
    unmeasured = predictions()
    unmeasured["log1p"][:, 6] = np.nan
    cut = {units: values[:-1] for units, values in predictions().items()}
    for wrong, words in ((diverged, "diverged"), (cut, r"\(39, 7\)"), ({}, "no prediction")):
        with pytest.raises(DataError, match=words):
            measure_section("molf", wrong, expression, expression.positions, SECTION, role="test", seen=False)
    measure_section("molf", unmeasured, expression, expression.positions, SECTION, role="test", seen=False)


def test_several_models_score_as_each_does_alone(expression: Expression, sets: GeneSets) -> None:
    both = {"molf": predictions(1), "ridge": {"log1p": predictions(2)["log1p"]}}
    about = {"role": "test", "seen": False, "sets": sets}
    molf, ridge = measure_models(both, expression, expression.positions, SECTION, **about)  # type: ignore[arg-type]
    assert set(ridge.scales) == {"log1p"}
    alone = measured(expression, sets)
    for units, scale in alone.scales.items():
        assert molf.scales[units].mse == scale.mse
        assert scale.structure is not None
        other = molf.scales[units].structure
        assert other is not None
        assert other.pairs["HVG-50"] == scale.structure.pairs["HVG-50"]


def test_most_variable_genes_are_of_the_scale_and_measured_in_training(sets: GeneSets) -> None:
    assert sets.index("HVG-50", "log1p")[0] == 6
    assert sets.index("HVG-50", "truth")[0] == sets.index("HVG-50", "log1p-cp10k")[0] == 0
    table = pd.DataFrame(
        {"sd_log1p": [3.0, 2, 1], "sd_log1p-cp10k": 1.0, "measured": [False, True, True]}, index=["A", "B", "C"]
    )
    np.testing.assert_array_equal(gene_sets(table).index("HVG-50", "log1p"), [1, 2])
    with pytest.raises(DataError, match="sd_log1p"):
        gene_sets(table.drop(columns="sd_log1p"))


def test_a_tier_is_the_genes_of_its_sets(sets: GeneSets) -> None:
    assert sets.tiers is not None
    for tier in ("Low", "Mid", "High"):
        members = {gene for name in sets.tiers.names(tier) for gene in hallmark_sets()[name]}
        assert {GENES[column] for column in sets.index(tier, "log1p")} == members & set(GENES)
    # VIM, of sd 1 among sd 0 to 6, is in sets of little variance.
    assert 1 in sets.index("Low", "log1p")


def test_a_split_has_the_most_variable_genes_of_its_own_training_spots(sets: GeneSets) -> None:
    spread = np.array([0.0, 9, 0, 0, 0, 0, 0])
    table = pd.DataFrame({"sd_log1p": spread, "sd_log1p-cp10k": spread, "measured": True}, index=list(GENES))
    both = sets.with_splits({"split 1": table})
    assert both.index("HVG-50", "log1p", "split 1")[0] == 1
    assert both.index("HVG-50", "log1p", "split 0")[0] == 6
    with pytest.raises(DataError, match="another panel"):
        sets.with_splits({"split 1": table.iloc[:-1]})


def test_a_panel_without_a_hallmark_gene_has_no_tiers() -> None:
    table = pd.DataFrame({"sd_log1p": 1.0, "sd_log1p-cp10k": 1.0, "measured": True}, index=["NOT", "THERE"])
    found = gene_sets(table)
    assert found.tiers is None
    assert found.index("Hallmark", "log1p").size == found.index("Low", "log1p").size == 0


def test_nobody_is_advised_to_load_a_pickle(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"x")
    with pytest.raises(DataError, match="no archive of arrays") as error:
        load_result(tmp_path / "a.npz")
    assert "allow_pickle" not in str(error.value)

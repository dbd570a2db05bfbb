"""Coverage against draws whose distribution is known, then of a trained bundle."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from molf_engine.bundle import Bundle
from molf_engine.cli import main
from molf_engine.data.expression import Expression
from molf_engine.errors import ConfigError
from molf_engine.evaluation import coverage
from molf_engine.evaluation.coverage import (
    Coverage,
    central_interval,
    central_rank,
    coverage_records,
    coverage_text,
    section_coverage,
)

SPOTS, GENES = 400, 60


@pytest.mark.parametrize(
    ("draws", "rank", "nominal"), [(9, 1, 0.8), (19, 2, 0.8), (39, 4, 0.8), (99, 10, 0.8), (32, 3, 27 / 33)]
)
def test_the_interval_is_as_near_to_80_percent_as_the_draws_allow(draws: int, rank: int, nominal: float) -> None:
    assert central_rank(draws) == (rank, pytest.approx(nominal))


def test_one_draw_has_no_spread() -> None:
    with pytest.raises(ConfigError, match="at least 2 draws"):
        central_rank(1)


def test_the_interval_ends_at_draws() -> None:
    values = np.random.default_rng(0).permutation(39)[:, None] * np.array([1.0, -2.0])
    lower, upper = central_interval(values)
    np.testing.assert_array_equal(lower, [3, -70])
    np.testing.assert_array_equal(upper, [35, -6])


def panel(measured: np.ndarray | None = None) -> pd.DataFrame:
    """Genes of growing variance: those of HVG-50 are the last fifty."""
    return pd.DataFrame(
        {"measured": np.ones(GENES, dtype=bool) if measured is None else measured, "sd": np.arange(GENES) + 1.0}
    )


def measure(
    monkeypatch: pytest.MonkeyPatch,
    draws: np.ndarray,
    measured: np.ndarray,
    *,
    genes: pd.DataFrame | None = None,
    known: np.ndarray | None = None,
) -> list[Coverage]:
    """Coverage of a model whose latent is the expression itself and whose draws (K, S, G) are given."""
    decoder = SimpleNamespace(hidden=lambda latent: latent, columns=lambda hidden, index: hidden[:, index])
    bundle: Any = SimpleNamespace(
        genes=panel() if genes is None else genes,
        config=SimpleNamespace(units="log1p"),
        decoder=lambda: decoder,
    )
    spots = measured.shape[0]
    expression = Expression(
        "S",
        tuple(f"G{i}" for i in range(GENES)),
        measured,
        np.ones(GENES, dtype=bool) if known is None else known,
        np.ones(spots, dtype=np.float32),
        np.zeros((spots, 2)),
        tuple(map(str, range(spots))),
        0,
    )
    monkeypatch.setattr(coverage, "sample_latents", lambda *_, **__: list(draws))
    monkeypatch.setattr(coverage, "_reconstruction", lambda *_: draws.mean(axis=0))
    nothing: Any = None
    return section_coverage(
        bundle, nothing, nothing, nothing, 0, 1.0, expression, role="test", draws=len(draws), steps=7
    )


def exact(count: int, seed: int) -> np.ndarray:
    """Values (count, S, G) of skewed distributions that differ from spot to spot and from gene to gene."""
    shape, scale = (
        np.random.default_rng(1).uniform(0.5, 5, (SPOTS, 1)),
        np.random.default_rng(2).uniform(0.1, 9, GENES),
    )
    return np.random.default_rng(seed).gamma(shape, scale, (count, SPOTS, GENES)).astype(np.float32)


@pytest.mark.parametrize("draws", [9, 20, 39])
def test_draws_of_the_true_distribution_have_nominal_coverage(monkeypatch: pytest.MonkeyPatch, draws: int) -> None:
    # Blocks that do not divide the spots evenly.
    monkeypatch.setattr(coverage, "_BLOCK_VALUES", 37 * GENES * draws)
    rows = measure(monkeypatch, exact(draws, 3), exact(1, 4)[0])
    assert [(row.units, row.genes) for row in rows[:2]] == [("log1p", "panel"), ("log1p", "HVG-50")]
    for row in rows[:2]:
        error = 4 * np.sqrt(row.nominal * (1 - row.nominal) / row.values)
        assert row.values == SPOTS * row.n_genes
        assert abs(row.coverage - row.nominal) < error
        assert abs(row.below - row.above) < 2 * error
        assert row.positive == pytest.approx(row.coverage)
        assert abs(row.coverage + row.below + row.above - 1) < 1e-9


def test_a_spread_that_is_too_narrow_is_called_that(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    rows = measure(
        monkeypatch, 0.5 * random.standard_normal((39, SPOTS, GENES)), random.standard_normal((SPOTS, GENES))
    )
    # Where the fourth largest of 39 normal draws is expected (Blom's approximation), at half the spread.
    end = 0.5 * NormalDist().inv_cdf((36 - 0.375) / (39 + 0.25))
    assert rows[0].width == pytest.approx(2 * end, rel=0.01)
    assert rows[0].coverage == pytest.approx(2 * NormalDist().cdf(end) - 1, abs=0.01)
    assert "too narrow" in coverage_text(coverage_records(rows))


def test_a_spread_that_is_right_or_too_wide_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    right = coverage_text(coverage_records(measure(monkeypatch, exact(39, 3), exact(1, 4)[0])))
    assert "about as wide" in right
    assert "w = 1)" in right
    assert "39 draws (`--estimate sample`, 7 steps" in right
    middle = exact(39, 3).mean(axis=0)
    assert "too wide" in coverage_text(coverage_records(measure(monkeypatch, exact(39, 3), middle)))


def test_an_interval_that_begins_at_zero_holds_every_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = np.tile(np.linspace(0, 1, 39)[:, None, None], (1, SPOTS, GENES))
    draws[:4] = 0
    measured = np.zeros((SPOTS, GENES))
    measured[:100] = 5.0
    row = measure(monkeypatch, draws, measured)[0]
    assert (row.coverage, row.above, row.positive) == (0.75, 0.25, 0.0)
    assert row.positives == 100 * GENES


def test_what_the_latent_space_leaves_out_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    draws = exact(39, 3)
    rows = measure(monkeypatch, draws, exact(1, 4)[0] + 1000)
    shares = {row.units: row.coverage for row in rows if row.genes == "panel"}
    assert shares == {"log1p": 0.0, "reconstruction": pytest.approx(1.0, abs=0.01)}
    assert "which is all that a draw can resemble, it held 100.0 %" in coverage_text(coverage_records(rows))


def test_only_genes_that_were_measured_and_learned_count(monkeypatch: pytest.MonkeyPatch) -> None:
    learned, known = np.ones(GENES, dtype=bool), np.ones(GENES, dtype=bool)
    learned[-1] = known[:5] = False
    draws, measured = exact(9, 3), exact(1, 4)[0]
    measured[:, -1] = measured[:, :5] = np.nan
    rows = measure(monkeypatch, draws, measured, genes=panel(learned), known=known)
    # The most variable of the learned genes are 9..58, all of them measured here.
    assert [(row.genes, row.n_genes) for row in rows] == [("panel", GENES - 6), ("HVG-50", 50)] * 2
    assert all(np.isfinite(row.coverage) for row in rows)


def test_a_section_without_a_gene_of_the_model_has_no_coverage(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = measure(monkeypatch, exact(9, 3), exact(1, 4)[0], known=np.zeros(GENES, dtype=bool))
    assert all(np.isnan(row.coverage) and row.values == 0 for row in rows)
    assert coverage_text(coverage_records(rows)) == coverage_text([]) == ""


def test_sections_are_pooled_by_their_values() -> None:
    shared = {"units": "log1p", "draws": 39, "steps": 16, "guidance": 2.0, "nominal": 0.8, "genes": "panel"}
    large = {**shared, "values": 300, "positives": 100, "coverage": 0.5, "below": 0.25, "above": 0.25, "positive": 0.2}
    small = {**shared, "values": 100, "positives": 0, "coverage": 0.9, "below": 0.1, "above": 0.0, "positive": np.nan}
    text = coverage_text([large, small])
    assert "held 60.0 % of 400 measured values of the panel" in text
    assert "of the 100 values above 0 it held 20.0 %" in text
    assert "HVG" not in text


def test_the_shell_prints_coverage_of_a_bundle(
    tiny_bundle: Bundle, corpus: Path, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(*options: str) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["evaluate", str(tiny_bundle.path), str(corpus), "--sections", "SIM_A_4", "--coverage", *options])
        assert not stop.value.code
        return capsys.readouterr().out

    records = json.loads(printed("--draws", "9", "--json"))
    assert records == json.loads(printed("--draws", "9", "--json"))
    assert [(row["units"], row["genes"]) for row in records] == [
        ("log1p-cp10k", "panel"),
        ("log1p-cp10k", "HVG-50"),
        ("reconstruction", "panel"),
        ("reconstruction", "HVG-50"),
        ("truth", "panel"),
        ("truth", "HVG-50"),
    ]
    assert all(0 < row["coverage"] < 1 and row["width"] > 0 and row["nominal"] == 0.8 for row in records)
    assert {row["role"] for row in records} == {"test"}
    panels = {row["units"]: row["coverage"] for row in records if row["genes"] == "panel"}
    assert panels["log1p-cp10k"] < panels["reconstruction"]
    text = printed("--draws", "9")
    assert "coverage of draws" in text
    assert "9 draws" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--draws", "9"], "--coverage"),
        (["--coverage", "--per-gene", "genes.csv"], "--per-gene"),
        (["--coverage", "--draws", "1"], "at least 2 draws"),
        (["--coverage", "--guidance", "-1"], "guidance scale"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tiny_bundle: Bundle, corpus: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(tiny_bundle.path), str(corpus), "--sections", "SIM_A_4", *options])
    assert stop.value.code == 2
    assert said in capsys.readouterr().err

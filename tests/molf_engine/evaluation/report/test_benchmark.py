"""The report of a made-up benchmark holds every table and figure, and says what it cannot show."""

from __future__ import annotations

import dataclasses
import re
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from molf_engine.errors import DataError
from molf_engine.evaluation.gene_sets import GeneSets
from molf_engine.evaluation.report.benchmark import write_report
from molf_engine.evaluation.report.run import BenchmarkRun, ModelFacts, SplitFacts
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.sweep import SectionSweep, Sweep, sweep
from molf_engine.evaluation.tables import Ablation, Bootstrap
from tests.molf_engine.evaluation.made_up import named, results_of, some_genes, some_sets

GENES = some_genes()
SECTIONS = {
    "split 0": [("S1", "IDC", "P1"), ("S2", "IDC", "P2"), ("S3", "PRAD", "P3"), ("S4", "READ", "P4")],
    "split 1": [("S5", "IDC", "P5"), ("S6", "PRAD", "P6"), ("S7", "READ", "Unknown"), ("S8", "Unknown", "P8")],
}


@pytest.fixture(scope="module")
def sets() -> GeneSets:
    return some_sets(GENES)


@pytest.fixture(scope="module")
def results(sets: GeneSets) -> list[SectionResult]:
    found = []
    for split, sections in SECTIONS.items():
        for name, code, patient in sections:
            section, about = named(name, code, patient), {"split": split, "sets": sets, "seen": name == "S6"}
            for seed in (0, 1):
                found += results_of(section, {"depth": 0.2, "ridge": 0.6, "molf": 0.7}, GENES, seed=seed, **about)
            found += results_of(section, {"molf": 0.5}, GENES, variant="velocity=dense", **about)
    return found


@pytest.fixture(scope="module")
def run() -> BenchmarkRun:
    return BenchmarkRun(
        title="A made-up benchmark",
        asked="Whether three made-up models differ.",
        data="eight made-up sections",
        encoder="texture",
        panel="molf-1386",
        splits=(
            SplitFacts("split 0", 20, 4, 4),
            SplitFacts("split 1", 20, 4, 4, findings=("S6 is of patient P6, who is in training too.",)),
        ),
        models=(
            ModelFacts("molf", "Latent flow with experts.", 35_900_000, 812.5, reduced="30 epochs instead of 500"),
            ModelFacts("ridge", "Ridge regression on patch features.", 2_129_900, 1.2),
            ModelFacts("depth", "A line on predicted total counts.", 2, 0.1),
        ),
        ablations=(Ablation("velocity", "Experts against a dense network", ("molf", "molf (velocity=dense)")),),
        commands=("molf-engine benchmark made-up.toml",),
        versions={"molf-engine": "0.0"},
        trouble=("S9 could not be read: its slide is damaged.",),
        simulated=True,
        bootstrap=Bootstrap(draws=200),
    )


def two_sweeps() -> list[Sweep]:
    scales = tuple(np.arange(1.0, 8.0))
    distances = tuple(0.155 + (w - 5) ** 2 / 2000 for w in scales)
    return [
        sweep(
            [SectionSweep("V1", scales, tuple(0.2 + (w - best) ** 2 / 90 for w in scales), distances,
                          tuple(0.25 - (w - best) ** 2 / 300 for w in scales))],
            model="molf", units="log1p", split=split,
        )
        for split, best in (("split 0", 3.0), ("split 1", 2.0))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, run: BenchmarkRun, results: list[SectionResult], sets: GeneSets
) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, run, results, sets, two_sweeps())
    return folder


def words(folder: Path) -> str:
    """What a reader sees."""
    html = (folder / "report.html").read_text(encoding="utf-8").partition("<body>")[2]
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", html)))


def test_every_table_and_figure_is_there_in_both_scales(folder: Path) -> None:
    tables = {path.stem for path in (folder / "tables").iterdir()}
    figures = {path.name for path in (folder / "figures").iterdir()}
    for units in ("log1p", "log1p-cp10k"):
        kinds = ("hvg", "panel", "tiers", "hallmark", "velocity", "pooled", "measures", "structure", "sections")
        assert {f"{kind}-{units}" for kind in kinds} <= tables
        assert {f"models-{units}.png", f"models-{units}.svg", f"hallmark-variance-{units}.png"} <= figures
    assert {"data", "splits", "models", "guidance"} <= tables
    assert "guidance.png" in figures


def test_the_table_by_type_is_the_mean_of_the_sections(
    folder: Path, results: list[SectionResult], sets: GeneSets
) -> None:
    table = pd.read_csv(folder / "tables" / "hvg-log1p.csv", index_col=0)
    index = sets.index("HVG-50", "log1p")
    means: dict[tuple[str, str], list[float]] = {}
    for one in results:
        if one.name == "ridge" and one.code != "Unknown":
            means.setdefault((one.split, one.code), []).append(one.pcc("log1p")[index].mean())
    splits = [np.mean([np.mean(v) for (split, _), v in means.items() if split == name]) for name in SECTIONS]
    row = table.loc["mean over 3 types"]
    assert row["ridge"] == pytest.approx(np.mean(splits))
    assert row["ridge low"] <= row["ridge"] <= row["ridge high"]
    assert table.loc["READ", "ridge"] == pytest.approx(np.mean([np.mean(means[split, "READ"]) for split in SECTIONS]))
    # One patient of this type was seen, and one section has no type.
    assert {"PRAD *", "no type known", "mean over types, unseen patients"} <= set(table.index)
    assert list(table.columns[:2]) == ["sections", "molf"]


def test_captions_say_of_how_many_and_by_which_protocol(folder: Path) -> None:
    text = words(folder)
    assert (
        "PCC over HVG-50, log1p (the paper's Table 2). Protocol: per section. 7 sections of 6 patients (of 1 the patient is unknown)"
        in text
    )
    assert "1 section without a cancer type: in no mean." in text
    assert "Protocol: pooled." in text
    assert "2 splits, 2 seeds" in text


def test_the_last_chapter_is_read_off_the_data(folder: Path) -> None:
    last = words(folder).rpartition("What cannot be concluded")[2]
    for told in (
        "The tissue is simulated",
        "PRAD (2 patients), READ (2 patients)",
        "The patient of 1 section is not known (S7)",
        "patients that a model has learned from (S6)",
        "The audit found something in split 1",
        "molf is reduced (30 epochs instead of 500)",
        "those of texture , not of UNI2-h",
        "430 genes",
        "one species, Homo sapiens",
        "S9 could not be read",
    ):
        assert told in last
    assert "one seed" not in last


def test_nothing_is_held_against_a_run_that_has_it_not(tmp_path: Path, run: BenchmarkRun, sets: GeneSets) -> None:
    sections = [named(f"T{place}", "IDC", f"P{place}") for place in range(4)]
    results = [
        one for section in sections for one in results_of(section, {"molf": 0.9, "ridge": 0.1}, GENES, scales=["log1p"])
    ]
    clean = dataclasses.replace(
        run, simulated=False, encoder="UNI2-h", panel="mine.txt", models=(), splits=(), ablations=(), trouble=()
    )
    write_report(tmp_path, clean, results, sets)
    last = words(tmp_path).rpartition("What cannot be concluded")[2]
    for absent in ("simulated", "UNI2-h", "430", "reduced", "learned from", "cannot be told", "no interval"):
        assert absent not in last
    assert "one split and one seed" in last


def test_two_sections_give_no_interval_and_it_is_said(tmp_path: Path, run: BenchmarkRun, sets: GeneSets) -> None:
    results = [
        one
        for name in "ab"
        for one in results_of(named(name, "IDC", name), {"molf": 0.9, "ridge": 0.1}, GENES, scales=["log1p"])
    ]
    write_report(tmp_path, run, results, sets)
    text = words(tmp_path)
    assert "No interval can be given: 2 sections are too few, 3 are needed." in text
    assert "In log1p, no model can be told from another over HVG-50: 2 sections are too few" in text
    assert "low" not in pd.read_csv(tmp_path / "tables" / "hvg-log1p.csv").columns


def test_sections_without_any_type_still_make_a_report(tmp_path: Path, run: BenchmarkRun, sets: GeneSets) -> None:
    results = [one for name in "abc" for one in results_of(named(name), {"molf": 0.9}, GENES, scales=["log1p"])]
    write_report(tmp_path, dataclasses.replace(run, ablations=()), results, sets)
    assert "No section has a cancer type" in words(tmp_path)


def test_only_test_sections_are_reported(
    tmp_path: Path, run: BenchmarkRun, results: list[SectionResult], sets: GeneSets
) -> None:
    trained = [dataclasses.replace(one, role="training") for one in results]
    with pytest.raises(DataError, match="test section"):
        write_report(tmp_path, run, trained, sets)
    variants = [one for one in results if one.variant]
    with pytest.raises(DataError, match="variants"):
        write_report(tmp_path, run, variants, sets)


def test_a_run_comes_back_from_its_file(tmp_path: Path, run: BenchmarkRun) -> None:
    run.save(tmp_path)
    assert BenchmarkRun.load(tmp_path) == run
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match=r"run\.json"):
        BenchmarkRun.load(tmp_path)


def test_where_patients_have_several_sections_they_are_drawn_too(
    tmp_path: Path, run: BenchmarkRun, sets: GeneSets
) -> None:
    results = [
        one
        for place in range(6)
        for one in results_of(named(f"T{place}", "IDC", f"P{place // 2}"), {"molf": 0.9}, GENES, scales=["log1p"])
    ]
    write_report(tmp_path, dataclasses.replace(run, ablations=()), results, sets)
    assert "Drawn by patient (3) instead of by section" in words(tmp_path)

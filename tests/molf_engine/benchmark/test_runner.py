"""A whole benchmark on simulated sections: what is trained once stays, what is scored is what the report shows."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from molf_engine.benchmark.contestants import FromElsewhere, MoLF
from molf_engine.benchmark.runner import fitted_on_test, run_benchmark
from molf_engine.benchmark.scoring import on_panel, score
from molf_engine.benchmark.settings import BenchmarkConfig, Outside
from molf_engine.benchmark.training import Trained
from molf_engine.bundle import Bundle
from molf_engine.cli.benchmark import summary
from molf_engine.config import RunConfig
from molf_engine.data.corpus import Corpus, EncoderChoice, Recipe, find_sources, prepare_corpus
from molf_engine.data.corpus.lock import only_writer
from molf_engine.data.splits import Split
from molf_engine.errors import Cancelled, ConfigError, MolfError
from molf_engine.evaluation.evaluate import evaluate, source_for
from molf_engine.evaluation.gene_sets import gene_sets
from molf_engine.evaluation.results import load_results
from molf_engine.evaluation.sweep import Sweep
from molf_engine.progress import Progress
from tests.molf_engine.conftest import tiny_settings


@pytest.fixture(scope="module")
def settings(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchmarkConfig, RunConfig]:
    split = tmp_path_factory.mktemp("splits") / "own.json"
    roles = {"train": ["SIM_A_1", "SIM_A_2"], "validation": ["SIM_A_3"], "test": ["SIM_A_4"]}
    split.write_text(json.dumps(roles))
    training = tiny_settings(corpus, training__vae={"epochs": 2}, training__flow={"epochs": 2})
    config = BenchmarkConfig(
        name="tiny", data=corpus, splits=(str(split),), seeds=(1,), rivals=("ridge",), variants=("dense", "no-position")
    )
    return config, training


@pytest.fixture(scope="module")
def done(settings: tuple[BenchmarkConfig, RunConfig], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a benchmark that was cancelled when its first model was there, and gone on with."""
    output = tmp_path_factory.mktemp("benchmark") / "out"

    def stop_at_the_variant(report: Progress) -> None:
        if "training dense" in report.phase:
            raise Cancelled

    with pytest.raises(Cancelled):
        run_benchmark(*settings, output, progress=stop_at_the_variant)
    base = output / "models" / "own" / "seed-1" / "molf"
    before = {path.name: path.stat().st_mtime_ns for path in base.iterdir()}
    run_benchmark(*settings, output)
    assert {path.name: path.stat().st_mtime_ns for path in base.iterdir()} == before
    return output


def test_every_model_is_scored_on_every_test_section(done: Path) -> None:
    results = {(result.name, result.section) for result in load_results(done / "results")}
    names = ("molf", "ridge", "mlp", "depth", "molf (velocity=dense)")
    assert results == {(name, "SIM_A_4") for name in names}


def test_its_scores_are_those_of_evaluate(done: Path, corpus: Path) -> None:
    bundle = Bundle.load(done / "models" / "own" / "seed-1" / "molf")
    source = source_for(bundle, corpus)
    (score,) = evaluate(bundle, source, source.sections(["SIM_A_4"]))
    for result in load_results(done / "results"):
        if result.variant:
            continue
        for units in ("log1p", "log1p-cp10k", "truth"):
            np.testing.assert_allclose(result.pcc(units), score.pcc[result.model][units], atol=1e-6)


def test_the_report_names_data_split_and_what_was_not_compared(done: Path) -> None:
    text = (done / "report" / "report.html").read_text()
    for part in ("own", "SIM_A", "molf (velocity=dense)", "position=none", "What cannot be concluded", "Guidance"):
        assert part in text
    assert (done / "report" / "tables" / "hvg-log1p.csv").is_file()


def test_the_terminal_shows_the_means_of_the_report(done: Path) -> None:
    rows = summary(done / "report" / "tables")
    with (done / "report" / "tables" / "hvg-log1p.csv").open() as file:
        mean = list(csv.DictReader(file))[-1]
    of_scale = {row["model"]: row for row in rows if row["units"] == "log1p"}
    assert {"molf", "ridge", "mlp", "depth"} <= set(of_scale) < set(mean)
    for model, row in of_scale.items():
        assert row["pcc"] == pytest.approx(float(mean[model]), abs=1e-4)
        assert row["sections"] == int(mean["sections"])


def test_the_guidance_scale_that_the_report_marks_is_the_one_of_the_scores(
    settings: tuple[BenchmarkConfig, RunConfig], done: Path
) -> None:
    bundle = Bundle.load(done / "models" / "own" / "seed-1" / "molf")
    found = Sweep.from_json(json.loads((done / "sweeps" / "own-seed-1.json").read_text()))
    assert found.scales == settings[1].guidance.scales
    assert found.scale == bundle.config.guidance
    assert found.model == "molf"


def test_a_second_run_trains_nothing(settings: tuple[BenchmarkConfig, RunConfig], done: Path) -> None:
    phases = []
    run_benchmark(*settings, done, progress=lambda report: phases.append(report.phase))
    assert not [phase for phase in phases if "raining" in phase]


def test_a_folder_of_other_training_settings_is_refused(
    settings: tuple[BenchmarkConfig, RunConfig], done: Path
) -> None:
    config, training = settings
    other = training.model_copy(update={"flow": training.flow.model_copy(update={"experts": 4})})
    with pytest.raises(ConfigError, match="other training settings"):
        run_benchmark(config, other, done)


def test_genes_that_a_model_does_not_predict_count_as_unmeasured(corpus: Path, tiny_bundle: Bundle) -> None:
    source = source_for(tiny_bundle, corpus)
    genes = tuple(tiny_bundle.genes.index)
    expression = source.read(source.sections(["SIM_A_4"])[0], genes).expression
    values = np.arange(2.0 * len(expression), dtype=np.float32).reshape(-1, 2)
    wide, known = on_panel({"m": {"log1p": values}}, (genes[7], genes[2]), expression)
    np.testing.assert_array_equal(wide["m"]["log1p"][:, [7, 2]], values)
    assert known.measured.sum() == expression.measured[[2, 7]].sum()


def test_a_corpus_and_the_folder_it_was_made_of_give_the_same_scores(
    corpus: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    from molf_engine.cli import main

    with pytest.raises(SystemExit) as stop:
        main(["prepare", str(corpus), "-o", str(tmp_path / "c.zarr"), "--encoder", str(tiny_bundle.path)])
    assert not stop.value.code
    assert Corpus.open(tmp_path / "c.zarr").encoder == tiny_bundle.config.encoder
    scores = []
    for data in (corpus, tmp_path / "c.zarr"):
        source = source_for(tiny_bundle, data)
        scores += evaluate(tiny_bundle, source, source.sections(["SIM_A_4"]))
    np.testing.assert_array_equal(scores[0].pcc["molf"]["log1p"], scores[1].pcc["molf"]["log1p"])


def test_a_split_that_trained_on_other_sections_is_refused_by_name(
    settings: tuple[BenchmarkConfig, RunConfig], done: Path, tmp_path: Path
) -> None:
    config, training = settings
    changed = tmp_path / "own.json"
    changed.write_text(json.dumps({"train": ["SIM_A_4", "SIM_A_2"], "validation": ["SIM_A_3"], "test": ["SIM_A_1"]}))
    with pytest.raises(ConfigError, match="the split own trained on other sections"):
        run_benchmark(config.model_copy(update={"splits": (str(changed),)}), training, done)


def test_two_processes_do_not_write_one_benchmark(settings: tuple[BenchmarkConfig, RunConfig], done: Path) -> None:
    with only_writer(done / ".lock"), pytest.raises(MolfError, match="is being written by process"):
        run_benchmark(*settings, done)


def test_a_file_where_the_folder_should_be_is_said(settings: tuple[BenchmarkConfig, RunConfig], tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        run_benchmark(*settings, tmp_path / "out")


def test_predictions_that_were_written_anew_are_scored_anew(corpus: Path, tiny_bundle: Bundle, tmp_path: Path) -> None:
    source = source_for(tiny_bundle, corpus)
    (section,) = source.sections(["SIM_A_4"])
    expression = source.read(section, tuple(tiny_bundle.genes.index)).expression
    outside = Outside(name="other", folder=tmp_path, units="log1p")
    trained = Trained(
        Split("s", ("SIM_A_1",), (), ("SIM_A_4",)), 1, tiny_bundle, [FromElsewhere(outside, expression.genes)]
    )
    errors = []
    for values in (expression.counts_log1p, expression.counts_log1p + 1):
        rows, columns = pd.DataFrame(index=list(expression.names)), pd.DataFrame(index=list(expression.genes))
        anndata.AnnData(values, rows, columns).write_h5ad(tmp_path / "SIM_A_4.h5ad")
        (result,) = score(trained, source, [section], gene_sets(tiny_bundle.genes), tmp_path / "results")
        errors.append(result.scales["log1p"].mse)
    assert errors == pytest.approx([0, 1])


def test_a_test_section_that_cannot_be_read_is_left_out_and_told(
    corpus: Path, tiny_bundle: Bundle, tmp_path: Path
) -> None:
    source = source_for(tiny_bundle, corpus)
    good, bad = source.sections(["SIM_A_4", "SIM_A_3"])
    bad = dataclasses.replace(bad, st_path=tmp_path / "nothing.h5ad")
    trained = Trained(Split("s", ("SIM_A_1",), (), (good.id, bad.id)), 1, tiny_bundle, [MoLF(tiny_bundle)])
    results = score(trained, source, [bad, good], gene_sets(tiny_bundle.genes), tmp_path)
    assert [result.section for result in results] == [good.id]
    assert [note.partition(".")[0] for note in trained.notes] == ["s: the test section SIM_A_3 is not scored"]


def test_what_a_corpus_took_from_test_sections_is_told(tiny_bundle: Bundle, corpus: Path, tmp_path: Path) -> None:
    sources = find_sources(corpus, ["SIM_A_1", "SIM_A_2", "SIM_A_4"])
    recipe = Recipe("hallmark+hvg", tuple(tiny_bundle.genes.index[:50]), chosen_on=("SIM_A_1", "SIM_A_4"))
    prepare_corpus(sources, tmp_path / "c.zarr", recipe, EncoderChoice(fit_on=("SIM_A_1",)))
    split = Split("s", ("SIM_A_1",), ("SIM_A_2",), ("SIM_A_4",))
    (note,) = fitted_on_test(tmp_path / "c.zarr", [split])
    assert "the panel hallmark+hvg was chosen on the expression of 1 of its 1 test sections" in note

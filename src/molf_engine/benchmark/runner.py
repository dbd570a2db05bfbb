"""A benchmark from settings to report.

Interrupted and started again, it goes on where it was: models, then scores, are kept as they are made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.benchmark.contestants import FittedRival, FromElsewhere, MoLF, OneForEachTissue
from molf_engine.benchmark.elsewhere import check_outside
from molf_engine.benchmark.scoring import score
from molf_engine.benchmark.settings import BenchmarkConfig
from molf_engine.benchmark.training import Trained, Trainer
from molf_engine.benchmark.variants import MOLF, SINGLE_TISSUE, label
from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import write_json
from molf_engine.config import GuidanceConfig, RunConfig
from molf_engine.data import Section
from molf_engine.data.corpus import Corpus, is_corpus, list_sections
from molf_engine.data.corpus.lock import only_writer
from molf_engine.data.splits import Split, named_splits
from molf_engine.data.splits.audit import audit
from molf_engine.data.spots import SpotSource, folder_fingerprint
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError, DataError
from molf_engine.evaluation.evaluate import source_for
from molf_engine.evaluation.gene_sets import GeneSets, gene_sets
from molf_engine.evaluation.report.benchmark import write_report
from molf_engine.evaluation.report.run import BenchmarkRun, ModelFacts, SplitFacts, versions
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.selection import select_guidance
from molf_engine.evaluation.sweep import Sweep
from molf_engine.evaluation.tables import Ablation, Bootstrap
from molf_engine.files import make_parent, writing_to
from molf_engine.progress import ProgressCallback, silent

SETTINGS, LOCK = "settings.json", ".lock"
ABLATIONS = {
    "ablation-velocity": (
        "Mixture of experts, attention and a dense network",
        ("attention", "dense"),
        "the paper's Tables 6 and 7",
    ),
    "ablation-position": (
        "With positions and without",
        ("no-position", "grid-2d", "row-order"),
        "among the paper's Tables 5 to 9",
    ),
    "ablation-panel": ("The whole panel and Hallmark genes alone", ("hallmark",), "among the paper's Tables 5 to 9"),
    "ablation-pan-cancer": (
        "All cancer types together and one at a time",
        (SINGLE_TISSUE,),
        "among the paper's Tables 5 to 9",
    ),
}
"""Questions and the variants that answer them."""


def run_benchmark(
    config: BenchmarkConfig,
    training: RunConfig,
    output: Path,
    *,
    command: str = "",
    cache: FeatureCache | None = None,
    progress: ProgressCallback = silent,
) -> Path:
    """Train and score everything that the settings name, and write the report; returns its path.

    Parameters
    ----------
    config : BenchmarkConfig
        What is compared, on what.
    training : RunConfig
        Settings of MoLF's training.
    output : Path
        Folder for ``models``, ``results`` and ``report``.
    command : str
        As it was typed, for the report.

    Raises
    ------
    MolfError
        If settings or data do not allow it, the folder holds a benchmark of other settings, or another process writes to it.
    """
    began = time.monotonic()
    sections = list_sections(config.data)
    splits, notes = named_splits(config.splits, sections)
    notes += fitted_on_test(config.data, splits)
    check_outside(config.predictions, [name for split in splits for name in split.test])
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output} is a file. Name a folder for models, results and report.")
    make_parent(output)
    with writing_to(output):
        output.mkdir(exist_ok=True)
        with only_writer(output / LOCK, "written"):
            going_on = _check_settings(output, config, training, sections, splits)
            run, results, sweeps, sets = _run(
                config, training, output, sections, splits, notes, command, cache, progress
            )
            # What an earlier call did took its time as well, and how much is not known.
            run = replace(run, seconds=None if going_on else time.monotonic() - began)
            run.save(output)
            return write_report(output / "report", run, results, sets, sweeps)


def _run(
    config: BenchmarkConfig,
    training: RunConfig,
    output: Path,
    sections: Sequence[Section],
    splits: Sequence[Split],
    notes: list[str],
    command: str,
    cache: FeatureCache | None,
    progress: ProgressCallback,
) -> tuple[BenchmarkRun, list[SectionResult], list[Sweep], GeneSets]:
    known = {section.id: section for section in sections}

    def source(bundle: Bundle) -> SpotSource:
        return source_for(bundle, config.data, features=training.data.features, cache=cache)

    trainer = Trainer(config, training, source, known, output / "models", cache, progress)
    results: list[SectionResult] = []
    sweeps: list[Sweep] = []
    every: list[Trained] = []
    for split in splits:
        for seed in config.seeds:
            trained = trainer.train(split, seed)
            every.append(trained)
            spots = source(trained.base)
            tested = [known[name] for name in split.test]
            results += score(trained, spots, tested, gene_sets(trained.base.genes), output / "results", progress)
            sweeps.append(_sweep(trained, spots, training.guidance, output / "sweeps", progress))
            notes += trained.notes
    run = _describe(config, training, splits, sections, every, notes, command)
    return run, results, sweeps, _sets(every)


def _sets(every: Sequence[Trained]) -> GeneSets:
    """Gene sets of the panel; the most variable genes are those of each split's own training spots."""
    first = every[0].base
    return gene_sets(first.genes).with_splits({trained.split.name: trained.base.genes for trained in every})


def fitted_on_test(data: Path, splits: Sequence[Split]) -> Iterable[str]:
    """What a corpus took from test sections before any model was trained, in sentences."""
    if not is_corpus(data):
        return
    corpus = Corpus.open(data)
    for split in splits:
        for what, ids in (
            ("the encoder was fitted on the images, not on the expression,", corpus.encoder_fitted_on),
            (f"the panel {corpus.panel} was chosen on the expression", corpus.panel_chosen_on),
        ):
            if both := set(ids) & set(split.test):
                yield (
                    f"{split.name}: {what} of {len(both)} of its {len(split.test)} test sections too, when {data.name} was prepared. "
                    "Prepare it with --fit-on SPLIT:train."
                )


def _check_settings(
    output: Path, config: BenchmarkConfig, training: RunConfig, sections: Iterable[Section], splits: Sequence[Split]
) -> bool:
    """Refuse to go on with other data, splits or training: what is there would not belong to what is added.

    Returns whether there is a benchmark to go on with.
    """
    corpus = Corpus.open(config.data) if is_corpus(config.data) else None
    fingerprint = corpus.fingerprint if corpus is not None else folder_fingerprint
    settings = {
        "training": json.loads(training.model_dump_json(exclude={"data": {"path", "sections", "validation", "test"}})),
        "sections": {section.id: fingerprint(section) for section in sections},
    }
    file = output / SETTINGS
    anew = "Choose another folder, or delete it to start anew."
    own: dict[str, Any] = {
        split.name: {"train": list(split.train), "validation": list(split.validation)} for split in splits
    }
    there: dict[str, Any] = {}
    if file.is_file():
        try:
            then = json.loads(file.read_text(encoding="utf-8"))
            there = then.pop("splits", {})
        except (OSError, ValueError, AttributeError) as error:
            raise ConfigError(f"Cannot read {file}: {error}. {anew}") from error
        if then != settings:
            raise ConfigError(f"{output} holds a benchmark of other data or of other training settings. {anew}")
        # Models are found by the name of their split: under it, another split would be tested on what they have learned from.
        if other := [name for name in own if name in there and there[name] != own[name]]:
            raise ConfigError(
                f"{output} holds models that the split {other[0]} trained on other sections. Give the split another name, or choose "
                "another folder."
            )
    write_json(file, {**settings, "splits": {**there, **own}})
    return bool(there)


def _sweep(
    trained: Trained, source: SpotSource, guidance: GuidanceConfig, folder: Path, progress: ProgressCallback
) -> Sweep:
    """Over the scales among which training chose, so that the one that is marked is the one that the scores are of."""
    file = folder / f"{trained.split.name}-seed-{trained.seed}.json"
    if file.is_file():
        try:
            return Sweep.from_json(json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"Cannot read {file}: {error}. Remove it, and run the same command again.") from error
    found = select_guidance(
        trained.base,
        source,
        scales=guidance.scales,
        tolerance=guidance.tolerance,
        split=trained.split.name,
        progress=progress,
    )
    found = replace(found, model=MOLF)
    write_json(file, found.as_json())
    return found


def _describe(
    config: BenchmarkConfig,
    training: RunConfig,
    splits: Sequence[Split],
    sections: Sequence[Section],
    every: Sequence[Trained],
    notes: Sequence[str],
    command: str,
) -> BenchmarkRun:
    base = every[0].base
    return BenchmarkRun(
        title=config.name,
        asked=_asked(config, splits),
        data=config.data.name,
        encoder=base.config.encoder,
        panel=training.data.panel,
        splits=tuple(_split_facts(split, sections) for split in splits),
        models=tuple(_model_facts(every)),
        ablations=tuple(_ablations(config.variants, every)),
        simulated=base.config.simulated,
        min_counts=base.config.min_counts,
        device=_device(),
        commands=(command,) if command else (),
        versions=versions(),
        trouble=tuple(dict.fromkeys(notes)),
        bootstrap=Bootstrap(draws=config.draws, seed=config.seed),
    )


def _asked(config: BenchmarkConfig, splits: Sequence[Split]) -> str:
    names = ", ".join(split.name for split in splits)
    text = (
        "How well MoLF, its variants and its rivals predict expression from H&E, on the "
        f"{'split' if len(splits) == 1 else 'splits'} {names}: every model learned from the training sections of a split, on the same "
        "features, and is scored on its test sections, which none of them learned from."
    )
    if SINGLE_TISSUE in config.variants:
        text += f" Models of {SINGLE_TISSUE} learned from those of one cancer type alone."
    if config.predictions:
        told = ", ".join(outside.name for outside in config.predictions)
        text += f" Predictions of {told} were made elsewhere: what those tools have learned from is not known here."
    return text


def _split_facts(split: Split, sections: Sequence[Section]) -> SplitFacts:
    found = audit(sections, split)
    findings = [
        f"{one.test} ({one.code}) and {one.other} ({one.role}): {one.link.grade}, {one.link.evidence}"
        for one in found.findings
    ]
    return SplitFacts(split.name, len(split.train), len(split.validation), len(split.test), tuple(findings))


def _ablations(variants: Sequence[str], every: Sequence[Trained]) -> Iterable[Ablation]:
    there = {contestant.variant for trained in every for contestant in trained.contestants}
    for name, (title, answers, paper) in ABLATIONS.items():
        models = [
            f"{MOLF} ({label(variant)})" for variant in answers if variant in variants and label(variant) in there
        ]
        if models:
            yield Ablation(name, title, (MOLF, *models), paper)


def _model_facts(every: Sequence[Trained]) -> Iterable[ModelFacts]:
    facts: dict[str, ModelFacts] = {}
    seconds: dict[str, list[float]] = {}
    for trained in every:
        for contestant in trained.contestants:
            for one in _facts(contestant):
                facts.setdefault(one.name, one)
                if one.training_seconds is not None:
                    seconds.setdefault(one.name, []).append(one.training_seconds)
    for name, one in facts.items():
        times = seconds.get(name)
        yield ModelFacts(name, one.text, one.parameters, float(np.mean(times)) if times else None, one.reduced)


_TEXTS = {
    "ridge": "Ridge regression on up to 256 principal components of the features, penalty by generalised cross-validation.",
    "mlp": "Two hidden layers on the features of one patch; unmeasured genes leave the loss.",
    "depth": "Ridge for the log total count, then a line per gene: what tissue density alone can say.",
}


def _facts(contestant: Any) -> Iterable[ModelFacts]:
    if isinstance(contestant, FittedRival):
        rival = contestant.rival
        place = contestant.folder
        yield ModelFacts(rival.name, rival.title, rival.parameters, _seconds(place), rival.reduced)
    elif isinstance(contestant, FromElsewhere):
        note = contestant.outside.note or "What it has seen in training is not stated."
        yield ModelFacts(contestant.outside.name, f"Predictions of another tool, read from files. {note}")
    elif isinstance(contestant, OneForEachTissue):
        name = f"{MOLF} ({contestant.variant})"
        times = [_seconds(bundle.path) for bundle in contestant.bundles.values()]
        whole = sum(one for one in times if one is not None) if None not in times else None
        size = max(_parameters(bundle) for bundle in contestant.bundles.values())
        yield ModelFacts(
            name,
            f"{len(contestant.bundles)} models, each of one cancer type alone; size of one, time of all.",
            size,
            whole,
        )
    elif isinstance(contestant, MoLF):
        name = f"{MOLF} ({contestant.variant})" if contestant.variant else MOLF
        text = (
            f"The same but for {contestant.variant}."
            if contestant.variant
            else "This software's model. Its time has the fitting of ridge, MLP and depth in it, which its variants take over."
        )
        yield ModelFacts(name, text, _parameters(contestant.bundle), _seconds(contestant.bundle.path))
        if contestant.rivals:
            yield from (ModelFacts(rival, sentence) for rival, sentence in _TEXTS.items())


def _parameters(bundle: Bundle) -> int:
    return sum(array.size for array in bundle.tensors.values())


def _seconds(place: Path) -> float | None:
    try:
        return float(json.loads(place.with_name(f"{place.name}.json").read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _device() -> str:
    import torch

    return f"{'cuda' if torch.cuda.is_available() else 'cpu'}, {torch.get_num_threads()} threads"

"""A benchmark from settings to report.

Interrupted and started again, it goes on where it was: models, then scores, are kept as they are made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine import __version__
from molf_engine.benchmark.contestants import FittedRival, FromElsewhere, MoLF, OneForEachTissue
from molf_engine.benchmark.scoring import score
from molf_engine.benchmark.settings import BenchmarkConfig
from molf_engine.benchmark.splits import named_splits
from molf_engine.benchmark.training import Trained, Trainer
from molf_engine.benchmark.variants import MOLF, SINGLE_TISSUE, label
from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import write_json
from molf_engine.config import RunConfig
from molf_engine.data import Section
from molf_engine.data.corpus import Corpus, is_corpus
from molf_engine.data.sections import read_hest
from molf_engine.data.splits import Split
from molf_engine.data.splits.audit import audit
from molf_engine.data.spots import SpotSource, folder_fingerprint
from molf_engine.encoders import FeatureCache
from molf_engine.errors import ConfigError
from molf_engine.evaluation.evaluate import source_for
from molf_engine.evaluation.gene_sets import GeneSets, gene_sets
from molf_engine.evaluation.report.benchmark import write_report
from molf_engine.evaluation.report.run import BenchmarkRun, ModelFacts, SplitFacts
from molf_engine.evaluation.results import SectionResult
from molf_engine.evaluation.selection import select_guidance
from molf_engine.evaluation.sweep import Sweep
from molf_engine.evaluation.tables import Ablation, Bootstrap
from molf_engine.files import make_parent
from molf_engine.progress import ProgressCallback, silent

SETTINGS = "settings.json"
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
        If settings or data do not allow it, or the folder holds a benchmark of other settings.
    """
    began = time.monotonic()
    make_parent(output)
    sections = _sections(config.data)
    splits, notes = named_splits(config.splits, sections)
    _check_settings(output, config, training, sections)
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
            sweeps.append(_sweep(trained, spots, output / "sweeps", progress))
            notes += trained.notes
    run = _describe(config, training, splits, sections, every, notes, command, time.monotonic() - began)
    run.save(output)
    return write_report(output / "report", run, results, _sets(every), sweeps)


def _sets(every: Sequence[Trained]) -> GeneSets:
    """Gene sets of the panel; the most variable genes are those of each split's own training spots."""
    first = every[0].base
    return gene_sets(first.genes).with_splits({trained.split.name: trained.base.genes for trained in every})


def _sections(data: Path) -> list[Section]:
    return Corpus.open(data).sections() if is_corpus(data) else read_hest(data)


def _check_settings(output: Path, config: BenchmarkConfig, training: RunConfig, sections: Iterable[Section]) -> None:
    """Refuse to go on with other data or another training: what is there would not belong to what is added."""
    corpus = Corpus.open(config.data) if is_corpus(config.data) else None
    fingerprint = corpus.fingerprint if corpus is not None else folder_fingerprint
    settings = {
        "training": json.loads(training.model_dump_json(exclude={"data": {"path", "sections", "validation", "test"}})),
        "sections": {section.id: fingerprint(section) for section in sections},
    }
    file = output / SETTINGS
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != settings:
        raise ConfigError(
            f"{output} holds a benchmark of other data or of other training settings. Choose another folder, or delete it to start anew."
        )
    write_json(file, settings)


def _sweep(trained: Trained, source: SpotSource, folder: Path, progress: ProgressCallback) -> Sweep:
    file = folder / f"{trained.split.name}-seed-{trained.seed}.json"
    if file.is_file():
        return Sweep.from_json(json.loads(file.read_text(encoding="utf-8")))
    found = select_guidance(trained.base, source, split=trained.split.name, progress=progress)
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
    seconds: float,
) -> BenchmarkRun:
    base = every[0].base
    return BenchmarkRun(
        title=config.name,
        asked=f"How well MoLF, its variants and its rivals predict expression from H&E on {', '.join(split.name for split in splits)}: "
        "every model learned from the same sections, on the same features, and is scored on test sections that none of them learned from.",
        data=config.data.name,
        encoder=base.config.encoder,
        panel=training.data.panel,
        splits=tuple(_split_facts(split, sections) for split in splits),
        models=tuple(_model_facts(every)),
        ablations=tuple(_ablations(config.variants, every)),
        simulated=base.config.simulated,
        min_counts=base.config.min_counts,
        device=_device(),
        seconds=seconds,
        commands=(command,) if command else (),
        versions=_versions(),
        trouble=tuple(dict.fromkeys(notes)),
        bootstrap=Bootstrap(draws=config.draws, seed=config.seed),
    )


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
    "ridge": "Ridge regression on 256 principal components of the features, penalty by generalised cross-validation.",
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
        times = [_seconds(bundle.path) or 0.0 for bundle in contestant.bundles.values()]
        size = max(_parameters(bundle) for bundle in contestant.bundles.values())
        yield ModelFacts(
            name, f"{len(contestant.bundles)} models, each of one cancer type alone; size of one.", size, sum(times)
        )
    elif isinstance(contestant, MoLF):
        name = f"{MOLF} ({contestant.variant})" if contestant.variant else MOLF
        text = "This software's model." if not contestant.variant else f"The same but for {contestant.variant}."
        yield ModelFacts(name, text, _parameters(contestant.bundle), _seconds(contestant.bundle.path))
        if contestant.rivals:
            yield from (ModelFacts(rival, sentence) for rival, sentence in _TEXTS.items())


def _parameters(bundle: Bundle) -> int:
    return sum(array.size for array in bundle.tensors.values())


def _seconds(place: Path) -> float | None:
    file = place.with_name(f"{place.name}.json")
    return float(json.loads(file.read_text(encoding="utf-8"))["seconds"]) if file.is_file() else None


def _device() -> str:
    import torch

    return f"{'cuda' if torch.cuda.is_available() else 'cpu'}, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    import platform
    from importlib.metadata import version

    names = ("torch", "numpy", "scipy", "scikit-learn", "anndata")
    return {"napari-molf": __version__, "Python": platform.python_version(), **{name: version(name) for name in names}}

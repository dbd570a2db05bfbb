"""Training what a benchmark compares, one split and seed at a time.  What is on disk already is loaded, not trained again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from molf_engine.baselines import SLIDE_RIVALS
from molf_engine.benchmark.contestants import (
    Contestant,
    FittedRival,
    FromElsewhere,
    MoLF,
    OneForEachTissue,
    RivalSlides,
)
from molf_engine.benchmark.settings import BUNDLED, BenchmarkConfig
from molf_engine.benchmark.variants import SINGLE_TISSUE, changed, label
from molf_engine.bundle import Bundle
from molf_engine.bundle.bundle import write_json
from molf_engine.config import RunConfig
from molf_engine.data import Section
from molf_engine.data.splits import Split
from molf_engine.data.spots import SpotSource
from molf_engine.encoders import FeatureCache
from molf_engine.evaluation.scoring import HVG
from molf_engine.genes.units import UNITS
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.training.run import train

HVG_RIVALS = ("stem",)
"""Rivals that were made for the most variable genes alone; the others take the whole panel."""


@dataclass
class Trained:
    """What was trained for one split and seed."""

    split: Split
    seed: int
    base: Bundle
    contestants: list[Contestant]
    notes: list[str] = field(default_factory=list)
    """What was left out, and why."""


@dataclass(frozen=True)
class Trainer:
    """Trains and loads the models of a benchmark."""

    config: BenchmarkConfig
    training: RunConfig
    source: Callable[[Bundle], SpotSource]
    """Spots with the features that a bundle needs."""
    sections: dict[str, Section]
    folder: Path
    cache: FeatureCache | None
    progress: ProgressCallback

    def train(self, split: Split, seed: int) -> Trained:
        """Train, or load, every model of one split and seed."""
        place = self.folder / split.name / f"seed-{seed}"
        base = self._molf(place / "molf", self._run(split, seed), split)
        trained = Trained(split, seed, base, [MoLF(base, rivals=True)])
        for variant in self.config.variants:
            trained.contestants += self._variant(variant, place, split, seed, base, trained.notes)
        trained.contestants += self._rivals(place, split, seed, base)
        genes = tuple(base.genes.index)
        trained.contestants += [FromElsewhere(outside, genes) for outside in self.config.predictions]
        return trained

    def _run(self, split: Split, seed: int) -> RunConfig:
        data = self.training.data.model_copy(
            update={"path": self.config.data, "sections": split.train, "validation": split.validation, "test": ()}
        )
        run = self.training.training.model_copy(update={"seed": seed})
        return self.training.model_copy(
            update={"data": data, "training": run, "name": f"{self.config.name} {split.name}"}
        )

    def _molf(self, place: Path, run: RunConfig, split: Split, rivals: Bundle | None = None) -> Bundle:
        if not place.is_dir():
            began = time.monotonic()
            # What an earlier call did before it ended took its time as well, and how much is not known.
            whole = not place.with_name(f"{place.name}.training").exists()
            self.progress(Progress(f"{split.name}: training {place.name}", 0, 0))
            train(run, place, cache=self.cache, rivals=rivals, progress=self._within(f"{split.name} {place.name}"))
            if whole:
                self._say_seconds(place, began)
        return Bundle.load(place)

    def _variant(
        self, variant: str, place: Path, split: Split, seed: int, base: Bundle, notes: list[str]
    ) -> Iterator[Contestant]:
        run = self._run(split, seed)
        if variant == SINGLE_TISSUE:
            bundles = dict(self._tissues(run, place / SINGLE_TISSUE, split, notes))
            if bundles:
                yield OneForEachTissue(bundles, SINGLE_TISSUE)
            return
        changes = changed(run, variant)
        if changes is None:
            notes.append(f"{label(variant)}: MoLF is trained like that already, so there is nothing to compare.")
            return
        same_rows = changes.data == run.data
        yield MoLF(self._molf(place / variant, changes, split, base if same_rows else None), label(variant))

    def _tissues(self, run: RunConfig, place: Path, split: Split, notes: list[str]) -> Iterator[tuple[str, Bundle]]:
        for code in dict.fromkeys(self.sections[name].code for name in split.test):
            parts = [
                tuple(name for name in part if self.sections[name].code == code)
                for part in (split.train, split.validation)
            ]
            if not all(parts):
                notes.append(
                    f"{SINGLE_TISSUE}: {code} has no training or no validation section of its own in {split.name}."
                )
                continue
            data = run.data.model_copy(update={"sections": parts[0], "validation": parts[1]})
            yield code, self._molf(place / code, run.model_copy(update={"data": data}), split)

    def _rivals(self, place: Path, split: Split, seed: int, base: Bundle) -> Iterator[Contestant]:
        units = base.config.units
        for name in self.config.rivals:
            if name in BUNDLED:
                continue
            genes = _most_variable(base) if name in HVG_RIVALS else tuple(base.genes.index)
            rival, folder = SLIDE_RIVALS[name](), place / name
            if folder.is_dir():
                rival.load(folder)
            else:
                source = self.source(base)
                slides, held_out = (
                    RivalSlides(source, [self.sections[s] for s in part], genes, base.config.min_counts, units)
                    for part in (split.train, split.validation)
                )
                began = time.monotonic()
                rival.fit(slides, held_out, genes, seed, self._within(f"{split.name} {name}"))
                rival.save(folder)
                self._say_seconds(folder, began)
            yield FittedRival(rival, genes, units, folder)

    def _within(self, what: str) -> ProgressCallback:
        return lambda report: self.progress(Progress(f"{what}: {report.phase}", report.done, report.total, report.unit))

    def _say_seconds(self, place: Path, began: float) -> None:
        # Beside the model, not in it: a bundle is the same whatever the machine.
        write_json(place.with_name(f"{place.name}.json"), {"seconds": round(time.monotonic() - began, 1)})


def _most_variable(bundle: Bundle) -> tuple[str, ...]:
    """The most variable genes of the training sections, in either scale, in the order of the panel."""
    genes = bundle.genes
    chosen: set[str] = set()
    for units in UNITS:
        spread = genes[f"sd_{units}"].where(genes["measured"], -np.inf).to_numpy()
        chosen |= set(genes.index[np.argsort(-spread, kind="stable")[:HVG]])
    return tuple(gene for gene in genes.index if gene in chosen)

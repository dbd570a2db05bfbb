"""What each departure from the published recipe is worth, on folds of the training sections.

    python benchmarks/ablation.py configs/starter.toml DATA [--seeds 0 1 2] [--workers 2] [-o docs/accuracy.md]

From the published recipe, one change at a time until ours is reached, then single changes of ours, then other ways to use the trained
network (draws, steps, guidance).  Sections that the settings file names as test are never read.  Folds:

- seen patient: one section left out whose patient stays in training, mean over the sections;
- patient X: every section of X left out; where X's rival has one section alone, that section is cut in two, one half to train on and
  one to decide when to stop.

The validation section of the settings file decides in the other folds when to stop.  Rivals are fitted in each fold on the same rows.
Finished folds are kept in --work, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ablation_judge import Judge

from molf_engine.config import RunConfig, read_settings, validate
from molf_engine.data import Section, read_hest
from molf_engine.files import atomic_path

CHANGES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("+ composition and depth apart, genes in units of their sd", ("data.units", "vae.standardise")),
    ("+ no row order", ("flow.position",)),
    ("+ t for each patch", ("flow.per_patch_time",)),
    ("+ a quarter of the draws at t = 0", ("flow.zero_time_share",)),
    ("+ null in place of a patch's context", ("flow.guidance_dropout",)),
    ("+ moving average of the weights", ("training.ema",)),
    ("+ VAE in evaluation mode", ("flow.vae_dropout",)),
    (
        "+ unit noise, code dropout, shuffled slides, fixed validation draws = ours",
        ("flow.source", "flow.path_noise", "flow.code_dropout_rate", "training.shuffle", "training.validation"),
    ),
)
SINGLE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("ours, position = grid-2d", {"flow.position": "grid-2d"}),
    ("ours, velocity = attention", {"flow.velocity": "attention"}),
    ("ours, velocity = dense", {"flow.velocity": "dense"}),
    ("ours, PCA in place of the VAE", {"vae.kind": "pca"}),
    ("ours, PCA of 32 components", {"vae.kind": "pca", "vae.latent": 32}),
    ("ours, PCA, velocity = dense", {"vae.kind": "pca", "flow.velocity": "dense"}),
)
OURS = CHANGES[-1][0]
WHOLE = "published recipe, its own widths, rates and epochs"
SHORTER = {"training.vae.epochs": 200, "training.flow.epochs": 400}
MODELS = ("molf", "ridge", "mlp", "depth")
MEASURES = tuple((units, genes) for units in ("log1p", "log1p-cp10k") for genes in ("HVG-50", "panel"))
END = "<!-- end of what the command printed -->"


@dataclass(frozen=True)
class Fold:
    """Sections to train on, to stop by, and to score; ``cut``: the one training section is cut in two instead."""

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    cut: bool = False


def make_folds(sections: Sequence[Section], validation: str) -> list[Fold]:
    """Leave one section out, then one patient."""
    patient = {section.id: section.patient for section in sections}
    judge = patient[validation]
    others = [name for name in patient if name != validation]
    folds = [
        Fold("seen patient", tuple(n for n in others if n != out), (validation,), (out,))
        for out in others
        if patient[out] == judge
    ]
    for out in sorted(set(patient.values())):
        train = tuple(n for n in patient if patient[n] != out and n != validation)
        test = tuple(n for n in patient if patient[n] == out)
        cut = out == judge
        if cut and len(train) > 1:
            folds.append(Fold(f"patient {_short(out)}", train[:-1], train[-1:], test))
        else:
            folds.append(Fold(f"patient {_short(out)}", train, train if cut else (validation,), test, cut))
    return folds


def _short(patient: str) -> str:
    return patient.rpartition("_")[2]


def variants(whole: bool = True) -> list[tuple[str, dict[str, Any]]]:
    """Every recipe that is trained: its name, and the settings in which it departs from the settings file.

    ``whole``: also the published recipe at its own size, which takes some minutes for each fold.
    """
    published = published_settings()
    left = {name: published[name] for _, names in CHANGES for name in names}
    result = [("published recipe", dict(left))]
    for name, settings in CHANGES:
        left = {key: value for key, value in left.items() if key not in settings}
        result.append((name, dict(left)))
    if whole:
        result.insert(1, (WHOLE, published))
    return [*result, *SINGLE]


def published_settings() -> dict[str, Any]:
    """Settings of configs/published.toml by their dotted names."""
    values = read_settings(Path(__file__).parents[1] / "configs" / "published.toml")
    flat: dict[str, Any] = {}

    def walk(table: dict[str, Any], prefix: str) -> None:
        for key, value in table.items():
            if isinstance(value, dict):
                walk(value, f"{prefix}{key}.")
            elif prefix:
                flat[prefix + key] = value

    walk(values, "")
    return flat


def changed(config: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """Settings with dotted names replaced."""
    values = config.model_dump()
    for name, value in changes.items():
        *path, last = name.split(".")
        place = values
        for part in path:
            place = place[part]
        place[last] = value
    return validate(values)


def halves(slide: Any) -> tuple[Any, Any]:
    """A training slide cut in two at the median of x."""
    import torch

    left = (slide.positions[:, 0] <= slide.positions[:, 0].median()).numpy()
    parts = []
    for name, rows in (("left", left), ("right", ~left)):
        at = torch.from_numpy(np.flatnonzero(rows))
        parts.append(
            replace(
                slide,
                id=f"{slide.id}-{name}",
                features=slide.features[at],
                positions=slide.positions[at],
                targets=slide.targets[at],
                expression=slide.expression.subset(rows),
            )
        )
    return parts[0], parts[1]


def in_units(slide: Any, units: Any) -> Any:
    """A training slide whose targets are in another scale."""
    from molf_engine.training.slides import make_targets

    targets, measured = make_targets(slide.expression, units, depth=units == "log1p-cp10k")
    return replace(slide, targets=targets, measured=measured)


def run_fold(
    config: RunConfig, fold: Fold, seed: int, whole: bool, done: Sequence[dict[str, Any]] = ()
) -> list[dict[str, Any]]:
    """Train and score what is not in ``done`` on one fold: a row for each variant, scored section, scale and gene set."""
    import torch

    from molf_engine.baselines import RIVALS
    from molf_engine.encoders import FeatureCache
    from molf_engine.genes import panel
    from molf_engine.progress import silent
    from molf_engine.training.devices import make_fabric
    from molf_engine.training.networks import train_networks, train_vae
    from molf_engine.training.rivals import fit_rivals
    from molf_engine.training.sections import Roles, cancer_codes, load_slides, prepare_encoder
    from molf_engine.training.writing import gene_statistics

    torch.set_num_threads(1)
    config = changed(config, {"training.seed": seed})
    parts = (fold.train, fold.validation, fold.test)
    roles = Roles(*(tuple(read_hest(config.data.path, part)) for part in parts))
    genes, codes = panel(config.data.panel), cancer_codes(roles)
    rows, known = list(done), {row["what"] for row in done}
    with tempfile.TemporaryDirectory() as folder:
        encoder = prepare_encoder(config, roles, genes, Path(folder), silent)
        slides, held_out, test = (
            load_slides(config, part, genes, codes, encoder, FeatureCache(), silent)
            for part in (roles.train, roles.validation, roles.test)
        )
    if fold.cut:
        slides, held_out = [[part] for part in halves(slides[0])]
    statistics = gene_statistics(slides, genes)
    arrays = fit_rivals(slides, held_out, config)
    names = ("ridge", "mlp", "depth.log1p", "depth.log1p-cp10k")
    rivals = {
        name: RIVALS[name.partition(".")[0]].from_tensors(
            {k.removeprefix(f"{name}."): v for k, v in arrays.items() if k.startswith(f"{name}.")}
        )
        for name in names
    }
    judge = Judge(statistics, rivals, test, config.data.units, fold.name, seed)
    if not known:
        rows += judge.rivals_rows()

    stages: dict[str, Any] = {}
    for name, changes in variants(whole):
        if name in known:
            continue
        variant = changed(config, changes)
        units = variant.data.units
        train_slides, stop_slides = ([in_units(s, units) for s in part] for part in (slides, held_out))
        with tempfile.TemporaryDirectory() as folder:
            fabric = make_fabric(variant.training)
            # Variants that share stage 1 are compared on the same stage 1.
            key = json.dumps([variant.vae.model_dump(), units, variant.flow.position])
            if key not in stages:
                stages[key] = train_vae(variant, train_slides, stop_slides, Path(folder), fabric, silent)
            networks = train_networks(
                variant, train_slides, stop_slides, codes, Path(folder), fabric, silent, stage_one=stages[key]
            )
        rows += judge.network_rows(name, variant, networks, extra=name == OURS)
    return rows


def summary(rows: pd.DataFrame) -> str:
    """Markdown table: mean over sections, then mean and spread over seeds."""
    order = [*MODELS[1:], *(name for name, _ in variants(WHOLE in set(rows["what"])))]
    order[order.index(OURS) + 1 : order.index(OURS) + 1] = [w for w in dict.fromkeys(rows["what"]) if w not in order]
    folds = list(dict.fromkeys(rows["fold"]))
    by_seed = rows.groupby(["what", "fold", "units", "genes", "seed"])["pcc"].mean()
    groups = by_seed.groupby(["what", "fold", "units", "genes"])
    mean, spread = groups.mean(), groups.std(ddof=1)
    lines = []
    for fold in folds:
        n = rows[rows["fold"] == fold].drop_duplicates("section")["spots"]
        lines += [
            f"### {fold[0].upper()}{fold[1:]}: {len(n)} section{'s' if len(n) > 1 else ''}, {n.sum()} spots",
            "",
            "| | " + " | ".join(f"{units} {genes}" for units, genes in MEASURES) + " |",
            "|" + " --- |" * (1 + len(MEASURES)),
        ]
        for what in order:
            cells = []
            for measure in MEASURES:
                value, error = mean[(what, fold, *measure)], spread[(what, fold, *measure)]
                cells.append(
                    f"{value:.3f}" + (f" ± {error:.3f}" if np.isfinite(error) and what not in MODELS[1::2] else "")
                )
            lines.append(f"| {what} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def write(path: Path, text: str) -> None:
    """Write the page; what a person has added below the mark stays."""
    old = path.read_text(encoding="utf-8").partition(END)[2] if path.is_file() else "\n"
    with atomic_path(path) as beside:
        beside.write_text(f"{text}\n{END}{old}", encoding="utf-8")


def main() -> None:
    """Train every fold and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("ablation-work"), help="folder that keeps finished folds")
    parser.add_argument(
        "--whole",
        action="store_true",
        help="also configs/published.toml whole, with the first seed: minutes more for each fold",
    )
    parser.add_argument("-o", "--output", type=Path)
    arguments = parser.parse_args()
    began = time.perf_counter()
    config = changed(validate(read_settings(arguments.config)), {"data.path": arguments.data.resolve(), **SHORTER})
    wanted = (*config.data.sections, *config.data.validation)
    folds = make_folds(read_hest(arguments.data, wanted), config.data.validation[0])
    config = changed(config, {"data.test": ()})
    arguments.work.mkdir(parents=True, exist_ok=True)
    jobs = [(seed, number, fold) for seed in arguments.seeds for number, fold in enumerate(folds)]
    with ProcessPoolExecutor(arguments.workers) as pool:
        waiting = {}
        for seed, number, fold in jobs:
            file = arguments.work / f"seed{seed}-fold{number}.json"
            done = json.loads(file.read_text()) if file.is_file() else []
            whole = arguments.whole and seed == arguments.seeds[0]
            if {name for name, _ in variants(whole)} - {row["what"] for row in done}:
                waiting[pool.submit(run_fold, config, fold, seed, whole, done)] = file
        for job in as_completed(waiting):
            file = waiting[job]
            with atomic_path(file) as beside:
                beside.write_text(json.dumps(job.result()))
            print(f"{file.name}: {time.perf_counter() - began:.0f} s", flush=True)
    rows = pd.DataFrame(
        [
            row
            for seed, number, _ in jobs
            for row in json.loads((arguments.work / f"seed{seed}-fold{number}.json").read_text())
        ]
    )
    seeds = " ".join(map(str, arguments.seeds)) + (" --whole" if WHOLE in set(rows["what"]) else "")
    text = "\n".join(
        [
            "# Accuracy: what each change of the published recipe is worth",
            "",
            f"    $ python benchmarks/ablation.py {arguments.config} DATA --seeds {seeds}",
            "",
            _introduction(config, folds, len(arguments.seeds)),
            "",
            summary(rows),
        ]
    )
    if arguments.output:
        write(arguments.output, text)
    print(text)


def _introduction(config: RunConfig, folds: Sequence[Fold], seeds: int) -> str:
    cut = next((fold for fold in folds if fold.cut), None)
    vae, flow = config.training.vae.epochs, config.training.flow.epochs
    lines = [
        "Mean PCC per gene over the spots of the section that a fold leaves out (Pearson correlation for each gene over the spots of one",
        f"section, mean over genes; sections are never pooled), ± the standard deviation over {seeds} seeds of training. Ridge and",
        "depth-only have no seed. `log1p`: log of one plus the counts, in which tissue density counts; `log1p-cp10k`: each spot scaled to",
        "10,000 counts first. HVG-50: the 50 genes of largest standard deviation over the training spots in that scale. Every network has",
        f"the widths of `{config.name}` and at most {vae} + {flow} epochs: `published recipe` is its choices at our widths and rates.",
        f"Where there is a line `{WHOLE}`, it is configs/published.toml whole, with the first seed alone.",
        "Everything is the conditional mean (one Euler step from z0 = 0) at w = 1 unless the line says otherwise. Rivals were fitted in",
        "each fold on the same rows and the same features.",
        "",
        "Folds: " + "; ".join(f"{f.name}: {', '.join(f.train)} → {', '.join(f.test)}" for f in folds) + ".",
    ]
    if cut:
        lines.append(
            f"For {cut.name} there is one section to learn from: its left half is trained on, its right half decides when to stop."
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()

"""Does a small network trained without labels make a better encoder than the built-in one?  PCC of one ridge.

    python benchmarks/self_supervised.py DATA_FOLDER

The folds, the scales of expression and the ridge are those of ``encoder_comparison.py``; only sections of the role
``train`` are read, and the H&E images of ``DATA_FOLDER/he_only``.  A network (``small_network.py``) is trained for each
fold, on tissue of slides that the fold may see:

- patient X: the other patients' sections, so that X is unseen to the network too;
- section: the half of the patient's sections that the held-out one is not in, which is less than the fold allows, so
  that two networks do for four folds.  These columns are filled for the first network only.

``he_only`` says no um per pixel.  Its images are Visium slides, whose frame of fiducials is 8 mm wide on the outside:
their scale was measured from it, to a few percent, and is printed (``--he-only-um NAME=UM`` overrides).  Left out is
what is more than twice as coarse as the encoder sees, and what is grey: it has no stains.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from encoder_comparison import (
    UNITS,
    Features,
    Fold,
    Sample,
    make_folds,
    read_sample,
    reduced,
    score,
    texture_features,
)
from small_network import Settings, SmallNetwork, Tissue, network_features, train_network
from torch.nn import functional

from molf_engine.data import Section, read_hest, read_split
from molf_engine.encoders.builtin import FIELD_PX, FIELD_UM, FINE_COMPONENTS, statistics_count
from molf_engine.encoders.stain import level_of_overview, overview, stain_maps
from molf_engine.encoders.texture import WINDOWS
from molf_engine.genes import panel
from molf_engine.slides import Slide, open_slide, patch_grid, read_patch

UM_PER_PIXEL = FIELD_UM / FIELD_PX
PATCH_UM = 112.0
HE_ONLY_UM = {
    "human_CRC_cottrazm_aligned_fiducials.jpg": 4.3,
    "human_prostate_normal_10x_lowres.png": 17.5,
    "human_tonsil_cnag.jpg": 2.56,
    "sows2025_visium_hires.png": 4.7,
}


@dataclass(frozen=True)
class Variant:
    """One way to train the network; ``coarser``: it sees this many times the um per pixel."""

    title: str
    settings: Settings
    he_only: bool = True
    coarser: int = 1


def variants(steps: int) -> list[Variant]:
    """Ways of training; the first is trained from several seeds."""
    base = Settings(steps=steps)
    return [
        Variant("as said above", base),
        Variant("stain as it is", replace(base, stain=1.0)),
        Variant("7 um per pixel", replace(base, view_px=48, shift_px=14), coarser=2),
        Variant("without he_only", base, he_only=False),
    ]


def read_tissue(slide: Slide, stride_um: float) -> Tissue:
    """Whole slide at the encoder's um per pixel, with the places of its tissue on a grid."""
    assert slide.um_per_pixel is not None
    factor = slide.um_per_pixel / UM_PER_PIXEL
    width, height = slide.levels[0].width, slide.levels[0].height
    side = max(width, height)
    pixels = round(side * factor)
    image = read_patch(slide, (side / 2, side / 2), pixels * UM_PER_PIXEL, pixels)
    maps = stain_maps(image[: round(height * factor), : round(width * factor)], level_of_overview(overview(slide)))
    centres = patch_grid(slide, PATCH_UM, stride_um=stride_um).centres * factor
    return Tissue(torch.from_numpy(maps), torch.from_numpy(centres).float(), stride_um / UM_PER_PIXEL / 2)


def section_tissue(section: Section) -> Tissue:
    """Tissue of a section, whatever its spots cover."""
    with open_slide(section.slide_path, um_per_pixel=section.um_per_pixel) as slide:
        return read_tissue(slide, PATCH_UM / 2)


def is_grey(image: np.ndarray) -> bool:
    """Whether most of what is not glass in an image ``(h, w, 3)`` has no colour."""
    dark = image[image.mean(axis=-1) < 190].astype(int)
    return bool(np.median(np.ptp(dark, axis=-1)) < 8)


def he_only_tissue(folder: Path, scales: dict[str, float]) -> dict[str, Tissue]:
    """Tissue of the usable images of a folder; says what is used and why the others are not."""
    used = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.name not in scales:
            print(f"  {path.name}: left out, its um per pixel is unknown (--he-only-um)")
            continue
        with open_slide(path, um_per_pixel=scales[path.name]) as slide:
            said = f"  {path.name}: {scales[path.name]:g} um per pixel"
            if scales[path.name] > 2 * UM_PER_PIXEL:
                print(f"{said}, left out: too coarse")
            elif is_grey(overview(slide)):
                print(f"{said}, left out: grey")
            else:
                used[path.name] = read_tissue(slide, PATCH_UM)
                print(f"{said}, {len(used[path.name].centres)} places on tissue")
    return used


def coarsened(tissue: Tissue, factor: int) -> Tissue:
    """Tissue at ``factor`` times the um per pixel."""
    if factor == 1:
        return tissue
    maps = functional.avg_pool2d(tissue.maps, factor)
    return Tissue(maps, tissue.centres / factor, tissue.jitter_px / factor)


def network_sections(fold: Fold) -> tuple[str, ...]:
    """Sections whose tissue the fold's network is trained on; never the held-out one."""
    if fold.question != "section":
        return fold.train
    own = sorted((*fold.train, fold.test))
    halves = own[: len(own) // 2], own[len(own) // 2 :]
    return tuple(halves[0] if fold.test in halves[1] else halves[1])


def train_for_folds(
    variant: Variant, seed: int, folds: Iterable[Fold], tissue: dict[str, Tissue], he_only: dict[str, Tissue]
) -> dict[tuple[str, ...], SmallNetwork]:
    """Train a network for every set of sections that the folds need."""
    networks = {}
    for sections in dict.fromkeys(network_sections(fold) for fold in folds):
        slides = [tissue[name] for name in sections] + (list(he_only.values()) if variant.he_only else [])
        slides = [coarsened(slide, variant.coarser) for slide in slides]
        networks[sections] = train_network(slides, variant.settings, seed)
    return networks


def features_of(network: SmallNetwork, maps: Features, coarser: int, stages: Sequence[int]) -> Features:
    """Pooled answers of a network to the stain maps about the spots of every section."""
    if coarser > 1:
        maps = {name: functional.avg_pool2d(torch.from_numpy(values), coarser).numpy() for name, values in maps.items()}
    return {name: network_features(network, values, WINDOWS, stages) for name, values in maps.items()}


def joined(first: Features, second: Features) -> Features:
    """Features side by side."""
    return {name: np.concatenate([first[name], second[name]], axis=1) for name in first}


class Table:
    """Scores every fold with the features made for it, and prints a row."""

    def __init__(self, samples: dict[str, Sample], folds: Sequence[Fold]) -> None:
        self.samples, self.folds = samples, folds
        self.questions = list(dict.fromkeys(fold.question for fold in folds))

    def head(self) -> None:
        """Print the names of the columns."""
        print(
            f"{'':44s}{'':5s}"
            + "".join(f"{units:^{11 * len(self.questions)}s}" for units in UNITS)
            + f"{'mean of the':>12s}"
        )
        print(
            f"{'features':44s}{'D':>5s}"
            + "".join(f"{question.replace('HER2ST_', ''):>11s}" for _ in UNITS for question in self.questions)
            + f"{'patients':>12s}"
        )

    def counts(self) -> None:
        """Print how many spots are held out, over the folds of each column."""
        held_out = [
            sum(len(self.samples[fold.test].expression) for fold in self.folds if fold.question == question)
            for question in self.questions
        ]
        print(f"{'(held-out spots)':44s}{'':5s}" + "".join(f"{count:11d}" for _ in UNITS for count in held_out))

    def row(self, title: str, prepare: Callable[[Fold], Features], patients_only: bool = False) -> float:
        """Print a row; return the mean of its patient columns."""
        scores: dict[tuple[str, str], list[float]] = {}
        for fold in self.folds:
            if patients_only and fold.question == "section":
                continue
            features = prepare(fold)
            for units in UNITS:
                scores.setdefault((units, fold.question), []).append(score(self.samples, features, fold, units))
        means = {key: float(np.mean(values)) for key, values in scores.items()}
        unseen = float(np.mean([value for (_, question), value in means.items() if question.startswith("patient")]))
        width = features[fold.test].shape[1]
        cells = (
            f"{means[units, question]:11.3f}" if (units, question) in means else f"{'-':>11s}"
            for units in UNITS
            for question in self.questions
        )
        print(f"{title:44s}{width:5d}" + "".join(cells) + f"{unseen:12.3f}", flush=True)
        return unseen


def network_rows(
    table: Table,
    texture: Features,
    answers: dict[tuple[str, ...], Features],
    *,
    full: bool,
    patients_only: bool,
) -> dict[str, float]:
    """Rows of one set of networks, ``answers`` by the sections they were trained on."""
    core = statistics_count()[0]
    cores = {name: values[:, :core] for name, values in texture.items()}

    def own(fold: Fold) -> Features:
        return answers[network_sections(fold)]

    def alone(fold: Fold, components: int) -> Features:
        return reduced(own(fold), fold.train, 0, components)

    def with_core(fold: Fold, components: int) -> Features:
        return reduced(joined(cores, own(fold)), fold.train, core, components)

    def beside(fold: Fold, components: int) -> Features:
        return joined(reduced(texture, fold.train, core, FINE_COMPONENTS), alone(fold, components))

    rows: dict[str, Callable[[Fold], Features]] = {}
    if full:
        rows["  all answers"] = own
    for count in (4, 8, 16) if full else (8,):
        rows[f"  {count} components"] = partial(alone, components=count)
    for count in (2, 4, 8, 16) if full else (2, 4, 8):
        rows[f"  core + {count} components"] = partial(with_core, components=count)
    for count in (4, 8) if full else (4,):
        rows[f"  built-in and {count} components"] = partial(beside, components=count)
    return {title.strip(): table.row(title, prepare, patients_only) for title, prepare in rows.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", help="FILE:ROLE; default DATA/splits.json:train")
    parser.add_argument("--panel", default="molf-1386")
    parser.add_argument("--min-counts", type=float, default=100)
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--seeds", type=int, default=3, help="of the first network")
    parser.add_argument("--he-only-um", nargs="*", default=[], metavar="NAME=UM", help="scale of an image of he_only")
    arguments = parser.parse_args()
    file, _, role = (arguments.split or f"{arguments.data / 'splits.json'}:train").rpartition(":")
    began, training, trained_networks = time.perf_counter(), 0.0, 0
    torch.set_num_threads(1)
    genes = panel(arguments.panel)
    sections = read_hest(arguments.data, read_split(Path(file), role))
    print(
        f"panel {arguments.panel}, ridge, mean PCC over the panel genes measured in both;"
        f" spots of at least {arguments.min_counts:g} counts"
    )
    samples, tissue = {}, {}
    for section in sections:
        samples[section.id] = sample = read_sample(section, genes, arguments.min_counts)
        tissue[section.id] = section_tissue(section)
        print(
            f"  {section.id}: patient {section.patient}, {len(sample.expression)} spots"
            f" ({sample.expression.left_out} left out), {int(sample.expression.measured.sum())} panel genes,"
            f" {len(tissue[section.id].centres)} places on tissue"
        )
    scales = HE_ONLY_UM | {name: float(um) for name, _, um in (given.rpartition("=") for given in arguments.he_only_um)}
    he_only = he_only_tissue(arguments.data / "he_only", scales)
    settings = Settings(steps=arguments.steps)
    print("network: " + ", ".join(f"{name} {value:g}" for name, value in asdict(settings).items()))

    texture = {name: texture_features(sample, "slide") for name, sample in samples.items()}
    maps = {
        name: np.stack([stain_maps(image, sample.level) for image in sample.images[FIELD_PX]])
        for name, sample in samples.items()
    }
    core = statistics_count()[0]
    folds = make_folds(list(samples.values()))
    strangers = [fold for fold in folds if fold.question != "section"]
    table = Table(samples, folds)
    print()
    table.head()
    table.counts()
    table.row("core only", lambda fold: {name: values[:, :core] for name, values in texture.items()})
    fine = {
        count: table.row(
            f"{'built-in: ' if count == FINE_COMPONENTS else '  '}core + {count} of the fine statistics",
            partial(lambda fold, count: reduced(texture, fold.train, core, count), count=count),
        )
        for count in (2, 4, FINE_COMPONENTS)
    }
    builtin = fine[FINE_COMPONENTS]

    every = tuple(range(1, 4))
    torch.manual_seed(0)
    untrained = features_of(SmallNetwork(settings.width).eval(), maps, 1, every)
    print("network, untrained")
    network_rows(
        table, texture, {network_sections(fold): untrained for fold in strangers}, full=False, patients_only=True
    )
    by_seed: dict[str, list[float]] = {}
    for number, variant in enumerate(variants(arguments.steps)):
        for seed in range(arguments.seeds if number == 0 else 1):
            first = number == 0 and seed == 0
            start = time.process_time()
            networks = train_for_folds(variant, seed, folds if first else strangers, tissue, he_only)
            training += time.process_time() - start
            trained_networks += len(networks)
            print(f"network, {variant.title}, seed {seed}")
            answers = {
                trained: features_of(network, maps, variant.coarser, every) for trained, network in networks.items()
            }
            means = network_rows(table, texture, answers, full=first, patients_only=not first)
            if number == 0:
                for title, mean in means.items():
                    by_seed.setdefault(title, []).append(mean)
            if first:
                print("network, last stage alone, seed 0")
                answers = {trained: features_of(network, maps, 1, (3,)) for trained, network in networks.items()}
                network_rows(table, texture, answers, full=False, patients_only=True)

    print(f"\nmean of the patients, less the built-in's {builtin:.3f}, over seeds of the first network")
    for title, means_of_seeds in by_seed.items():
        if len(means_of_seeds) == arguments.seeds:
            gains = np.array(means_of_seeds) - builtin
            print(f"  {title:42s}{gains.mean():+8.3f}   ({gains.min():+.3f} to {gains.max():+.3f})")
    print(
        f"\n{time.perf_counter() - began:.0f} s, {time.process_time():.0f} s of one core, of which {training:.0f} s for"
        f" the training of {trained_networks} networks"
    )


if __name__ == "__main__":
    main()

"""Which statistics make the best built-in encoder: PCC of one ridge on training sections.

    python benchmarks/encoder_comparison.py DATA_FOLDER

DATA_FOLDER is a HEST-layout folder, or a folder of several, with ``splits.json`` in it; only the sections of its
role ``train`` are read. Every encoder is fitted on the sections that the ridge is fitted on.  Three questions, each
under two scales of expression:

- section: one section of a patient from the patient's others (mean over the sections);
- patient X: all sections of patient X from all other patients' sections (mean over the sections).

A second table stains the held-out slides anew (weaker, stronger, yellowish glass), to see what measuring a slide's
white and stain strength is good for.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from scattering import scattering

from molf_engine.baselines import Ridge
from molf_engine.data import Expression, Section, load_expression, read_hest, read_split
from molf_engine.encoders.builtin import FIELD_PX, FIELD_UM, fit_projection, image_statistics, statistics_count
from molf_engine.encoders.stain import StainLevel, level_of_overview, overview, stain_maps
from molf_engine.encoders.texture import WINDOWS
from molf_engine.evaluation.metrics import mean_finite, pcc
from molf_engine.genes import panel
from molf_engine.slides import open_slide, read_patch

UNITS = ("log1p", "log1p-cp10k")
FINE_PX = 224
STAINS = {
    "as it is": (1.0, (255, 255, 255)),
    "weaker": (0.7, (255, 255, 255)),
    "stronger": (1.3, (255, 255, 255)),
    "yellowish": (1.0, (245, 235, 205)),
}
Features = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One section: expression of S spots, their images by size, and the slide's stain level."""

    section: Section
    expression: Expression
    images: dict[int, np.ndarray]
    overview: np.ndarray

    @property
    def level(self) -> StainLevel:
        """White and stain strength of the slide."""
        return level_of_overview(self.overview)


@dataclass(frozen=True)
class Fold:
    """Train on some sections, score one."""

    question: str
    train: tuple[str, ...]
    test: str


def read_sample(section: Section, genes: tuple[str, ...], min_counts: float) -> Sample:
    """Read a section's expression and the images about its spots."""
    expression = load_expression(section, genes, min_counts)
    with open_slide(section.slide_path, um_per_pixel=section.um_per_pixel) as slide:
        images = {
            pixels: np.stack([read_patch(slide, centre, FIELD_UM, pixels) for centre in expression.positions])
            for pixels in (FIELD_PX, FINE_PX)
        }
        return Sample(section, expression, images, overview(slide))


def make_folds(samples: Sequence[Sample]) -> list[Fold]:
    """Leave one section of a patient out, then leave one patient out."""
    patients = sorted({sample.section.patient for sample in samples})
    sections, strangers = [], []
    for patient in patients:
        own = [sample.section.id for sample in samples if sample.section.patient == patient]
        others = tuple(sample.section.id for sample in samples if sample.section.patient != patient)
        if len(own) > 1:
            sections += [Fold("section", tuple(name for name in own if name != test), test) for test in own]
        strangers += [Fold(f"patient {patient}", others, test) for test in own]
    return sections + strangers


def restained(sample: Sample, strength: float, white: tuple[int, int, int]) -> Sample:
    """Return the sample with every optical density times ``strength``, on glass of another colour."""
    values = (np.arange(256)[:, None] + 1) / 256
    table = np.clip(np.round(values**strength * np.array(white)), 0, 255).astype(np.uint8)

    def stain(image: np.ndarray) -> np.ndarray:
        return np.stack([table[image[..., channel], channel] for channel in range(3)], axis=-1)

    return replace(
        sample,
        images={pixels: stain(images) for pixels, images in sample.images.items()},
        overview=stain(sample.overview),
    )


def normalised(level: StainLevel, how: str) -> StainLevel:
    """Stain level used: ``none``, the slide's ``white`` alone, or its ``slide`` level whole."""
    match how:
        case "none":
            return StainLevel()
        case "white":
            return replace(level, strength=1.0)
        case _:
            return level


def texture_features(sample: Sample, how: str, pixels: int = FIELD_PX) -> np.ndarray:
    """Core, then fine statistics ``(S, F)``."""
    return image_statistics(sample.images[pixels], normalised(sample.level, how), FIELD_UM / pixels)


def scattering_features(sample: Sample, how: str) -> np.ndarray:
    """Scattering of the haematoxylin and eosin maps ``(S, F)``."""
    level = normalised(sample.level, how)
    with ThreadPoolExecutor(2) as pool:
        return np.stack(
            list(pool.map(lambda image: scattering(stain_maps(image, level)[:2], WINDOWS), sample.images[FIELD_PX]))
        )


def as_is(features: Features, train: Sequence[str]) -> Features:
    """Keep every statistic."""
    return features


def reduced(features: Features, train: Sequence[str], core: int, components: int) -> Features:
    """Keep the first ``core`` statistics, and the others as whitened components of the training sections."""
    project = fit_projection(np.concatenate([features[name] for name in train]), core, components)
    return {name: project(values) for name, values in features.items()}


def score(
    samples: dict[str, Sample], features: Features, fold: Fold, units: str, shown: Features | None = None
) -> float:
    """Mean PCC over the panel genes of the held-out section; the ridge is shown ``shown`` of it, if given."""
    train = [samples[name].expression for name in fold.train]
    test = samples[fold.test].expression
    ridge = Ridge().fit(
        np.concatenate([features[name] for name in fold.train]),
        np.concatenate([part.in_units(units) for part in train]),
        np.concatenate([np.broadcast_to(part.measured, (len(part), len(part.genes))) for part in train]),
        np.log1p(np.concatenate([part.total for part in train])),
    )
    known = np.any([part.measured for part in train], axis=0) & test.measured
    return mean_finite(pcc(ridge.predict((shown or features)[fold.test]), test.in_units(units), known))


def restained_score(
    samples: dict[str, Sample], features: Features, shown: Features, folds: Sequence[Fold], core: int
) -> tuple[float, float]:
    """Mean PCC when the held-out slide is ``shown``, and how far its mean features move (mean absolute, sd)."""
    scores: dict[tuple[str, str], list[float]] = {}
    shifts = []
    for fold in folds:
        project = fit_projection(np.concatenate([features[name] for name in fold.train]), core, 8)
        own, other = ({name: project(values) for name, values in parts.items()} for parts in (features, shown))
        shifts.append(np.abs(other[fold.test].mean(axis=0) - own[fold.test].mean(axis=0)).mean())
        for units in UNITS:
            scores.setdefault((fold.question, units), []).append(score(samples, own, fold, units, other))
    return float(np.mean([np.mean(values) for values in scores.values()])), float(np.mean(shifts))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", help="FILE:ROLE; default DATA/splits.json:train")
    parser.add_argument("--panel", default="molf-1386")
    parser.add_argument("--min-counts", type=float, default=100)
    arguments = parser.parse_args()
    file, _, role = (arguments.split or f"{arguments.data / 'splits.json'}:train").rpartition(":")
    genes = panel(arguments.panel)
    samples = {
        section.id: read_sample(section, genes, arguments.min_counts)
        for section in read_hest(arguments.data, read_split(Path(file), role))
    }
    folds = make_folds(list(samples.values()))
    questions = list(dict.fromkeys(fold.question for fold in folds))
    print(
        f"panel {arguments.panel}, ridge, mean PCC over the panel genes measured in both;"
        f" spots of at least {arguments.min_counts:g} counts"
    )
    for sample in samples.values():
        expression = sample.expression
        print(
            f"  {expression.section_id}: patient {sample.section.patient}, {len(expression)} spots"
            f" ({expression.left_out} left out), {int(expression.measured.sum())} panel genes,"
            f" white {[round(value) for value in sample.level.white]}, stain strength {sample.level.strength:.2f}"
        )
    core = statistics_count()[0]
    print()
    print(f"{'':44s}{'':5s}" + "".join(f"{units:^{11 * len(questions)}s}" for units in UNITS) + f"{'mean of the':>12s}")
    print(
        f"{'statistics':44s}{'D':>5s}"
        + "".join(f"{question.replace('HER2ST_', ''):>11s}" for _ in UNITS for question in questions)
        + f"{'patients':>12s}"
    )

    def row(title: str, features: Features, prepare: Callable[[Features, Sequence[str]], Features] = as_is) -> None:
        scores: dict[tuple[str, str], list[float]] = {
            (units, question): [] for units in UNITS for question in questions
        }
        for fold in folds:
            prepared = prepare(features, fold.train)
            for units in UNITS:
                scores[units, fold.question].append(score(samples, prepared, fold, units))
        means = {key: float(np.mean(values)) for key, values in scores.items()}
        unseen = float(np.mean([value for (_, question), value in means.items() if question.startswith("patient")]))
        width = next(iter(prepared.values())).shape[1]
        print(
            f"{title:44s}{width:5d}" + "".join(f"{value:11.3f}" for value in means.values()) + f"{unseen:12.3f}",
            flush=True,
        )

    began = time.perf_counter()
    kept = {}
    for how in ("none", "white", "slide"):
        texture = {name: texture_features(sample, how) for name, sample in samples.items()}
        kept[how] = texture
        row(f"colour + texture, {how}", texture)
        row(f"  core only, {how}", {name: values[:, :core] for name, values in texture.items()})
        row(f"  core + 8 components of the rest, {how}", texture, partial(reduced, core=core, components=8))
    row("  core + 16 components of the rest, slide", texture, partial(reduced, core=core, components=16))
    row("  core + 32 components of the rest, slide", texture, partial(reduced, core=core, components=32))
    row("  64 whitened components of all, slide", texture, partial(reduced, core=0, components=64))
    per_window = core // len(WINDOWS)
    for number, share in enumerate(WINDOWS):
        row(
            f"  core of the {FIELD_UM * share:g} um square alone, slide",
            {name: values[:, number * per_window : (number + 1) * per_window] for name, values in texture.items()},
        )
    fine_scale = {name: texture_features(sample, "slide", FINE_PX) for name, sample in samples.items()}
    row(
        f"  core + 8 at {FIELD_UM / FINE_PX:g} um per pixel, slide",
        fine_scale,
        partial(reduced, core=core, components=8),
    )
    for how in ("none", "slide"):
        bank = {name: scattering_features(sample, how) for name, sample in samples.items()}
        row(f"scattering, {how}", bank)
    row("  8 whitened components, slide", bank, partial(reduced, core=0, components=8))
    row("  64 whitened components, slide", bank, partial(reduced, core=0, components=64))
    both = {name: np.concatenate([texture[name], bank[name]], axis=1) for name in samples}
    row("colour + texture and scattering, slide", both)
    row("  core + 8 components of all the rest, slide", both, partial(reduced, core=core, components=8))
    print("\nnone: white 255; white: the slide's own white; slide: its white and stain strength.")

    print(
        "\ncore + 8, where the held-out slide is stained anew:"
        " PCC (mean of both scales), and how far its mean features move (training sd)"
    )
    print(f"{'':34s}" + "".join(f"{stain:>16s}" for stain in STAINS))
    for how, texture in kept.items():
        shown = {
            stain: {name: texture_features(restained(sample, *change), how) for name, sample in samples.items()}
            for stain, change in STAINS.items()
        }
        for kind in ("section", "patient"):
            cells = [
                restained_score(
                    samples, texture, again, [fold for fold in folds if fold.question.startswith(kind)], core
                )
                for again in shown.values()
            ]
            print(
                f"{f'{how}: unseen {kind}':34s}"
                + "".join(f"{f'{correlation:.3f} ({moved:.2f})':>16s}" for correlation, moved in cells),
                flush=True,
            )
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()

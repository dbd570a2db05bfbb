"""From sections on disk to training slides: counts, patches, the encoder, features."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.bundle.latents import centred
from molf_engine.config import RunConfig
from molf_engine.data import Section, load_expression, read_hest
from molf_engine.data.sections import open_section
from molf_engine.encoders import Encoder, FeatureCache, encode_patches, fit_builtin, load_encoder, save_encoder
from molf_engine.errors import ConfigError
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.slides import patches_at
from molf_engine.training.slides import TrainingSlide, make_targets


@dataclass(frozen=True)
class Roles:
    """Sections by what they are for."""

    train: tuple[Section, ...]
    validation: tuple[Section, ...]
    test: tuple[Section, ...]


def read_roles(config: RunConfig) -> Roles:
    """Find the sections of a run.

    Raises
    ------
    ConfigError
        If no data folder is named, nothing is left to train on, or nothing is held out.
    """
    data = config.data
    if config.encoder.name != "builtin":
        raise ConfigError(f"The encoder {config.encoder.name!r} is unknown. Known: builtin.")
    if data.path is None:
        raise ConfigError(
            "No data: name a HEST-layout folder with --data, or as `path` under [data] in the settings file."
        )
    overlap = set(data.test) & (set(data.sections) | set(data.validation))
    if overlap:
        raise ConfigError(f"data.test names sections that training sees: {', '.join(sorted(overlap))}.")
    wanted = data.sections and (*data.sections, *(s for s in data.validation if s not in data.sections))
    sections = [section for section in read_hest(data.path, wanted) if section.id not in data.test]
    held_out = tuple(section for section in sections if section.id in data.validation)
    train = tuple(section for section in sections if section.id not in data.validation)
    missing = set(data.validation) - {section.id for section in held_out}
    if missing or not held_out:
        known = ", ".join(section.id for section in sections)
        what = f"names {', '.join(sorted(missing))}, which {data.path} does not have" if missing else "is empty"
        raise ConfigError(f"data.validation {what}. Sections held out there decide when to stop; choose from: {known}.")
    if not train:
        raise ConfigError("Every section is held out for validation: none is left to train on.")
    return Roles(train, held_out, tuple(read_hest(data.path, data.test)) if data.test else ())


def cancer_codes(roles: Roles) -> tuple[str, ...]:
    """Codes of the training sections, sorted, then `Unknown`."""
    return (*sorted({section.code for section in roles.train} - {UNKNOWN_CODE}), UNKNOWN_CODE)


def prepare_encoder(
    config: RunConfig,
    roles: Roles,
    genes: tuple[str, ...],
    folder: Path,
    progress: ProgressCallback,
    start: Bundle | None = None,
) -> Encoder:
    """The run's encoder, kept in ``folder``: that of ``start``, or the built-in one fitted on patches of the training sections."""
    target = folder / "encoder"
    if start is not None and not target.is_dir():
        save_encoder(start.encoder(), target)
    if not target.is_dir():
        with ExitStack() as opened:
            samples = []
            for section in roles.train:
                expression = load_expression(section, genes, config.data.min_counts)
                slide = opened.enter_context(open_section(section))
                samples.append((slide, patches_at(slide, expression.positions, config.patch.size_um, expression.names)))
            save_encoder(fit_builtin(samples, seed=config.training.seed, progress=progress), target)
    return load_encoder(target)


def load_slides(
    config: RunConfig,
    sections: Sequence[Section],
    genes: tuple[str, ...],
    codes: Sequence[str],
    encoder: Encoder,
    cache: FeatureCache | None,
    progress: ProgressCallback,
) -> list[TrainingSlide]:
    """Counts and features of sections, spots with an unreadable patch left out."""
    slides = []
    for section in sections:
        expression = load_expression(section, genes, config.data.min_counts)
        with open_section(section) as slide:
            patches = patches_at(slide, expression.positions, config.patch.size_um, expression.names)
            features = encode_patches(
                slide,
                patches,
                encoder,
                cache=cache,
                progress=lambda report, name=section.id: progress(  # type: ignore[misc]
                    Progress(f"{report.phase} of {name}", report.done, report.total, report.unit)
                ),
            )
        readable = np.isfinite(features).all(axis=1)
        expression = expression.subset(readable)
        targets, measured = make_targets(expression, config.data.units, depth=config.data.units == "log1p-cp10k")
        slides.append(
            TrainingSlide(
                section.id,
                section.patient,
                torch.from_numpy(features[readable]),
                torch.from_numpy(centred(patches.positions_um[readable])),
                targets,
                measured,
                codes.index(section.code if section.code in codes else UNKNOWN_CODE),
                expression,
                patches.um_per_pixel,
            )
        )
    return slides

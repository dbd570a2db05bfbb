"""From a folder or a corpus to training slides: which sections, their encoder, counts and features."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from molf_engine.bundle import UNKNOWN_CODE, Bundle
from molf_engine.bundle.latents import centred
from molf_engine.config import RunConfig
from molf_engine.data import Section, load_expression, read_hest
from molf_engine.data.corpus import Corpus, is_corpus
from molf_engine.data.panels import panel_of
from molf_engine.data.sections import open_section
from molf_engine.data.spots import FolderSpots, SpotSource
from molf_engine.encoders import Encoder, FeatureCache, fit_builtin, load_encoder, open_encoder, save_encoder
from molf_engine.errors import ConfigError
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.slides import patches_at
from molf_engine.training.feeding import SlideFeed
from molf_engine.training.slides import TrainingSlide, make_targets

BUILTIN = "builtin"
CORPUS_PANEL = "corpus"


@dataclass(frozen=True)
class Roles:
    """Sections by what they are for."""

    train: tuple[Section, ...]
    validation: tuple[Section, ...]
    test: tuple[Section, ...]


def open_corpus(config: RunConfig) -> Corpus | None:
    """The prepared corpus that a run reads; none where it reads a folder.

    Raises
    ------
    ConfigError
        If no data are named, or the corpus was prepared with other patches.
    """
    path = config.data.path
    if path is None:
        raise ConfigError(
            "No data: name a HEST-layout folder or a prepared corpus with --data, or as `path` under [data] in the settings file."
        )
    if not is_corpus(path):
        return None
    corpus = Corpus.open(path)
    if corpus.patch_um != config.patch.size_um:
        raise ConfigError(
            f"{path} was prepared with patches of {corpus.patch_um:g} um, the settings say {config.patch.size_um:g} um. "
            f"Set patch.size_um to {corpus.patch_um:g}, or prepare the corpus again with --patch-um."
        )
    return corpus


def read_roles(config: RunConfig, corpus: Corpus | None = None) -> Roles:
    """Find the sections of a run.

    Raises
    ------
    ConfigError
        If nothing is left to train on, or nothing is held out.
    """
    data = config.data
    assert data.path is not None

    def find(ids: Sequence[str] = ()) -> list[Section]:
        assert data.path is not None
        return corpus.sections(ids) if corpus is not None else read_hest(data.path, ids)

    overlap = set(data.test) & (set(data.sections) | set(data.validation))
    if overlap:
        raise ConfigError(f"data.test names sections that training sees: {', '.join(sorted(overlap))}.")
    wanted = data.sections and (*data.sections, *(s for s in data.validation if s not in data.sections))
    sections = [section for section in find(wanted) if section.id not in data.test]
    held_out = tuple(section for section in sections if section.id in data.validation)
    train = tuple(section for section in sections if section.id not in data.validation)
    missing = set(data.validation) - {section.id for section in held_out}
    if missing or not held_out:
        known = ", ".join(section.id for section in sections)
        what = f"names {', '.join(sorted(missing))}, which {data.path} does not have" if missing else "is empty"
        raise ConfigError(f"data.validation {what}. Sections held out there decide when to stop; choose from: {known}.")
    if not train:
        raise ConfigError("Every section is held out for validation: none is left to train on.")
    return Roles(train, held_out, tuple(find(data.test)) if data.test else ())


def run_panel(config: RunConfig, roles: Roles, corpus: Corpus | None) -> tuple[str, ...]:
    """The genes of a run: a panel by name, one chosen on the training sections, or all that the corpus holds."""
    if config.data.panel == CORPUS_PANEL:
        if corpus is None:
            raise ConfigError(
                f"The panel {CORPUS_PANEL!r} is that of a prepared corpus, and {config.data.path} is none."
            )
        return corpus.genes
    return panel_of(config.data.panel, roles.train)


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
    corpus: Corpus | None = None,
) -> Encoder | None:
    """The run's encoder, kept in ``folder``.

    That of the corpus or of ``start``; a foundation encoder by name; or the built-in one, fitted on patches of the training sections.
    None where features were made elsewhere.
    """
    if corpus is not None:
        return load_encoder(corpus.encoder_folder) if corpus.encoder_folder is not None else None
    if config.data.features is not None:
        return None
    target = folder / "encoder"
    if not target.is_dir():
        save_encoder(_new_encoder(config, roles, genes, progress, start), target)
    return load_encoder(target)


def _new_encoder(
    config: RunConfig, roles: Roles, genes: tuple[str, ...], progress: ProgressCallback, start: Bundle | None
) -> Encoder:
    if start is not None:
        return start.encoder()
    if config.encoder.name != BUILTIN:
        return open_encoder(config.encoder.name)
    with ExitStack() as opened:
        samples = []
        for section in roles.train:
            expression = load_expression(section, genes, config.data.min_counts)
            slide = opened.enter_context(open_section(section))
            samples.append((slide, patches_at(slide, expression.positions, config.patch.size_um, expression.names)))
        return fit_builtin(samples, seed=config.training.seed, progress=progress)


def spot_source(
    config: RunConfig, encoder: Encoder | None, cache: FeatureCache | None, corpus: Corpus | None = None
) -> SpotSource:
    """Where the spots of a run come from."""
    if corpus is not None:
        return corpus
    data = config.data
    assert data.path is not None
    if data.features is not None and config.encoder.name == BUILTIN:
        raise ConfigError(
            "data.features are of another encoder than the built-in one: name it as encoder.name, for example uni2-h."
        )
    return FolderSpots(
        data.path,
        config.patch.size_um,
        encoder=encoder,
        features=data.features,
        name=config.encoder.name,
        cache=cache,
    )


def feed(
    config: RunConfig,
    source: SpotSource,
    sections: Sequence[Section],
    genes: tuple[str, ...],
    codes: Sequence[str],
    progress: ProgressCallback,
    device: torch.device | None = None,
) -> SlideFeed:
    """Training slides of sections, spots with an unreadable patch left out.

    Those of a corpus are read when they are asked for, and kept up to ``training.keep_gb``; those of a folder, which are encoded
    here, are all read now and kept.
    """

    def read(index: int) -> TrainingSlide:
        section = sections[index]
        return training_slide(config, source, section, genes, codes, lambda report: progress(_of(report, section.id)))

    device = device or torch.device("cpu")
    if isinstance(source, Corpus):
        return SlideFeed(read, len(sections), device, config.training.keep_gb * 2**30)
    slides = SlideFeed(read, len(sections), device)
    for index in range(len(sections)):
        slides[index]
    return slides


def training_slide(
    config: RunConfig,
    source: SpotSource,
    section: Section,
    genes: tuple[str, ...],
    codes: Sequence[str],
    progress: ProgressCallback,
) -> TrainingSlide:
    """One section as tensors."""
    spots = source.read(section, genes, config.data.min_counts, progress=progress)
    targets, measured = make_targets(spots.expression, config.data.units, depth=config.data.units == "log1p-cp10k")
    return TrainingSlide(
        section.id,
        section.patient,
        torch.from_numpy(spots.features),
        torch.from_numpy(centred(spots.positions_um)),
        targets,
        measured,
        codes.index(section.code if section.code in codes else UNKNOWN_CODE),
        spots.expression,
        spots.um_per_pixel,
    )


def _of(report: Progress, section: str) -> Progress:
    return Progress(f"{report.phase} of {section}", report.done, report.total, report.unit)

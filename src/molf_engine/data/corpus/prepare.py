"""From a HEST-layout folder to a corpus, one section at a time, so that a killed run goes on where it was."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine import __version__
from molf_engine.data.corpus.fitting import fit_to
from molf_engine.data.corpus.inputs import Source, only_told_otherwise, unchanged
from molf_engine.data.corpus.layout import (
    COMPLETE,
    ENCODER,
    FORMAT,
    GROUP,
    LOCK,
    PARTIAL,
    SCHEMA_VERSION,
    SECTIONS,
    UNFINISHED,
    attributes,
    is_corpus,
    panel_digest,
    read_root,
    write_group,
)
from molf_engine.data.corpus.lock import only_writer
from molf_engine.data.corpus.measure import Measured, Recipe, measure
from molf_engine.data.corpus.pace import Pace
from molf_engine.data.corpus.reading import Corpus, Failure
from molf_engine.data.corpus.writing import remove_partial, section_record, write_section
from molf_engine.encoders import Encoder, FeatureCache, load_encoder, save_encoder
from molf_engine.errors import ConfigError, DataError, MolfError
from molf_engine.files import writing_to
from molf_engine.progress import ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncoderChoice:
    """Where features come from: an encoder, the built-in one fitted on some sections, or a folder of features made elsewhere."""

    encoder: Encoder | None = None
    fit_on: tuple[str, ...] = ()
    """Ids of the sections that the built-in encoder is fitted on; none: all that are prepared."""
    features: Path | None = None
    """Folder with ``<id>.h5``, ``.pt`` or ``.npy``."""
    name: str = ""
    """Name of the encoder that made ``features``."""

    @property
    def request(self) -> dict[str, Any]:
        """What has to be the same when a corpus is gone on with."""
        if self.features is not None:
            return {"features made elsewhere by": self.name}
        if self.encoder is not None:
            return {"name": self.encoder.name}
        return {"builtin fitted on": sorted(self.fit_on) or "all sections"}


@dataclass(frozen=True)
class Report:
    """What :func:`prepare_corpus` did."""

    corpus: Corpus
    prepared: tuple[str, ...]
    """Sections that were prepared now."""
    kept: tuple[str, ...]
    """Sections that were there already, unchanged."""
    failures: tuple[Failure, ...]
    notes: Mapping[str, tuple[str, ...]]
    """What a user should know about a section."""
    patches: int
    """How many were encoded or read now."""
    seconds: float
    """In all, with fitting the encoder."""
    section_seconds: float
    """Of that, reading, encoding and writing sections."""


@dataclass
class _Root:
    """The attributes of a corpus while it is prepared."""

    path: Path
    values: dict[str, Any] = field(default_factory=dict)

    def save(self) -> None:
        write_group(self.path, self.values)


def prepare_corpus(
    sources: Sequence[Source],
    path: Path | str,
    recipe: Recipe,
    choice: EncoderChoice,
    *,
    cache: FeatureCache | None = None,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> Report:
    """Prepare sections into a corpus, or go on with one that was begun.

    A section that is there and whose files did not change is kept.  A broken one is left out and named in the report and in the
    corpus.

    Parameters
    ----------
    sources
        From :func:`~molf_engine.data.corpus.inputs.find_sources`.
    path
        Folder of the corpus.
    recipe
        Panel, patches and numbers.
    choice
        Where features come from.
    cache
        Keeps the features of a section that is not finished.
    overwrite
        Remove a corpus that is there and begin again.
    progress
        Told the patches of each section and, in its unit, how far all of it is; it may raise
        :class:`~molf_engine.errors.Cancelled`.

    Raises
    ------
    DataError
        If not one section can be prepared, or ``path`` holds something else.
    ConfigError
        If the corpus there was prepared otherwise.
    MolfError
        If another process prepares it, the disk is full or the folder cannot be written.
    """
    path = Path(path)
    began = time.monotonic()
    _check_place(path)
    with writing_to(path):
        path.mkdir(parents=True, exist_ok=True)
        with only_writer(path / LOCK):
            if overwrite:
                _clear(path)
            remove_partial(path)
            root = _begin(path, recipe, choice, sources, progress)
            encoder = choice.encoder
            if encoder is None and root.values["encoder"]["saved"]:
                encoder = load_encoder(path / ENCODER)
            outcome = _run(root, sources, recipe, choice, encoder, cache, progress)
            return _finish(root, outcome, began)


@dataclass
class _Outcome:
    prepared: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    patches: int = 0
    seconds: float = 0.0


def _run(
    root: _Root,
    sources: Sequence[Source],
    recipe: Recipe,
    choice: EncoderChoice,
    encoder: Encoder | None,
    cache: FeatureCache | None,
    progress: ProgressCallback,
) -> _Outcome:
    outcome = _Outcome()
    todo = []
    for source in sources:
        if _is_there(root.path, source):
            outcome.kept.append(source.section.id)
        else:
            todo.append(source)
    began = time.monotonic()
    pace = Pace([source.section for source in todo], progress)
    for source in todo:
        name = source.section.id
        state = source.state()
        try:
            with pace.section(name) as report:
                measured = measure(source, recipe, encoder, features=choice.features, cache=cache, progress=report)
                _check_width(root, measured)
        except MolfError as error:
            logger.info("%s is left out: %s", name, error)
            outcome.failures.append(Failure(name, _reason(error, source, recipe)))
            _remove_section(root.path, name)
            continue
        # Not within the block above: a full disk ends the run, it is no fault of the section.
        write_section(root.path, measured, recipe, state)
        outcome.prepared.append(name)
        outcome.patches += len(measured.features)
        if measured.notes:
            outcome.notes[name] = measured.notes
        # Else it would stay beside the next one until that is read.
        del measured
    outcome.seconds = time.monotonic() - began
    return outcome


def _reason(error: MolfError, source: Source, recipe: Recipe) -> str:
    reason = str(error).removeprefix(f"{source.section.id}: ")
    # What load_expression advises is an argument; here it has the name of an option.
    return f"{reason} That is --orthologs mouse." if "human_symbol" in reason and recipe.symbols is None else reason


def _begin(
    path: Path, recipe: Recipe, choice: EncoderChoice, sources: Sequence[Source], progress: ProgressCallback
) -> _Root:
    """Attributes of the corpus there, if it was prepared likewise, or of a new one with its encoder."""
    if is_corpus(path):
        root = _Root(path, read_root(path))
        other = _other_settings(root, recipe, choice)
        if other and _has_sections(path):
            raise ConfigError(
                f"{path} was prepared with other settings ({', '.join(other)}). Use the same to go on, choose another name, or begin "
                "again with --overwrite."
            )
        if other:
            _clear(path)
    if not is_corpus(path):
        root = _Root(path, _new_root(recipe))
        root.values["encoder"] = _save_encoder(path, recipe, choice, sources, progress)
    root.values["state"] = UNFINISHED
    root.save()
    return root


def _new_root(recipe: Recipe) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "software": f"napari-molf {__version__}",
        "sections": [],
        "failures": [],
        "patch_um": recipe.patch_um,
        "panel": {"name": recipe.panel, "symbols": list(recipe.genes)},
        "panel_digest": panel_digest(recipe.genes),
        "panel_chosen_on": list(recipe.chosen_on),
        "symbols": recipe.symbols,
        "features_dtype": recipe.features_dtype,
    }


def _save_encoder(
    path: Path, recipe: Recipe, choice: EncoderChoice, sources: Sequence[Source], progress: ProgressCallback
) -> dict[str, Any]:
    """Keep the encoder in the corpus; what the corpus says of it."""
    facts: dict[str, Any] = {"request": choice.request, "fitted_on": None, "saved": False, "width": None}
    if choice.features is not None:
        return {**facts, "name": choice.name}
    encoder = choice.encoder
    if encoder is None:
        chosen = [source for source in sources if not choice.fit_on or source.section.id in choice.fit_on]
        encoder, fitted = fit_to(chosen, recipe, progress=progress)
        facts["fitted_on"] = list(fitted)
    save_encoder(encoder, path / ENCODER)
    return {**facts, "name": encoder.name, "width": encoder.width, "saved": True}


def _other_settings(root: _Root, recipe: Recipe, choice: EncoderChoice) -> list[str]:
    """What the corpus was prepared with otherwise, in words."""
    wanted = {**_new_root(recipe), "encoder": choice.request}
    then = {**root.values, "encoder": root.values["encoder"]["request"]}
    words = {
        "panel": "panel",
        "patch_um": "side of a patch",
        "features_dtype": "type of the features",
        "symbols": "human orthologs",
        "encoder": "encoder",
    }
    return [words[name] for name in words if wanted[name] != then[name]]


def _has_sections(path: Path) -> bool:
    return any((path / SECTIONS).glob(f"*/{GROUP}"))


def _check_width(root: _Root, measured: Measured) -> None:
    """Features made elsewhere are as long as those of the first section."""
    width = int(measured.features.shape[1])
    if root.values["encoder"]["width"] is None:
        root.values["encoder"]["width"] = width
        root.save()
    if root.values["encoder"]["width"] != width:
        raise DataError(
            f"{measured.section.id}: its features have {width} values, those of the other sections "
            f"{root.values['encoder']['width']}. They are of another encoder."
        )


def _is_there(path: Path, source: Source) -> bool:
    """Whether the section is in the corpus as its files are now; what is told about it otherwise is written anew."""
    folder = path / SECTIONS / source.section.id
    try:
        record = attributes(folder)
        now, then = source.state(), record["sources"]
    except (OSError, ValueError, KeyError):
        return False
    if unchanged(now, then):
        return True
    if not only_told_otherwise(now, then):
        return False
    told = {"section": section_record(source.section), "sources": {**then, "metadata": now["metadata"]}}
    write_group(folder, {**record, **told})
    return True


def _remove_section(path: Path, name: str) -> None:
    shutil.rmtree(path / SECTIONS / name, ignore_errors=True)


def _finish(root: _Root, outcome: _Outcome, began: float) -> Report:
    there = [*outcome.kept, *outcome.prepared]
    before = [name for name in root.values["sections"] if name not in there]
    order = sorted({*before, *there}) if before else sorted(there)
    present = [name for name in order if (root.path / SECTIONS / name / GROUP).is_file()]
    if not present:
        reasons = "; ".join(f"{failure.section}: {failure.reason}" for failure in outcome.failures[:3])
        raise DataError(f"Not one of {len(outcome.failures)} sections can be prepared. {reasons}")
    failed = {failure.section for failure in outcome.failures}
    earlier = [item for item in root.values["failures"] if item["section"] not in failed | set(present)]
    root.values["sections"] = present
    root.values["failures"] = [*earlier, *({"section": f.section, "reason": f.reason} for f in outcome.failures)]
    root.values["state"] = COMPLETE
    root.save()
    return Report(
        Corpus.open(root.path),
        tuple(outcome.prepared),
        tuple(outcome.kept),
        tuple(outcome.failures),
        outcome.notes,
        outcome.patches,
        time.monotonic() - began,
        outcome.seconds,
    )


_OURS = {LOCK, PARTIAL, ENCODER, SECTIONS, GROUP}


def _check_place(path: Path) -> None:
    """Refuse to write into a folder that holds something else; what a killed run left behind is ours."""
    if not path.exists() or is_corpus(path):
        return
    if not path.is_dir() or any(child.name not in _OURS and not child.name.startswith(".") for child in path.iterdir()):
        raise DataError(f"{path} exists and is no corpus. Choose another name.")


def _clear(path: Path) -> None:
    # The attributes go first: a corpus that is half removed is none.
    (path / GROUP).unlink(missing_ok=True)
    for name in (SECTIONS, ENCODER):
        shutil.rmtree(path / name, ignore_errors=True)

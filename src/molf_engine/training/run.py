"""A whole training run: from sections to a bundle.

Everything on the way is kept in a working folder beside the bundle; a run that was interrupted and is started again with the same
settings goes on from there.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from molf_engine import __version__
from molf_engine.baselines import MLP, DepthOnly, Ridge
from molf_engine.bundle import UNKNOWN_CODE, Bundle, BundleConfig, Patient
from molf_engine.bundle.bundle import write_json, write_tensors
from molf_engine.bundle.networks import state_arrays
from molf_engine.bundle.reference import FeatureReference
from molf_engine.config import RunConfig
from molf_engine.data.sections import UNKNOWN
from molf_engine.encoders import Encoder, FeatureCache, save_encoder
from molf_engine.errors import ConfigError
from molf_engine.evaluation.scoring import (
    PROTOCOL,
    SectionScores,
    as_records,
    mean_pcc_per_gene,
    predict_models,
    role_of,
    score_section,
    table,
)
from molf_engine.files import atomic_path, make_parent, refuse_existing
from molf_engine.genes import panel
from molf_engine.genes.units import UNITS
from molf_engine.nn.vae import GeneVAE
from molf_engine.nn.velocity import VelocityField
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.training.card import card
from molf_engine.training.guidance import Measures, choose_guidance, measure_scales
from molf_engine.training.loop import Record, draw_curves, train_stage, write_curves
from molf_engine.training.sections import Roles, cancer_codes, load_slides, prepare_encoder, read_roles
from molf_engine.training.slides import TrainingSlide
from molf_engine.training.stages import flow_stage, vae_stage

_log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    output: Path,
    *,
    cache: FeatureCache | None = None,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> Bundle:
    """Train both stages and the rivals, choose the guidance scale, score, and write the bundle ``output``.

    Parameters
    ----------
    config : RunConfig
        All settings.
    output : Path
        Folder of the new bundle.  While training runs, ``output`` with `.training` appended holds its state.
    cache : FeatureCache, optional
        Keeps features of slides between runs.
    overwrite : bool
        Replace an existing bundle.
    progress : callable
        Told about each phase; may raise ``Cancelled``, after which the same call goes on.

    Raises
    ------
    MolfError
        If the settings, the data or the folder do not allow it.
    """
    output = Path(output)
    refuse_existing(output, overwrite)
    make_parent(output)
    # Everything that can be refused is, before a folder is made.
    roles = read_roles(config)
    device = _device(config.training.device)
    panel(config.data.panel)
    folder = _working_folder(output, config, roles)

    codes = cancer_codes(roles)
    encoder = prepare_encoder(config, roles, folder, progress)
    slides = [s.to(device) for s in load_slides(config, roles.train, codes, encoder, cache, progress)]
    held_out = [s.to(device) for s in load_slides(config, roles.validation, codes, encoder, cache, progress)]

    vae, field, curves = _train_networks(config, slides, held_out, codes, folder, progress)
    progress(Progress("Fitting rivals", 0, 0))
    rivals = fit_rivals(slides, held_out, config)
    test = load_slides(config, roles.test, codes, encoder, cache, progress)

    with atomic_path(output, overwrite=overwrite) as beside:
        beside.mkdir(parents=True)
        _write_model(beside, config, roles, codes, encoder, slides, vae, field, rivals)
        save_encoder(encoder, beside / "encoder")
        write_curves(beside / "curves.csv", curves)
        draw_curves(beside / "curves.png", curves)

        # From here on everything is measured on the weights as they were written, rounded to float16 or not.
        progress(Progress("Choosing guidance", 0, 0))
        written = Bundle.load(beside)
        measures = measure_scales(
            written.velocity(), written.decoder(), _on_cpu(held_out), config.data.units, config.guidance.scales
        )
        guidance = choose_guidance(measures, config.guidance)
        _rewrite(beside, guidance=guidance)

        progress(Progress("Scoring", 0, 0))
        patients = {patient.id for patient in written.config.patients}
        scores = {
            "validation": _score(written, guidance, _on_cpu(held_out), patients),
            "test": _score(written, guidance, test, patients),
        }
        _write_scores(beside, written, scores, measures, guidance)
    shutil.rmtree(folder, ignore_errors=True)
    return Bundle.load(output)


def fit_rivals(
    slides: Sequence[TrainingSlide], held_out: Sequence[TrainingSlide], config: RunConfig
) -> dict[str, np.ndarray]:
    """Ridge, MLP and depth-only on the rows that MoLF learns from; the MLP stops early on MoLF's validation sections.

    Returns
    -------
    dict
        Arrays under ``ridge.``, ``mlp.`` and ``depth.<scale>.``.
    """
    every = [*slides, *held_out]
    features = np.concatenate([s.features.cpu().numpy() for s in every])
    measured = np.concatenate([np.broadcast_to(s.expression.measured, s.expression.counts_log1p.shape) for s in every])
    log_total = np.log(np.concatenate([s.expression.total for s in every]))
    validation = np.concatenate([np.full(len(s.features), place >= len(slides)) for place, s in enumerate(every)])
    targets = {units: np.concatenate([s.expression.in_units(units) for s in every]) for units in UNITS}

    fitted: dict[str, np.ndarray] = {}
    for rival in (Ridge(), MLP()):
        rival.fit(features, targets[config.data.units], measured, log_total, config.training.seed, validation)
        fitted.update({f"{rival.name}.{name}": value for name, value in rival.tensors().items()})
    for units in UNITS:
        depth = DepthOnly().fit(features, targets[units], measured, log_total, config.training.seed, validation)
        fitted.update({f"depth.{units}.{name}": value for name, value in depth.tensors().items()})
    return fitted


def _working_folder(output: Path, config: RunConfig, roles: Roles) -> Path:
    """Folder with the state of an interrupted run, checked to be of the same settings and data; made if there is none."""
    folder = output.with_name(f"{output.name}.training")
    file = folder / "settings.json"
    # What names and describes the model, and what is chosen after training, may change on the way.
    own = json.loads(config.model_dump_json(exclude={"name", "description", "licence", "half", "guidance"}))
    settings = {
        **own,
        "sections": {s.id: [s.code, s.st_path.stat().st_size] for s in (*roles.train, *roles.validation)},
    }
    begun = (folder / "encoder").is_dir()
    if file.is_file() and begun:
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != settings:
            raise ConfigError(
                f"{folder} holds an interrupted run with other settings or data ({_difference(before, settings)}). Use those again "
                "to go on with it, or delete the folder to start anew."
            )
        _log.info("going on with the interrupted run in %s", folder)
    else:
        write_json(file, settings)
    return folder


def _difference(before: object, after: object, name: str = "") -> str:
    """The first setting in which two trees of settings differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            if found := _difference(before.get(key), after.get(key), f"{name}.{key}" if name else str(key)):
                return found
        return ""
    return "" if before == after else f"{name} was {before!r}, is {after!r}"


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"training.device {name!r} cannot be used here: {error}. `molf-engine doctor` lists devices."
        ) from error


def _train_networks(
    config: RunConfig,
    slides: list[TrainingSlide],
    held_out: list[TrainingSlide],
    codes: Sequence[str],
    folder: Path,
    progress: ProgressCallback,
) -> tuple[GeneVAE, VelocityField, dict[str, list[Record]]]:
    training = config.training
    torch.manual_seed(training.seed)
    first = vae_stage(config, slides, held_out)
    curves = {"vae": train_stage(first, slides, training.vae, training, folder, progress)}
    assert isinstance(first.module, GeneVAE)
    torch.manual_seed(training.seed + 1)
    second = flow_stage(config, first.module, slides, held_out, codes, codes.index(UNKNOWN_CODE))
    curves["flow"] = train_stage(second, slides, training.flow, training, folder, progress, ema=training.ema)
    assert isinstance(second.module, VelocityField)
    return first.module, second.module, curves


def _write_model(
    folder: Path,
    config: RunConfig,
    roles: Roles,
    codes: Sequence[str],
    encoder: Encoder,
    slides: Sequence[TrainingSlide],
    vae: GeneVAE,
    field: VelocityField,
    rivals: dict[str, np.ndarray],
) -> None:
    seen = (*roles.train, *roles.validation)
    scales = [slide.um_per_pixel for slide in slides]
    known = [section for section in seen if section.patient != UNKNOWN]
    names = {section.patient: [s.id for s in known if s.patient == section.patient] for section in known}
    described = BundleConfig(
        name=config.name,
        description=config.description,
        licence=config.licence,
        software=f"napari-molf {__version__}",
        units=config.data.units,
        depth=config.data.units == "log1p-cp10k",
        codes=tuple(codes),
        trained_codes=tuple(sorted({section.code for section in roles.train})),
        guidance=1.0,
        guidance_choice=config.guidance,
        patch=config.patch,
        encoder=encoder.name,
        features=encoder.width,
        vae=config.vae,
        flow=config.flow,
        organs=tuple(sorted({section.organ for section in seen})),
        species=tuple(sorted({section.species for section in seen})),
        technologies=tuple(sorted({section.technology for section in seen})),
        patients=tuple(Patient(id=patient, sections=tuple(ids)) for patient, ids in names.items()),
        training_sections=tuple(s.id for s in roles.train),
        validation_sections=tuple(s.id for s in roles.validation),
        test_sections=tuple(s.id for s in roles.test),
        heldout=_heldout(roles),
        um_per_pixel=(min(scales), max(scales)),
        simulated=any(section.species.lower() == "simulated" for section in seen),
        seed=config.training.seed,
        min_counts=config.data.min_counts,
    )
    write_json(folder / "config.json", described.model_dump(mode="json"))
    write_json(folder / "metrics.json", {})
    weights = {**state_arrays(vae, "vae"), **state_arrays(field, "velocity")}
    write_tensors(folder / "model.safetensors", weights, half=config.half)
    write_tensors(folder / "rivals.safetensors", rivals, half=config.half)
    features = np.concatenate([s.features.cpu().numpy() for s in slides])
    write_tensors(folder / "reference.safetensors", FeatureReference.fit(features).tensors(), half=False)
    _gene_table(config, slides).to_csv(folder / "genes.tsv", sep="\t", float_format="%.6g")


def _heldout(roles: Roles) -> str:
    sections = roles.test or roles.validation
    seen = {section.patient for section in (*roles.train, *roles.validation)}
    unseen = sorted({section.patient for section in sections} - seen - {UNKNOWN})
    kind = (
        "test sections, scored once"
        if roles.test
        else "validation sections, which also chose the guidance scale and when to stop"
    )
    patients = f"patients {', '.join(unseen)} unseen in training" if unseen else "every patient seen in training"
    return f"{', '.join(section.id for section in sections)} ({kind}; {patients})"


def _gene_table(config: RunConfig, slides: Sequence[TrainingSlide]):  # type: ignore[no-untyped-def]
    import pandas as pd

    genes = panel(config.data.panel)
    measured = np.any([s.expression.measured for s in slides], axis=0)
    columns: dict[str, np.ndarray] = {"measured": measured}
    mask = np.concatenate([np.broadcast_to(s.expression.measured, s.expression.counts_log1p.shape) for s in slides])
    for units in UNITS:
        values = np.concatenate([s.expression.in_units(units) for s in slides]).astype(np.float64)
        count = np.maximum(mask.sum(axis=0), 1)
        mean = (values * mask).sum(axis=0) / count
        columns[f"mean_{units}"] = mean
        columns[f"sd_{units}"] = np.sqrt((np.square(values - mean) * mask).sum(axis=0) / count)
    columns["heldout_pcc"] = np.full(len(genes), np.nan)
    return pd.DataFrame(columns, index=pd.Index(genes, name="symbol"))


def _score(bundle: Bundle, guidance: float, slides: Sequence[TrainingSlide], patients: set[str]) -> list[SectionScores]:
    field = bundle.velocity()
    return [
        score_section(
            predict_models(bundle, field, slide.features.numpy(), slide.positions.numpy(), slide.code, guidance),
            slide.expression,
            slide.patient,
            role=role_of(bundle, slide.id),
            seen=slide.patient in patients,
        )
        for slide in slides
    ]


def _write_scores(
    folder: Path, bundle: Bundle, scores: dict[str, list[SectionScores]], measures: Measures, guidance: float
) -> None:
    units = bundle.config.units
    heldout = scores["test"] or scores["validation"]
    rows = {role: table(sections, bundle.genes) for role, sections in scores.items()}
    own = [row for row in rows["test"] or rows["validation"] if row.units == units and row.genes == "panel"]
    metrics: dict[str, object] = {
        "protocol": PROTOCOL,
        "units": units,
        "heldout": bundle.config.heldout,
        "summary": {
            model: round(float(np.mean([getattr(row, model) for row in own])), 4)
            for model in ("molf", "ridge", "mlp", "depth")
        },
        "guidance": {"chosen": guidance, **measures},
        **{role: as_records(part) for role, part in rows.items()},
    }
    write_json(folder / "metrics.json", metrics)
    genes = bundle.genes.drop(columns=["mean", "sd"]).assign(heldout_pcc=mean_pcc_per_gene(heldout, units))
    genes.to_csv(folder / "genes.tsv", sep="\t", float_format="%.6g")
    (folder / "README.md").write_text(card(Bundle.load(folder)), encoding="utf-8")


def _rewrite(folder: Path, **changes: object) -> None:
    """Change settings of a bundle that is still being made."""
    file = folder / "config.json"
    write_json(file, {**json.loads(file.read_text(encoding="utf-8")), **changes})


def _on_cpu(slides: Sequence[TrainingSlide]) -> list[TrainingSlide]:
    return [slide.to(torch.device("cpu")) for slide in slides]

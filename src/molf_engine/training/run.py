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
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from molf_engine import __version__
from molf_engine.baselines import MLP, DepthOnly, Ridge
from molf_engine.bundle import Bundle, BundleConfig, Patient
from molf_engine.bundle.bundle import write_json, write_tensors
from molf_engine.bundle.networks import state_arrays
from molf_engine.bundle.reference import FeatureReference
from molf_engine.config import RunConfig
from molf_engine.data.sections import UNKNOWN
from molf_engine.encoders import Encoder, FeatureCache, save_encoder
from molf_engine.errors import ConfigError
from molf_engine.evaluation.coverage import Coverage, coverage_records, section_coverage
from molf_engine.evaluation.scoring import (
    HVG,
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
from molf_engine.progress import Progress, ProgressCallback, silent
from molf_engine.training.card import card
from molf_engine.training.curves import draw_curves, write_curves
from molf_engine.training.devices import make_fabric
from molf_engine.training.fine_tuning import adopt, joint_codes
from molf_engine.training.guidance import Measures, choose_guidance, measure_scales
from molf_engine.training.networks import Networks, train_networks
from molf_engine.training.oracle import draw_oracle, oracle_table, write_oracle
from molf_engine.training.sections import Roles, cancer_codes, load_slides, prepare_encoder, read_roles
from molf_engine.training.slides import TrainingSlide

if TYPE_CHECKING:
    import pandas as pd

_log = logging.getLogger(__name__)


def train(
    config: RunConfig,
    output: Path,
    *,
    cache: FeatureCache | None = None,
    start: Bundle | None = None,
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
    start : Bundle, optional
        Go on from the weights of this bundle: its encoder, panel and shape are kept, its patients count as seen.
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
    if start is not None:
        config = adopt(config, start)
    roles = read_roles(config)
    genes = tuple(start.genes.index) if start is not None else panel(config.data.panel)
    fabric = make_fabric(config.training)
    if not fabric.is_global_zero:
        progress = silent
    folder = _working_folder(output, config, roles, start)

    codes = cancer_codes(roles)
    if start is not None:
        codes = joint_codes(start, codes)
    # The first process fits the encoder and fills the cache of features, the others read them.
    with fabric.rank_zero_first():
        encoder = prepare_encoder(config, roles, genes, folder, progress, start)
        slides = _on(fabric.device, load_slides(config, roles.train, genes, codes, encoder, cache, progress))
        held_out = _on(fabric.device, load_slides(config, roles.validation, genes, codes, encoder, cache, progress))

    networks = train_networks(config, slides, held_out, codes, folder, fabric, progress, start)
    if fabric.is_global_zero:
        test = load_slides(config, roles.test, genes, codes, encoder, cache, progress)
        made = _Made(config, roles, genes, codes, encoder, slides, held_out, test, networks, start)
        _write_bundle(output, made, overwrite, progress)
        shutil.rmtree(folder, ignore_errors=True)
    fabric.barrier()
    return Bundle.load(output)


class _Made(NamedTuple):
    """What a bundle is written from."""

    config: RunConfig
    roles: Roles
    genes: tuple[str, ...]
    codes: tuple[str, ...]
    encoder: Encoder
    slides: list[TrainingSlide]
    held_out: list[TrainingSlide]
    test: list[TrainingSlide]
    networks: Networks
    start: Bundle | None


def _write_bundle(output: Path, made: _Made, overwrite: bool, progress: ProgressCallback) -> None:
    config, held_out = made.config, _on(torch.device("cpu"), made.held_out)
    progress(Progress("Fitting rivals", 0, 0))
    rivals = fit_rivals(_on(torch.device("cpu"), made.slides), held_out, config)

    with atomic_path(output, overwrite=overwrite) as beside:
        beside.mkdir(parents=True)
        _write_model(beside, made, rivals)
        save_encoder(made.encoder, beside / "encoder")
        write_curves(beside / "curves.csv", made.networks.curves)
        draw_curves(beside / "curves.png", made.networks.curves)

        # From here on everything is measured on the weights as they were written, rounded to float16 or not.
        progress(Progress("Choosing guidance", 0, 0))
        written = Bundle.load(beside)
        measures = measure_scales(
            written.velocity(), written.decoder(), held_out, config.data.units, config.guidance.scales
        )
        guidance = choose_guidance(measures, config.guidance)
        _rewrite(beside, guidance=guidance)

        progress(Progress("Scoring", 0, 0))
        patients = {patient.id for patient in written.config.patients}
        scores = {
            "validation": _score(written, guidance, held_out, patients),
            "test": _score(written, guidance, made.test, patients),
        }
        ceilings = oracle_table(written, made.test or held_out, scores["test"] or scores["validation"])
        write_oracle(beside / "oracle.csv", ceilings)
        draw_oracle(beside / "oracle.png", ceilings)
        progress(Progress("Checking the spread", 0, 0))
        coverage = _coverage(written, guidance, [*held_out, *made.test])
        _write_scores(beside, written, scores, measures, guidance, ceilings, coverage)


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


def _working_folder(output: Path, config: RunConfig, roles: Roles, start: Bundle | None) -> Path:
    """Folder with the state of an interrupted run, checked to be of the same settings and data; made if there is none."""
    folder = output.with_name(f"{output.name}.training")
    file = folder / "settings.json"
    # What names and describes the model, and what is chosen after training, may change on the way.
    # How many processes share the work changes no result beyond rounding.
    ignored: Any = {"name": True, "description": True, "licence": True, "half": True, "guidance": True}
    own = json.loads(config.model_dump_json(exclude={**ignored, "training": {"devices", "nodes"}}))
    settings = {
        **own,
        "sections": {s.id: [s.code, s.st_path.stat().st_size] for s in (*roles.train, *roles.validation)},
        "from": start.weights_hash if start is not None else None,
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


def _write_model(folder: Path, made: _Made, rivals: dict[str, np.ndarray]) -> None:
    config, roles, slides, start = made.config, made.roles, made.slides, made.start
    seen = (*roles.train, *roles.validation)
    scales = [slide.um_per_pixel for slide in slides]
    known = [section for section in seen if section.patient != UNKNOWN]
    names = {section.patient: [s.id for s in known if s.patient == section.patient] for section in known}
    before = start.config if start is not None else None
    if before is not None:
        scales += before.um_per_pixel or ()
        for patient in before.patients:
            names[patient.id] = list(dict.fromkeys([*patient.sections, *names.get(patient.id, [])]))
    described = BundleConfig(
        name=config.name,
        description=config.description,
        licence=config.licence,
        software=f"napari-molf {__version__}",
        units=config.data.units,
        depth=config.data.units == "log1p-cp10k",
        codes=made.codes,
        trained_codes=_joined({section.code for section in roles.train}, before.trained_codes if before else ()),
        guidance=1.0,
        guidance_choice=config.guidance,
        patch=config.patch,
        encoder=made.encoder.name,
        features=made.encoder.width,
        vae=config.vae,
        flow=config.flow,
        organs=_joined({section.organ for section in seen}, before.organs if before else ()),
        species=_joined({section.species for section in seen}, before.species if before else ()),
        technologies=_joined({section.technology for section in seen}, before.technologies if before else ()),
        patients=tuple(Patient(id=patient, sections=tuple(ids)) for patient, ids in names.items()),
        training_sections=tuple(s.id for s in roles.train),
        validation_sections=tuple(s.id for s in roles.validation),
        test_sections=tuple(s.id for s in roles.test),
        heldout=_heldout(roles),
        um_per_pixel=(min(scales), max(scales)),
        simulated=any(section.species.lower() == "simulated" for section in seen),
        seed=config.training.seed,
        min_counts=config.data.min_counts,
        parent=start.id if start is not None else "",
    )
    write_json(folder / "config.json", described.model_dump(mode="json"))
    write_json(folder / "metrics.json", {})
    weights = {**state_arrays(made.networks.vae, "vae"), **state_arrays(made.networks.field, "velocity")}
    write_tensors(folder / "model.safetensors", weights, half=config.half)
    write_tensors(folder / "rivals.safetensors", rivals, half=config.half)
    features = np.concatenate([s.features.cpu().numpy() for s in slides])
    write_tensors(folder / "reference.safetensors", FeatureReference.fit(features).tensors(), half=False)
    _gene_table(made).to_csv(folder / "genes.tsv", sep="\t", float_format="%.6g")


def _joined(values: set[str], before: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(values | set(before)))


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


def gene_statistics(slides: Sequence[TrainingSlide], genes: tuple[str, ...]) -> pd.DataFrame:
    """``measured`` and, for each scale, ``mean_<scale>`` and ``sd_<scale>`` of the spots of ``slides``, a row for each gene."""
    import pandas as pd

    measured = np.any([s.expression.measured for s in slides], axis=0)
    columns: dict[str, np.ndarray] = {"measured": measured}
    mask = np.concatenate([np.broadcast_to(s.expression.measured, s.expression.counts_log1p.shape) for s in slides])
    count = np.maximum(mask.sum(axis=0), 1)
    for units in UNITS:
        values = np.concatenate([s.expression.in_units(units) for s in slides]).astype(np.float64)
        mean = (values * mask).sum(axis=0) / count
        columns[f"mean_{units}"] = mean
        columns[f"sd_{units}"] = np.sqrt((np.square(values - mean) * mask).sum(axis=0) / count)
    return pd.DataFrame(columns, index=pd.Index(genes, name="symbol"))


def _gene_table(made: _Made) -> pd.DataFrame:
    table = gene_statistics(made.slides, made.genes)
    table["heldout_pcc"] = np.nan
    if made.start is not None:
        # A gene that the new sections do not measure is still one that the weights know.
        table = table.where(table["measured"], made.start.genes[table.columns])
        table["measured"] = table["measured"].astype(bool)
    return table


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


def _coverage(bundle: Bundle, guidance: float, slides: Sequence[TrainingSlide]) -> list[Coverage]:
    field = bundle.velocity()
    return [
        row
        for slide in slides
        for row in section_coverage(
            bundle,
            field,
            slide.features.numpy(),
            slide.positions.numpy(),
            slide.code,
            guidance,
            slide.expression,
            role=role_of(bundle, slide.id),
        )
    ]


def _write_scores(
    folder: Path,
    bundle: Bundle,
    scores: dict[str, list[SectionScores]],
    measures: Measures,
    guidance: float,
    ceilings: pd.DataFrame,
    coverage: list[Coverage],
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
        "coverage": coverage_records(coverage),
        "oracle": [
            {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
            for row in ceilings.to_dict("records")
            if row["genes"] in ("panel", f"HVG-{HVG}")
        ],
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


def _on(device: torch.device, slides: Sequence[TrainingSlide]) -> list[TrainingSlide]:
    return [slide.to(device) for slide in slides]

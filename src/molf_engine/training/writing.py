"""A trained model as a bundle: weights, genes, rivals, reference, figures and card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from molf_engine import __version__
from molf_engine.bundle import Bundle, BundleConfig, Patient
from molf_engine.bundle.bundle import write_json, write_tensors
from molf_engine.bundle.networks import state_arrays
from molf_engine.bundle.reference import FeatureReference
from molf_engine.config import RunConfig
from molf_engine.data.sections import UNKNOWN
from molf_engine.encoders import Encoder, save_encoder
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
from molf_engine.files import atomic_path
from molf_engine.genes.units import UNITS
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.training.card import card
from molf_engine.training.curves import draw_curves, write_curves
from molf_engine.training.guidance import Measures, choose_guidance, measure_scales
from molf_engine.training.networks import Networks
from molf_engine.training.oracle import draw_oracle, oracle_table, write_oracle
from molf_engine.training.rivals import fit_rivals
from molf_engine.training.sections import Roles
from molf_engine.training.slides import TrainingSlide, on_device

if TYPE_CHECKING:
    import pandas as pd


class Made(NamedTuple):
    """What a bundle is written from: the run, its sections in their roles, the networks, and the bundle it began with."""

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


def write_bundle(output: Path, made: Made, overwrite: bool, progress: ProgressCallback) -> None:
    """Fit the rivals, choose the guidance scale, score every held-out section, and write the folder ``output``."""
    config, held_out = made.config, on_device(torch.device("cpu"), made.held_out)
    progress(Progress("Fitting rivals", 0, 0))
    rivals = fit_rivals(on_device(torch.device("cpu"), made.slides), held_out, config)

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


def _write_model(folder: Path, made: Made, rivals: dict[str, np.ndarray]) -> None:
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


def _gene_table(made: Made) -> pd.DataFrame:
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

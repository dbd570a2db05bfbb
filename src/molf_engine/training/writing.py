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
from molf_engine.bundle.bundle import read_tensors, write_json, write_tensors
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
from molf_engine.evaluation.sweep import Sweep
from molf_engine.files import atomic_path
from molf_engine.genes.units import UNITS
from molf_engine.progress import Progress, ProgressCallback
from molf_engine.training.card import card
from molf_engine.training.curves import draw_curves, write_curves
from molf_engine.training.feeding import SlideFeed
from molf_engine.training.guidance import measure_scales
from molf_engine.training.networks import Networks
from molf_engine.training.oracle import draw_oracle, oracle_table, write_oracle
from molf_engine.training.rivals import fit_rivals
from molf_engine.training.sections import Roles
from molf_engine.training.slides import TrainingSlide, key_of, masked_statistics

if TYPE_CHECKING:
    import pandas as pd


REFERENCE_SPOTS = 50_000
"""Spots that the statistics of the features are taken from, about: a covariance needs no more."""


COVERAGE_SECTIONS = 8
"""Most sections of a role whose draws are compared with what was measured."""


class Features(NamedTuple):
    """The encoder whose features a model learned from; ``encoder`` itself is not at hand where they were made elsewhere."""

    name: str
    width: int
    encoder: Encoder | None


class Made(NamedTuple):
    """What a bundle is written from: the run, its sections in their roles, the networks, and the bundle it began with."""

    config: RunConfig
    roles: Roles
    genes: tuple[str, ...]
    codes: tuple[str, ...]
    features: Features
    slides: SlideFeed
    held_out: SlideFeed
    test: SlideFeed
    networks: Networks
    start: Bundle | None
    rivals: Bundle | None


def write_bundle(output: Path, made: Made, overwrite: bool, progress: ProgressCallback) -> None:
    """Fit the rivals, choose the guidance scale, score every held-out section, and write the folder ``output``."""
    cpu = torch.device("cpu")
    config, slides, held_out = made.config, made.slides.to(cpu), made.held_out.to(cpu)
    progress(Progress("Fitting rivals", 0, 0))
    rivals = _rivals_of(made.rivals) if made.rivals is not None else fit_rivals(slides, held_out, config)

    with atomic_path(output, overwrite=overwrite) as beside:
        beside.mkdir(parents=True)
        _write_model(beside, made, slides, rivals)
        if made.features.encoder is not None:
            save_encoder(made.features.encoder, beside / "encoder")
        write_curves(beside / "curves.csv", made.networks.curves)
        draw_curves(beside / "curves.png", made.networks.curves)

        # From here on everything is measured on the weights as they were written, rounded to float16 or not.
        progress(Progress("Choosing guidance", 0, 0))
        written = Bundle.load(beside)
        measures = measure_scales(written, held_out, config.guidance)
        guidance = measures.scale
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
        coverage = _coverage(written, guidance, [*_some(held_out), *_some(made.test)])
        _write_scores(beside, written, scores, measures, ceilings, coverage)


def _write_model(folder: Path, made: Made, slides: SlideFeed, rivals: dict[str, np.ndarray]) -> None:
    config, roles, start = made.config, made.roles, made.start
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
        encoder=made.features.name,
        features=made.features.width,
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
        simulated=any(section.is_simulated for section in seen),
        seed=config.training.seed,
        min_counts=config.data.min_counts,
        parent=start.id if start is not None else "",
    )
    write_json(folder / "config.json", described.model_dump(mode="json"))
    write_json(folder / "metrics.json", {})
    weights = {**state_arrays(made.networks.vae, "vae"), **state_arrays(made.networks.field, "velocity")}
    write_tensors(folder / "model.safetensors", weights, half=config.half)
    write_tensors(folder / "rivals.safetensors", rivals, half=config.half)
    reference = FeatureReference.fit(_feature_sample(slides, config.training.seed))
    write_tensors(folder / "reference.safetensors", reference.tensors(), half=False)
    _gene_table(made, slides).to_csv(folder / "genes.tsv", sep="\t", float_format="%.6g")


def _rivals_of(bundle: Bundle) -> dict[str, np.ndarray]:
    return read_tensors(bundle.path / "rivals.safetensors")


def _feature_sample(slides: Sequence[TrainingSlide], seed: int) -> np.ndarray:
    """Features of the training spots, (N, D): all of them, or as many of each slide as keep N near REFERENCE_SPOTS."""
    share = min(1.0, REFERENCE_SPOTS / sum(len(slide.features) for slide in slides))
    parts = []
    for slide in slides:
        features = slide.features.numpy()
        rng = np.random.default_rng(key_of(seed, "reference", slide.id))
        parts.append(features if share == 1 else features[rng.random(len(features)) < share])
    return np.concatenate(parts)


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

    columns: dict[str, np.ndarray] = {"measured": np.any([slide.expression.measured for slide in slides], axis=0)}
    for units in UNITS:
        mean, sd = masked_statistics(
            lambda units=units: ((s.expression.in_units(units), s.expression.measured) for s in slides)  # type: ignore[misc]
        )
        columns[f"mean_{units}"] = mean
        columns[f"sd_{units}"] = np.where(columns["measured"], sd, 0.0)
    return pd.DataFrame(columns, index=pd.Index(genes, name="symbol"))


def _gene_table(made: Made, slides: SlideFeed) -> pd.DataFrame:
    table = gene_statistics(slides, made.genes)
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
    """Coverage on some of the sections, spread over all: drawing costs much more than scoring."""
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


def _some(slides: SlideFeed) -> list[TrainingSlide]:
    step = -(-len(slides) // COVERAGE_SECTIONS) or 1
    return [slides[index] for index in range(0, len(slides), step)]


def _write_scores(
    folder: Path,
    bundle: Bundle,
    scores: dict[str, list[SectionScores]],
    measures: Sweep,
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
        "guidance": {
            "chosen": measures.scale,
            "scale": measures.scales,
            "wasserstein": measures.w1,
            "cosine": measures.cosine,
            "mse": measures.mse,
        },
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

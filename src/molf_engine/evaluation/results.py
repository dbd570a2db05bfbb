"""What is kept of a model's prediction on one section: enough for every protocol and table, and no prediction.

:func:`measure_models` scores the predictions of several models on a section; each :class:`SectionResult` is stored as one file.  How
results are averaged is decided later, by :mod:`molf_engine.evaluation.protocols`.
"""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.data.expression import Expression
from molf_engine.data.sections import UNKNOWN, Section
from molf_engine.errors import DataError
from molf_engine.evaluation import metrics
from molf_engine.evaluation.gene_sets import GeneSets
from molf_engine.evaluation.moments import Moments, moments
from molf_engine.evaluation.scoring import TRUTH
from molf_engine.evaluation.structure import (
    NEIGHBOURS,
    MeasuredStructure,
    PairAgreement,
    Structure,
    neighbour_weights,
)
from molf_engine.files import atomic_path
from molf_engine.genes.units import UNITS

VERSION = 1
"""Of the stored form."""
SUFFIX = ".npz"

_HEADER = "header"
_SCORES = ("mse", "w1", "cosine")


@dataclass(frozen=True)
class ScaleResult:
    """Scores of one section in one scale."""

    moments: Moments
    """Per gene, over the spots of the section; PCC follows from it, for the section and pooled with others."""
    mse: float
    """Over spots and measured genes, in squared units of the scale."""
    w1: float
    """1-Wasserstein distance between the sorted predicted and measured genes of a spot, mean over spots."""
    cosine: float
    """Of the predicted and the measured profile of a spot, mean over spots."""
    structure: Structure | None = None


@dataclass(frozen=True)
class SectionResult:
    """Scores of one model on one section, in every scale."""

    model: str
    """Such as `molf` or `ridge`: a column of a table."""
    section: str
    genes: tuple[str, ...]
    measured: np.ndarray
    """(G,) bool: the section measured this gene."""
    scales: Mapping[str, ScaleResult]
    """`log1p`, `log1p-cp10k` and, for simulated tissue, `truth`: the prediction in log1p-cp10k against the expression that its counts
    were drawn from."""
    variant: str = ""
    """What was changed against the model as it is, such as `position=none`; empty: nothing."""
    split: str = ""
    """Split or fold that the model was trained on."""
    seed: int = 0
    code: str = UNKNOWN
    """Cancer type, or the state of the tissue."""
    organ: str = UNKNOWN
    patient: str = UNKNOWN
    species: str = UNKNOWN
    technology: str = UNKNOWN
    role: str = "test"
    """What the section was to the model: `training`, `validation`, `test` or `new`."""
    seen: bool = False
    """Whether the model has learned from this patient, by this section or another."""
    spots: int = 0
    left_out: int = 0
    """Spots that were not scored: too few counts, or an unreadable patch."""

    def __post_init__(self) -> None:
        """Check that everything is of one panel."""
        sizes = {len(self.genes), len(self.measured), *(len(scale.moments) for scale in self.scales.values())}
        if len(sizes) != 1:
            raise DataError(f"The result of {self.model} on {self.section} mixes panels of {sorted(sizes)} genes.")

    @property
    def name(self) -> str:
        """Model and what was changed in it: a column of a table."""
        return f"{self.model} ({self.variant})" if self.variant else self.model

    def pcc(self, units: str) -> np.ndarray:
        """Pearson correlation of each gene over the spots of the section (G,); NaN where either does not vary."""
        return self.scales[units].moments.pcc()

    def file_name(self) -> str:
        """Name of its file: readable, and different for each model, variant, split, seed and section."""
        key = (self.model, self.variant, self.split, str(self.seed), self.section)
        readable = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", part)[:40] for part in key if part)
        return f"{readable}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:8]}{SUFFIX}"


def measure_models(
    predicted: Mapping[str, Mapping[str, np.ndarray]],
    expression: Expression,
    positions_um: np.ndarray,
    section: Section,
    *,
    role: str,
    seen: bool,
    split: str = "",
    seed: int = 0,
    variant: str = "",
    sets: GeneSets | None = None,
    neighbours: int = NEIGHBOURS,
) -> list[SectionResult]:
    """Score the predictions of several models on one section.

    Parameters
    ----------
    predicted : mapping of str to mapping of str to ndarray
        Model -> scale (`log1p`, `log1p-cp10k`) -> (S, G).
    expression : Expression
        What was measured on the same spots.
    positions_um : ndarray
        (S, 2), um.
    section : Section
        Whose code, organ, patient, species and technology are kept.
    role : str
        What the section was to the models: `training`, `validation`, `test` or `new`.
    seen : bool
        Whether the models have learned from this patient.
    split, seed, variant
        Of the training, see :class:`SectionResult`.
    sets : GeneSets, optional
        For the correlations between genes; none: they are left out, and Moran's I alone is kept.
    neighbours : int
        k of the neighbour weights of Moran's I.

    Raises
    ------
    DataError
        If a prediction is not (S, G), or not finite on a measured gene, or no prediction has a known scale.
    """
    truths = {units: expression.in_units(units) for units in UNITS}
    if expression.truth is not None:
        truths[TRUTH] = expression.truth
    weights = neighbour_weights(np.asarray(positions_um, dtype=np.float64), neighbours)
    scored: dict[str, dict[str, ScaleResult]] = {model: {} for model in predicted}
    # Scale by scale: what is known of the measurement is held for one scale at a time.
    for units, truth in truths.items():
        source = "log1p-cp10k" if units == TRUTH else units
        models = [model for model, scales in predicted.items() if source in scales]
        if not models:
            continue
        known = MeasuredStructure(
            truth, weights, expression.measured, sets.correlated(units, split) if sets else {}, neighbours
        )
        for model in models:
            values = _checked(predicted[model][source], expression, model)
            of_genes = moments(values, truth, expression.measured)
            scored[model][units] = ScaleResult(
                of_genes,
                of_genes.mse(),
                metrics.wasserstein_per_spot(values, truth, expression.measured),
                metrics.cosine(values, truth, expression.measured),
                known.compare(values),
            )
    if without := [model for model, scales in scored.items() if not scales]:
        raise DataError(f"{without[0]} has no prediction of {section.id} in {' or '.join(UNITS)}.")
    return [
        SectionResult(
            model=model,
            section=section.id,
            genes=expression.genes,
            measured=expression.measured,
            scales=scales,
            variant=variant,
            split=split,
            seed=seed,
            code=section.code,
            organ=section.organ,
            patient=section.patient,
            species=section.species,
            technology=section.technology,
            role=role,
            seen=seen,
            spots=len(expression),
            left_out=expression.left_out,
        )
        for model, scales in scored.items()
    ]


def measure_section(
    model: str,
    predicted: Mapping[str, np.ndarray],
    expression: Expression,
    positions_um: np.ndarray,
    section: Section,
    *,
    role: str,
    seen: bool,
    split: str = "",
    seed: int = 0,
    variant: str = "",
    sets: GeneSets | None = None,
    neighbours: int = NEIGHBOURS,
) -> SectionResult:
    """Score one model on one section; see :func:`measure_models`, which works out the measurement's side once for several."""
    (result,) = measure_models(
        {model: predicted}, expression, positions_um, section, role=role, seen=seen, split=split, seed=seed,
        variant=variant, sets=sets, neighbours=neighbours,
    )  # fmt: skip
    return result


def save_result(result: SectionResult, folder: Path | str) -> Path:
    """Write a result into a folder, under its own name; an older one of that name is replaced.  Returns its path."""
    path = Path(folder) / result.file_name()
    arrays: dict[str, np.ndarray] = {"measured": result.measured}
    scales: dict[str, Any] = {}
    for units, scale in result.scales.items():
        arrays |= {f"{units}/{name}": values for name, values in scale.moments.arrays().items()}
        scales[units] = {name: getattr(scale, name) for name in _SCORES}
        if scale.structure is not None:
            arrays[f"{units}/moran_predicted"] = scale.structure.moran_predicted
            arrays[f"{units}/moran_measured"] = scale.structure.moran_measured
            pairs = {name: [pair.genes, pair.correlation] for name, pair in scale.structure.pairs.items()}
            scales[units]["structure"] = {"neighbours": scale.structure.neighbours, "pairs": pairs}
    header = {"version": VERSION, "genes": result.genes, "scales": scales} | {
        name: getattr(result, name) for name in _PLAIN
    }
    arrays[_HEADER] = np.frombuffer(json.dumps(header, ensure_ascii=False).encode(), dtype=np.uint8)
    with atomic_path(path) as beside, beside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path


def load_result(path: Path | str) -> SectionResult:
    """Read a result.

    Raises
    ------
    DataError
        If the file is damaged, is something else, or was written in another form.
    """
    path = Path(path)
    try:
        with np.load(path, allow_pickle=False) as stored:
            header = json.loads(stored[_HEADER].tobytes())
            if header["version"] != VERSION:
                raise DataError(
                    f"{path} was written by another version ({header['version']}, not {VERSION}): measure again."
                )
            return SectionResult(
                genes=tuple(header["genes"]),
                measured=stored["measured"].astype(bool),
                scales={units: _scale(stored, units, about) for units, about in header["scales"].items()},
                **{name: header[name] for name in _PLAIN},
            )
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        # NumPy advises to load what it does not know as a pickle: never.
        reason = "it is no archive of arrays" if "pickle" in str(error) else str(error)
        raise DataError(f"Cannot read the result {path}: {reason}. Remove it, and measure again.") from error


def load_results(folder: Path | str) -> list[SectionResult]:
    """Read all results of a folder, by file name.  Raises :class:`DataError` if one is damaged."""
    return [load_result(path) for path in sorted(Path(folder).glob(f"*{SUFFIX}")) if not path.name.startswith(".")]


_PLAIN = tuple(part.name for part in fields(SectionResult) if part.name not in {"genes", "measured", "scales"})


def _scale(stored: Any, units: str, about: dict[str, Any]) -> ScaleResult:
    structure = None
    if told := about.get("structure"):
        structure = Structure(
            neighbours=int(told["neighbours"]),
            moran_predicted=stored[f"{units}/moran_predicted"],
            moran_measured=stored[f"{units}/moran_measured"],
            pairs={name: PairAgreement(int(genes), float(value)) for name, (genes, value) in told["pairs"].items()},
        )
    parts = {part.name: stored[f"{units}/{part.name}"] for part in fields(Moments)}
    mse, w1, cosine = (float(about[name]) for name in _SCORES)
    return ScaleResult(Moments(**parts), mse, w1, cosine, structure)


def _checked(values: np.ndarray, expression: Expression, model: str) -> np.ndarray:
    values = np.asarray(values)
    if values.shape != expression.counts_log1p.shape:
        raise DataError(
            f"{model} predicts {values.shape} on {expression.section_id}, which has {expression.counts_log1p.shape} spots and genes."
        )
    if not np.isfinite(values[:, expression.measured]).all():
        raise DataError(
            f"{model} predicts values that are not finite on {expression.section_id}: its training diverged."
        )
    return values

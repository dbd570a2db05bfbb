"""Where a section comes from, as far as its metadata say: study, patient, sample, image."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molf_engine.data.sections import Section, cancer_code
from molf_engine.errors import DataError

COLUMNS = (
    "dataset_title",
    "patient",
    "subseries",
    "organ",
    "species",
    "st_technology",
    "data_publication_date",
    "fullres_px_width",
    "fullres_px_height",
    "spots_under_tissue",
    "pixel_size_um_estimated",
)
"""Fields of HEST-1k's metadata that the rules read, beside the id."""

_NONE = {"", "nan", "none", "unknown", "n/a", "na"}
_WORD = r"(?:patient|pt|donor|subject)"
_PATIENT = re.compile(rf"^{_WORD}?\W*", re.IGNORECASE)
_NAMED = re.compile(rf"\b{_WORD}\s?((?:\d+|[a-z]\b)(?:\s?,\s?\d+\b)*)", re.IGNORECASE)
_NUMBERED = re.compile(r"\bp(\d{1,3})\b", re.IGNORECASE)
_BRACKETS = re.compile(r"\[[^\]]*\]|\([^)]*\)")
_REPLICATE = re.compile(r"\b(?:rep|replicate|serial section|section|slice|layer)\s?\d+$", re.IGNORECASE)
_TECHNOLOGY = re.compile(
    r"\b(?:visium hd|visium|xenium in situ|xenium|cytassist(?: v\d)?|spatial transcriptomics|spatial gene expression|in situ|st)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Origin:
    """What metadata say of one section; what they do not say is empty or none."""

    id: str
    study: str = ""
    """Title of the data set: labels such as ``Patient 1`` mean a patient within one study."""
    stated_patient: str = ""
    subseries: str = ""
    named_patients: frozenset[str] = frozenset()
    """Labels of patients that the subseries names: ``Sample P2 CRC`` is of ``2``, a slide of two patients of both."""
    sample: str = ""
    """What the subseries calls the sample, without technology and number of the replicate."""
    replicate: bool = False
    """Whether the subseries numbers a replicate or serial section."""
    organ: str = ""
    species: str = ""
    technology: str = ""
    code: str = ""
    published: str = ""
    image_size: tuple[int, int] | None = None
    """Width and height at level 0, pixels."""
    spots: int | None = None
    um_per_pixel: float | None = None

    @property
    def patients(self) -> frozenset[str]:
        """Labels of its patients: by the subseries where that names any, else as stated; empty: unknown."""
        label = patient_label(self.stated_patient)
        return self.named_patients or (frozenset({label}) if label else frozenset())

    @property
    def contradiction(self) -> str:
        """Where the stated patient is none of those that the subseries names, in words; else empty."""
        label = patient_label(self.stated_patient)
        if not label or not self.named_patients or label in self.named_patients:
            return ""
        return f'patient is "{self.stated_patient}", but subseries is "{self.subseries}": the subseries decides'


def patient_label(text: str) -> str:
    """Label of a patient, without the word: ``Patient 1``, ``patient1`` and ``1`` are one; empty: unknown."""
    text = text.strip().lower()
    return "" if text in _NONE else _PATIENT.sub("", text).strip()


def origin_of(section_id: str, metadata: Mapping[str, Any]) -> Origin:
    """Read what the fields of HEST-1k's metadata say of one section."""

    def text(key: str) -> str:
        value = str(metadata.get(key) if metadata.get(key) is not None else "").strip()
        return "" if value.lower() in _NONE else value

    def number(key: str) -> float | None:
        try:
            value = float(text(key))
        except ValueError:
            return None
        return value if math.isfinite(value) and value > 0 else None

    width, height, spots = (number(key) for key in ("fullres_px_width", "fullres_px_height", "spots_under_tissue"))
    sample, replicate = _sample(text("subseries"))
    return Origin(
        id=section_id,
        study=text("dataset_title"),
        stated_patient=text("patient") or text("patient_id"),
        subseries=text("subseries"),
        named_patients=_named_patients(text("subseries"), text("species")),
        sample=sample,
        replicate=replicate,
        organ=text("organ").lower(),
        species=text("species").lower(),
        technology=text("st_technology").lower(),
        code=cancer_code(text("oncotree_code"), text("disease_state")),
        published=text("data_publication_date"),
        image_size=None if width is None or height is None else (int(width), int(height)),
        spots=None if spots is None else int(spots),
        um_per_pixel=number("pixel_size_um_estimated"),
    )


def section_origin(section: Section) -> Origin:
    """Read the same of a section of a folder or corpus."""
    said = {"patient": section.patient, "organ": section.organ, "species": section.species}
    own = {key: value for key, value in section.metadata.items() if value is not None}
    return origin_of(section.id, {**said, "st_technology": section.technology, "oncotree_code": section.code, **own})


def read_origins(path: Path | str) -> tuple[dict[str, Origin], tuple[str, ...]]:
    """Read the metadata table of HEST-1k, ``HEST_v1_1_0.csv`` or another version of it.

    Returns
    -------
    tuple
        Origins by section id, and those of :data:`COLUMNS` that the table does not have.

    Raises
    ------
    DataError
        If it cannot be read, has no column ``id`` (or ``sample_id``), no rows, or a section twice.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"Cannot read the metadata {path}: {error}. It should be HEST-1k's table, HEST_v1_1_0.csv."
        ) from error
    key = next((name for name in ("id", "sample_id") if name in columns), None)
    if key is None:
        raise DataError(f"{path} has no column id. Its columns: {', '.join(columns) or 'none'}.")
    origins: dict[str, Origin] = {}
    for row in rows:
        name = (row[key] or "").strip()
        if name in origins:
            raise DataError(f"{path} has two rows for {name}. Keep one row for each section.")
        if name:
            origins[name] = origin_of(name, row)
    if not origins:
        raise DataError(f"{path} has no rows.")
    return origins, tuple(name for name in COLUMNS if name not in columns)


def _plain(subseries: str) -> str:
    return _BRACKETS.sub(" ", subseries).replace("_", " ")


def _named_patients(subseries: str, species: str) -> frozenset[str]:
    text = _plain(subseries)
    found = {part.strip().lower() for match in _NAMED.finditer(text) for part in match.group(1).split(",")}
    # P7 is a patient; of a mouse it is an age in days.
    if species.lower() in {"", "homo sapiens", "human"}:
        found.update(_NUMBERED.findall(text))
    return frozenset(found)


def _sample(subseries: str) -> tuple[str, bool]:
    """Name of the sample, and whether a replicate of it is numbered."""
    pieces, replicate = [], False
    for piece in _plain(subseries).split(","):
        text = " ".join(piece.split())
        short = _REPLICATE.sub("", text)
        replicate |= short != text
        short = " ".join(_TECHNOLOGY.sub(" ", short).split())
        if short:
            pieces.append(short.lower())
    return ", ".join(pieces), replicate

"""Rules that tie two sections to one patient, one tissue block or one experiment; from metadata alone.

Every rule is general: none knows an id or a study.  Where patients are stated and differ, nothing ties two sections of a study.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from molf_engine.data.splits.origin import Origin, patient_label

SPOTS = 0.005
"""Two readings of one experiment may differ by this share in spots: pipelines draw the tissue's edge differently."""
SCALE = 0.01
"""And by this share in um per pixel, which HEST estimates from the spots."""
# A code of its own, such as BC23567: unlike Patient 1 it means one patient in every study.
_OWN_CODE = re.compile(r"[a-z]+\W?\d{3,}")


class Grade(StrEnum):
    """What two sections share, as far as metadata show it."""

    TISSUE = "same tissue block"
    PATIENT = "same patient"
    DUPLICATE = "likely duplicate"


@dataclass(frozen=True)
class Link:
    """Why two sections are not independent."""

    grade: Grade
    rule: str
    evidence: str
    """The values of the metadata that the rule rests on."""


def link(a: Origin, b: Origin) -> Link | None:
    """What ties two sections; none: nothing that metadata show."""
    if a.study == b.study:
        return _within_study(a, b)
    return _across_studies(a, b)


def judged(a: Origin, b: Origin) -> bool:
    """Whether metadata can tell the patients of two sections apart.

    Sections of different studies count as apart unless a rule ties them; within one study both patients must be known.
    """
    return a.study != b.study or bool(a.patients and b.patients)


def _within_study(a: Origin, b: Origin) -> Link | None:
    shared = a.patients & b.patients
    if a.patients and b.patients and not shared:
        return None
    where = f'in "{a.study}"' if a.study else "no study stated"
    # A blank name is a sample only where replicates of it are numbered.
    if a.sample == b.sample and ((a.replicate and b.replicate) or _names_one(a.sample)):
        return Link(
            Grade.TISSUE,
            "subseries names one sample",
            f'subseries "{a.subseries}" and "{b.subseries}", {_patient(a, b)}, {where}',
        )
    if shared:
        return Link(Grade.PATIENT, "one patient of one study", f"{_patient(a, b)}, {where}")
    return None


def _across_studies(a: Origin, b: Origin) -> Link | None:
    patient = patient_label(a.stated_patient)
    if patient and patient == patient_label(b.stated_patient) and a.organ == b.organ:
        if _OWN_CODE.fullmatch(patient):
            return Link(
                Grade.PATIENT, "one patient code in two studies", f'{_patient(a, b)}, in "{a.study}" and "{b.study}"'
            )
        if a.sample == b.sample and _names_one(a.sample) and a.published and a.published == b.published:
            return Link(
                Grade.TISSUE,
                "one patient and sample, published together",
                f'subseries "{a.subseries}" of both, {_patient(a, b)}, organ {a.organ}, both published {a.published}, '
                f'in "{a.study}" and "{b.study}"',
            )
    if _same_experiment(a, b):
        assert a.image_size is not None
        width, height = a.image_size
        return Link(
            Grade.DUPLICATE,
            "one image size, organ, technology and number of spots in two studies",
            f'{width} x {height} px, {a.spots} and {b.spots} spots, {a.organ}, {a.technology}, in "{a.study}" and "{b.study}"',
        )
    return None


def _same_experiment(a: Origin, b: Origin) -> bool:
    same = all(
        getattr(a, name) == getattr(b, name) for name in ("image_size", "organ", "species", "technology", "code")
    )
    return (
        same
        and a.image_size is not None
        and _near(a.spots, b.spots, SPOTS)
        and _near(a.um_per_pixel, b.um_per_pixel, SCALE)
    )


def _near(a: float | None, b: float | None, share: float) -> bool:
    return a is not None and b is not None and abs(a - b) <= share * max(a, b)


def _names_one(sample: str) -> bool:
    """Whether a name is that of one sample: ``tissue sample 1``, not ``wt``."""
    return any(sign.isdigit() for sign in sample)


def _patient(a: Origin, b: Origin) -> str:
    stated = [f'"{origin.stated_patient}"' if origin.stated_patient else "not stated" for origin in (a, b)]
    text = f"patient {stated[0]} for both" if stated[0] == stated[1] else f"patients {stated[0]} and {stated[1]}"
    return f"{text} (the subseries decides)" if a.contradiction or b.contradiction else text

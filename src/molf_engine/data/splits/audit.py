"""Which test sections are not held out: they share a patient, a tissue block or an experiment with what the model learned from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from molf_engine.data.sections import Section
from molf_engine.data.splits.kinship import Grade, Link, judged, link
from molf_engine.data.splits.origin import Origin, section_origin
from molf_engine.data.splits.split import Split


@dataclass(frozen=True)
class Finding:
    """One test section that is tied to one section of training or validation."""

    test: str
    code: str
    other: str
    role: str
    """Of the other: ``train`` or ``validation``."""
    link: Link


@dataclass(frozen=True)
class Unjudged:
    """A test section whose patient cannot be told from that of others."""

    test: str
    code: str
    patient_known: bool
    others: tuple[str, ...]
    """Sections of training and validation of its study that could be of its patient."""


@dataclass(frozen=True)
class Cell:
    """One cancer type of one split, as a table of results has it."""

    split: str
    code: str
    sections: tuple[str, ...]
    touched: tuple[str, ...]
    """Those of them that are not held out."""


@dataclass(frozen=True)
class Audit:
    """What metadata say about one split."""

    split: Split
    findings: tuple[Finding, ...]
    unjudged: tuple[Unjudged, ...]
    cells: tuple[Cell, ...]
    unknown: tuple[str, ...]
    """Sections of the split that the metadata do not have: nothing is said about them."""
    contradictions: Mapping[str, str]
    """Test sections, and those tied to one, whose stated patient the subseries contradicts, with what decides."""
    unknown_patients: int
    """Sections of training and validation whose patient is not known."""

    @property
    def clean(self) -> bool:
        """Whether no test section was found to be tied."""
        return not self.findings


def audit(
    sections: Iterable[Section] | Mapping[str, Origin], split: Split, codes: Mapping[str, str] | None = None
) -> Audit:
    """Find the test sections of a split that share patient, tissue block or experiment with training or validation.

    Parameters
    ----------
    sections
        Sections of a folder or corpus, or origins by id from :func:`~molf_engine.data.splits.origin.read_origins`.
        Those outside the split serve as links: a section of training may be the duplicate of one that nobody uses.
    split
        What to judge.
    codes
        Cancer codes by id, for the cells; by default those of the metadata.
    """
    origins = dict(sections) if isinstance(sections, Mapping) else {s.id: section_origin(s) for s in sections}
    codes = codes or {}

    def code(name: str) -> str:
        return codes.get(name) or (origins[name].code if name in origins else "") or "Unknown"

    learned = [name for name in (*split.train, *split.validation) if name in origins]
    findings: list[Finding] = []
    unjudged: list[Unjudged] = []
    for test in (name for name in split.test if name in origins):
        ties = _ties(origins[test], origins, learned)
        findings += [Finding(test, code(test), other, split.role_of(other), found) for other, found in ties.items()]
        open_ = tuple(o for o in learned if o not in ties and not judged(origins[test], origins[o]))
        known = bool(origins[test].patients)
        if open_ or not known:
            unjudged.append(Unjudged(test, code(test), known, open_))
    touched = {finding.test for finding in findings}
    named = touched | {finding.other for finding in findings} | set(split.test)
    return Audit(
        split=split,
        findings=tuple(findings),
        unjudged=tuple(unjudged),
        cells=_cells(split, {name: code(name) for name in split.test}, touched),
        unknown=tuple(name for name in split.sections if name not in origins),
        contradictions={
            name: origin.contradiction for name, origin in origins.items() if name in named and origin.contradiction
        },
        unknown_patients=sum(not origins[name].patients for name in learned),
    )


def _ties(test: Origin, origins: Mapping[str, Origin], learned: list[str]) -> dict[str, Link]:
    """Sections of training and validation that a test section is tied to, by a rule or through one duplicate."""
    kin = {name: found for name, origin in origins.items() if name != test.id and (found := link(test, origin))}
    ties = {name: kin[name] for name in learned if name in kin}
    for name in learned:
        if name in ties or test.id == name or _known_apart(test, origins[name]):
            continue
        for via, first in kin.items():
            second = link(origins[via], origins[name]) if via != name else None
            # Two steps hold only if one of them says that both are the same section.
            if second and Grade.DUPLICATE in (first.grade, second.grade):
                evidence = f"{test.id} - {via}: {first.grade}, {first.evidence}; {via} - {name}: {second.grade}, {second.evidence}"
                ties[name] = Link(Grade.DUPLICATE, f"through {via}", evidence)
                break
    return ties


def _known_apart(a: Origin, b: Origin) -> bool:
    """Whether two sections of one study have patients that are known and differ."""
    return a.study == b.study and bool(a.patients and b.patients) and not a.patients & b.patients


def _cells(split: Split, codes: Mapping[str, str], touched: set[str]) -> tuple[Cell, ...]:
    cells: dict[str, Cell] = {}
    for name in split.test:
        cell = cells.get(codes[name], Cell(split.name, codes[name], (), ()))
        tied = (name,) if name in touched else ()
        cells[codes[name]] = replace(cell, sections=(*cell.sections, name), touched=(*cell.touched, *tied))
    return tuple(cells[code] for code in sorted(cells))

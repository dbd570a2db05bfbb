"""`molf-engine audit-splits`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from molf_engine.errors import DataError

if TYPE_CHECKING:
    from molf_engine.data.splits import Audit


def audit_splits(
    metadata: Annotated[Path, Parameter(help="HEST-1k's metadata table, HEST_v1_1_0.csv or another version of it.")],
    split: Annotated[
        str,
        Parameter(
            help="published-0 or published-1; a folder with train_split.csv, val_split.csv and test_split.csv (column sample_id); "
            'or JSON, {"train": ["id", ...], "validation": [...], "test": [...]}.'
        ),
    ],
    /,
    *,
    results: Annotated[
        Path | None,
        Parameter(
            help="CSV of results, a row per section (column section) or per cancer type (column code): its rows that rest on "
            "sections which are not held out are listed too."
        ),
    ] = None,
    strict: Annotated[bool, Parameter(negative="", help="Exit with code 1 if a test section is not held out.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print everything as JSON.")] = False,
) -> None:
    """List test sections that share a patient, a tissue block or an experiment with training or validation.

    Rules read metadata alone: patient, title of the data set, subseries, date, organ, technology, image size, number of spots. They
    cannot see what metadata do not say. Exit code 0, also where something is found, unless --strict is given.
    """
    from molf_engine.cli.console import say, show_table
    from molf_engine.data.splits import PUBLISHED, audit, published_codes, read_origins, read_whole_split, split_codes
    from molf_engine.data.splits.results import touched_rows

    origins, missing = read_origins(metadata)
    wanted = read_whole_split(split)
    if not any(name in origins for name in wanted.test):
        raise DataError(
            f"{metadata} has none of the {len(wanted.test)} test sections of {wanted.name} ({_some(wanted.test)}): nothing can be said. "
            "Name the table that lists them."
        )
    codes = dict(published_codes(split)) if split in PUBLISHED else split_codes(split)
    found = audit(origins, wanted, codes)
    rows = [] if results is None else touched_rows(results, found)
    touched = [{"line": row.line, "row": row.what, "not held out": ", ".join(row.sections)} for row in rows]
    if json:
        import json as plain

        say(plain.dumps({**_as_json(found, missing), "results": touched}, indent=2, ensure_ascii=False))
    else:
        if found.findings:
            short = [{**row, "evidence": _short(row["evidence"])} for row in _findings(found)]
            show_table(f"{wanted.name}: test sections that are not held out", short, as_json=False)
        show_table(
            f"{wanted.name}: test sections by cancer type", _cells(found), as_json=False, notes=_notes(found, missing)
        )
        if results is not None:
            show_table(f"{results}: rows that rest on these sections", touched, as_json=False)
            say(f"{len(touched)} rows of {results.name} rest on test sections that are not held out.")
    if strict and not found.clean:
        raise SystemExit(1)


def _findings(found: Audit) -> list[dict[str, Any]]:
    return [
        {
            "test": finding.test,
            "code": finding.code,
            "shares with": finding.other,
            "of": finding.role,
            "grade": str(finding.link.grade),
            "rule": finding.link.rule,
            "evidence": finding.link.evidence,
        }
        for finding in found.findings
    ]


def _cells(found: Audit) -> list[dict[str, Any]]:
    return [
        {
            "code": cell.code,
            "test sections": len(cell.sections),
            "not held out": len(cell.touched),
            "which": ", ".join(cell.touched),
        }
        for cell in found.cells
    ]


def _notes(found: Audit, missing: tuple[str, ...]) -> list[str]:
    """What a reader must know beside the tables, a line each."""
    split = found.split
    notes = [
        f"{len(split.test)} test sections: {sum(len(cell.touched) for cell in found.cells)} not held out, in "
        f"{sum(bool(cell.touched) for cell in found.cells)} of {len(found.cells)} cancer types."
    ]
    for case in found.unjudged:
        who = "its patient is known, theirs is not" if case.patient_known else "its patient is unknown"
        others = f"; could be shared with {_some(case.others)}" if case.others else ""
        notes.append(f"Cannot be judged: {case.test} ({case.code}), {who}{others}.")
    learned = {*split.train, *split.validation}
    unknown = found.unknown_patients + len(learned & set(found.unknown))
    notes.append(f"Patient unknown for {unknown} of {len(learned)} sections of training and validation.")
    notes += [f"Metadata contradict themselves: {name}: {what}." for name, what in found.contradictions.items()]
    if found.unknown:
        tested = len(set(found.unknown) & set(split.test))
        notes.append(
            f"Not in the metadata, nothing said about them: {len(found.unknown)} sections, {_some(found.unknown)}"
            + (f"; {tested} of them are test sections: the counts above take them for held out." if tested else ".")
        )
    if missing:
        notes.append(f"The metadata have no column {', '.join(missing)}: rules that need them find nothing.")
    return notes


def _as_json(found: Audit, missing: tuple[str, ...]) -> dict[str, Any]:
    return {
        "split": found.split.name,
        "sections": {
            "train": len(found.split.train),
            "validation": len(found.split.validation),
            "test": len(found.split.test),
        },
        "findings": _findings(found),
        "cells": [
            {
                "split": cell.split,
                "code": cell.code,
                "sections": list(cell.sections),
                "not_held_out": list(cell.touched),
            }
            for cell in found.cells
        ],
        "cannot_be_judged": [
            {"test": case.test, "code": case.code, "patient_known": case.patient_known, "others": list(case.others)}
            for case in found.unjudged
        ],
        "unknown_patients": found.unknown_patients,
        "contradictions": dict(found.contradictions),
        "not_in_metadata": list(found.unknown),
        "missing_columns": list(missing),
    }


def _short(evidence: str) -> str:
    """Evidence with the long titles cut, for a narrow table; JSON has them whole."""
    return re.sub(r'"([^"]{42})[^"]{3,}"', r'"\1..."', evidence)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")

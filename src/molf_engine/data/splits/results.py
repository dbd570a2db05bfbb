"""Which rows of a table of results rest on test sections that are not held out."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from molf_engine.data.splits.audit import Audit
from molf_engine.errors import DataError

_SECTION = ("section", "sample_id", "id")
_CODE = ("code", "cancer_type", "cancer", "oncotree_code_filled", "oncotree_code", "task")


@dataclass(frozen=True)
class TouchedRow:
    """One row of a table, and the test sections under it that are not held out."""

    line: int
    """In the file; the header is line 1."""
    what: str
    """The row's section, or its cancer type."""
    sections: tuple[str, ...]


def touched_rows(path: Path | str, found: Audit) -> list[TouchedRow]:
    """Rows of a table of results that an audit touches.

    Parameters
    ----------
    path
        CSV with a column ``section`` (or ``sample_id``, ``id``): a row is one test section; or else with a column ``code``
        (or ``cancer_type``, ``cancer``, ``oncotree_code``, ``task``): a row is a cancer type. With a column ``split`` only
        rows of the audited split count: its name, or the number at its end.
    found
        Of :func:`~molf_engine.data.splits.audit.audit`.

    Raises
    ------
    DataError
        If the file cannot be read or has neither column.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows, columns = [(reader.line_num, row) for row in reader], list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"Cannot read the results {path}: {error}. It should be a CSV table.") from error
    section = next((name for name in _SECTION if name in columns), None)
    code = next((name for name in _CODE if name in columns), None)
    if section is None and code is None:
        raise DataError(
            f"{path} has neither a column section nor a column code. Its columns: {', '.join(columns) or 'none'}."
        )
    tied: dict[str, tuple[str, ...]] = {name: (name,) for cell in found.cells for name in cell.touched}
    if section is None:
        tied = {cell.code: cell.touched for cell in found.cells if cell.touched}
    key = section or code
    assert key is not None
    return [
        TouchedRow(line, row[key].strip(), tied[row[key].strip()])
        for line, row in rows
        if row[key] and row[key].strip() in tied and _of_split(row.get("split"), found.split.name)
    ]


def _of_split(value: str | None, name: str) -> bool:
    """Whether a row is of a split: ``published-0`` and ``split_0`` are also called ``0``."""
    if not value:
        return True
    return value.strip() == name or (
        value.strip().isdigit() and name.replace("_", "-").rpartition("-")[2] == value.strip()
    )

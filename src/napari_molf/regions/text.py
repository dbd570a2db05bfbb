"""Tables as text that other programs read, with the lines that say where they come from.  No Qt."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_molf.core.run import Run

Cell = str | int | float


@dataclass(frozen=True)
class Table:
    """Headers, rows, and lines that say where they come from."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    provenance: tuple[str, ...] = ()


def provenance(run: Run, guidance: float, *more: str) -> tuple[str, ...]:
    """Lines that say which prediction a table is of."""
    molf = run.scores.adata.uns["molf"]
    return (
        "napari-molf: predicted, not measured; research use only",
        f"slide: {run.slide_name} ({molf['slide']['fingerprint']})",
        f"model: {run.model}, weights {str(molf['weights_hash'])[:12]}, cancer code {molf['cancer_code']}, guidance {guidance:.3g}",
        *more,
    )


def as_tsv(table: Table) -> str:
    """For the clipboard: a spreadsheet takes it as cells."""
    return _write(table, "\t")


def as_csv(table: Table) -> str:
    """For a file: the lines of provenance begin with ``#``."""
    return _write(table, ",")


def write_csv(table: Table, path: Path) -> Path:
    """Write a table, all of it or nothing.

    Raises
    ------
    MolfError
        If there is no place to write to.
    """
    from molf_engine.files import atomic_path

    with atomic_path(path) as beside:
        beside.write_text(as_csv(table), encoding="utf-8")
    return path


def short(value: float) -> str:
    """A number for a narrow column: three digits, and nothing where there is none."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    return f"{value:.1e}" if abs(value) < 1e-3 else f"{value:.3g}"


def _write(table: Table, delimiter: str) -> str:
    out = io.StringIO()
    for line in table.provenance:
        out.write(f"# {line}\n")
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(table.headers)
    writer.writerows([_plain(row) for row in table.rows])
    return out.getvalue()


def _plain(row: Sequence[Cell]) -> list[Cell]:
    return ["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row]

"""Patch centres from a table: CSV or TSV with x and y, or Space Ranger's ``tissue_positions``."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.errors import SlideError

if TYPE_CHECKING:
    import numpy as np

_COLUMNS = (("x", "y"), ("pxl_col_in_fullres", "pxl_row_in_fullres"))
_NAMES = ("barcode", "name", "spot", "id", "")
# Space Ranger before version 2 wrote no header.
_HEADERLESS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]


def read_positions(path: Path | str) -> tuple[np.ndarray, tuple[str, ...] | None]:
    """Patch centres, ``(P, 2)`` x, y in level-0 pixels, and their names if the table has any.

    The columns are ``x`` and ``y``, or ``pxl_col_in_fullres`` and ``pxl_row_in_fullres``; names are in ``barcode``,
    ``name``, ``spot`` or ``id``.  Rows whose ``in_tissue`` is 0 are left out.

    Raises
    ------
    SlideError
        If the file cannot be read, a column is missing, or a position is not a number; it names the line.
    """
    import numpy as np

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SlideError(f"Cannot read the positions in {path}: {error}. Give a CSV or TSV file.") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise SlideError(f"{path} is empty. Give a table with the columns x and y in level-0 pixels.")
    delimiter = max("\t,;", key=lines[0][1].count)
    table = list(csv.reader((line for _, line in lines), delimiter=delimiter))
    header, first = _header(table[0])
    x, y = _position_columns(path, header)
    name = next((header.index(column) for column in _NAMES if column in header), None)
    in_tissue = header.index("in_tissue") if "in_tissue" in header else None
    positions, names = [], []
    for (number, _), row in zip(lines[first:], table[first:], strict=True):
        try:
            position = float(row[x]), float(row[y])
            kept = in_tissue is None or float(row[in_tissue]) != 0
        except (ValueError, IndexError) as error:
            raise SlideError(
                f"{path}, line {number}: no x, y position in {row}. Correct or remove that line."
            ) from error
        if kept:
            positions.append(position)
            names.append(row[name] if name is not None else "")
    if not positions:
        raise SlideError(f"{path} has no position that is in tissue. Give a table with at least one.")
    return np.array(positions, dtype=np.float64), tuple(names) if name is not None else None


def _header(row: list[str]) -> tuple[list[str], int]:
    """Column names and the number of the first row of data."""
    if len(row) == len(_HEADERLESS) and all(_is_number(cell) for cell in row[1:]):
        return _HEADERLESS, 0
    return [cell.strip().lower() for cell in row], 1


def _position_columns(path: Path, header: list[str]) -> tuple[int, int]:
    for x, y in _COLUMNS:
        if x in header and y in header:
            return header.index(x), header.index(y)
    raise SlideError(
        f"{path} has the columns {', '.join(header)}. Positions need x and y (level-0 pixels), or"
        " pxl_col_in_fullres and pxl_row_in_fullres."
    )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True

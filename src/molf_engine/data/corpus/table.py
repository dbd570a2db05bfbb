"""The table of a HEST release, ``HEST_v1_1_0.csv``: facts that the metadata of a section lack."""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from pathlib import Path

from molf_engine.errors import DataError

logger = logging.getLogger(__name__)

WANTED = (
    "organ",
    "oncotree_code",
    "disease_state",
    "patient",
    "species",
    "st_technology",
    "subseries",
    "dataset_title",
)
"""Columns that training, evaluation or the audit of splits use."""
_IDS = ("id", "sample_id")


def find_table(folder: Path) -> Path | None:
    """The newest ``HEST_*.csv`` of a folder, by its name."""
    tables = sorted(path for path in folder.glob("HEST_*.csv") if path.is_file())
    return tables[-1] if tables else None


def read_table(path: Path) -> dict[str, Mapping[str, str]]:
    """Facts of each section by its id; blank cells are left out.

    Raises
    ------
    DataError
        If the file cannot be read, has no column ``id``, or names a section twice.
    """
    try:
        # The file of HEST-1k begins with a byte-order mark.
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the metadata {path}: {error}. It should be a CSV file in UTF-8.") from error
    reader = csv.DictReader(text.splitlines())
    columns = [name.strip() for name in reader.fieldnames or ()]
    key = next((name for name in _IDS if name in columns), None)
    if key is None:
        raise DataError(
            f"{path} has no column id, the name of the section. Its columns: {', '.join(columns) or 'none'}."
        )
    reader.fieldnames = columns
    if missing := [name for name in WANTED if name not in columns]:
        logger.warning(
            "%s has no column %s: unknown where metadata/<id>.json does not say it", path, ", ".join(missing)
        )
    rows: dict[str, Mapping[str, str]] = {}
    for row in reader:
        name = (row[key] or "").strip()
        if name in rows:
            raise DataError(f"{path} names the section {name} twice. Keep one row for each.")
        if name:
            rows[name] = {column: value.strip() for column, value in row.items() if column and value and value.strip()}
    return rows

"""The table of correlations as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from molf_engine.evaluation.at_spots import Agreement


def save_table(agreement: Agreement, path: Path) -> Path:
    """Write every correlation as CSV, whole or not at all.

    Raises
    ------
    DataError
        If it cannot be written there.
    """
    from molf_engine.errors import DataError
    from molf_engine.files import atomic_path

    table = agreement.table.assign(spots=len(agreement.match)).rename_axis("name")
    try:
        with atomic_path(path) as beside:
            table.to_csv(beside, float_format="%.4f")
    except OSError as error:
        raise DataError(f"Cannot write {path}: {error}. Choose another folder, or make room on the disk.") from error
    return path

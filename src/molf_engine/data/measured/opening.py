"""Which reader a file or folder is for, and which measurement lies beside a slide."""

from __future__ import annotations

from pathlib import Path

from molf_engine.data.measured.anndata_file import read_anndata
from molf_engine.data.measured.space_ranger import output_folder, read_space_ranger
from molf_engine.data.measured.spots import MeasuredSpots
from molf_engine.data.measured.tables import is_positions, is_table, read_tables
from molf_engine.errors import DataError

KINDS = (
    "a Space Ranger output folder (filtered_feature_bc_matrix and spatial), an AnnData file (.h5ad, .zarr) with raw counts and "
    'obsm["spatial"], or a table of counts (.tsv, .csv) with its table of positions'
)


def read_measured(path: Path | str, positions: Path | str | None = None) -> MeasuredSpots:
    """Read measured spots.

    Parameters
    ----------
    path
        Folder that Space Ranger wrote, its matrix, an AnnData file, or a table of counts.
    positions
        Table of positions, for a table of counts; none: the one beside it.

    Raises
    ------
    DataError
        If it is none of these, or is damaged; the message says what to do.
    """
    path = Path(path)
    if not path.exists():
        raise DataError(f"There is no {path}. Choose {KINDS}.")
    if path.suffix in (".h5ad", ".zarr"):
        return read_anndata(path)
    if path.is_dir() or path.suffix in (".h5", ".mtx"):
        return _read_output(path)
    if is_table(path):
        return _read_table(path, None if positions is None else Path(positions))
    raise DataError(f"{path} is no measurement that can be read. Choose {KINDS}.")


def _read_output(path: Path) -> MeasuredSpots:
    folder = output_folder(path)
    if folder is not None:
        return read_space_ranger(folder)
    if (path / "binned_outputs").is_dir():
        raise DataError(f"{path} holds bins of several sizes. Choose one of the folders in {path / 'binned_outputs'}.")
    sections = sorted((path / "st").glob("*.h5ad")) if (path / "st").is_dir() else sorted(path.glob("*.h5ad"))
    if len(sections) == 1:
        return read_anndata(sections[0])
    if sections:
        raise DataError(
            f"{path} holds the counts of {len(sections)} sections. Choose one of them, such as {sections[0]}."
        )
    raise DataError(f"{path} holds no measurement that can be read. Choose {KINDS}.")


def _read_table(path: Path, positions: Path | None) -> MeasuredSpots:
    # Two files chosen in one dialog come in any order.
    if positions is not None and is_positions(path) and not is_positions(positions):
        path, positions = positions, path
    if positions is None and is_positions(path):
        raise DataError(f"{path} holds positions. Choose the table of counts together with it.")
    return read_tables(path, positions)


def measured_beside(slide: Path | str) -> Path | None:
    """The measurement that belongs to a slide, by where the two lie; none if there is none.

    It is ``../st/<id>.h5ad`` for a slide ``wsis/<id>.tif``, or the output of Space Ranger that the slide lies in.
    """
    slide = Path(slide)
    if slide.parent.name == "wsis":
        # Not Path.stem alone: an id may hold dots, and so may a suffix (.ome.tif).
        names = [slide.name[:end] for end, letter in enumerate(slide.name) if letter == "."]
        for name in sorted(names, key=len, reverse=True):
            counts = slide.parent.parent / "st" / f"{name}.h5ad"
            if counts.is_file():
                return counts
    return output_folder(slide.parent)

"""What there is of each section on disk: counts, slide, ready-cut patches, features made elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from molf_engine.data.corpus.layout import having
from molf_engine.data.corpus.table import find_table, read_table
from molf_engine.data.sections import Section, find_counts, find_slide, make_section
from molf_engine.data.spots import SUFFIXES
from molf_engine.errors import DataError


@dataclass(frozen=True)
class Source:
    """One section and the files that it is prepared from."""

    section: Section
    slide: Path | None
    patches: Path | None
    """``patches/<id>.h5``, the images that HEST-1k comes with."""
    features: Path | None
    """File with features made elsewhere."""

    def state(self) -> dict[str, Any]:
        """Size and time of each file, and a digest of the metadata: unchanged, the section need not be prepared again."""
        files = {
            "counts": self.section.st_path,
            "slide": self.slide,
            "patches": self.patches,
            "features": self.features,
        }
        told = json.dumps([self.section.code, self.section.patient, self.section.metadata], sort_keys=True, default=str)
        return {
            "um_per_pixel": self.section.um_per_pixel,
            **{name: _stamp(path) for name, path in files.items() if path is not None},
            "metadata": hashlib.sha256(told.encode()).hexdigest()[:16],
        }


def only_told_otherwise(now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    """Whether the files are the same, and only what is said about the section changed."""
    return unchanged({**now, "metadata": then.get("metadata")}, then)


def unchanged(now: Mapping[str, Any], then: Mapping[str, Any]) -> bool:
    """Whether nothing was changed or added; a slide that was removed since is no reason to do its section again."""
    return all(then.get(name) == value for name, value in now.items())


def find_sources(
    folder: Path | str, ids: Iterable[str] = (), *, table: Path | None = None, features: Path | None = None
) -> list[Source]:
    """Sections of a HEST-layout folder, or of a folder that holds several, with what there is of each.

    Parameters
    ----------
    folder
        Holds ``st/`` (and ``wsis/``, ``patches/``, ``metadata/``), or folders that do.
    ids
        Only these, in this order; empty: all that have counts, by folder and name.
    table
        CSV with a row for each section; none: ``HEST_*.csv`` in a folder or above it, if there is one.
    features
        Folder with features made elsewhere.

    Raises
    ------
    DataError
        If the folder is not in this layout, an id is unknown or there twice, or the table or some metadata cannot be read.
    """
    folder = Path(folder)
    files = find_counts(_roots(folder), folder)
    wanted = tuple(dict.fromkeys(ids)) or tuple(files)
    if unknown := [name for name in wanted if name not in files]:
        raise DataError(f"No section {', '.join(unknown)} in {folder}. {having(list(files))}")
    if features is not None and not features.is_dir():
        raise DataError(f"There is no folder {features} with the features of each section (<id>.h5, .pt or .npy).")
    tables: dict[Path | None, dict[str, Mapping[str, str]]] = {None: {}}
    sources = []
    for name in wanted:
        root = files[name].parent.parent
        path = table or find_table(root) or find_table(folder)
        if path not in tables:
            assert path is not None
            tables[path] = read_table(path)
        sources.append(_source(name, root, files[name], tables[path].get(name, {}), features))
    return sources


def _roots(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise DataError(
            f"No such folder: {folder}. Name a folder in the layout of HEST-1k (st/, wsis/ or patches/, metadata/)."
        )
    roots = (
        [folder] if (folder / "st").is_dir() else [path for path in sorted(folder.iterdir()) if (path / "st").is_dir()]
    )
    if not roots:
        raise DataError(
            f"{folder} is not in the layout of HEST-1k: neither it nor a folder in it has st/ with the counts, <id>.h5ad."
        )
    return roots


def _source(name: str, root: Path, counts: Path, row: Mapping[str, str], features: Path | None) -> Source:
    slide = find_slide(counts)
    patches = root / "patches" / f"{name}.h5"
    given = (features / f"{name}{suffix}" for suffix in SUFFIXES) if features is not None else ()
    return Source(
        make_section(name, slide or root / "wsis" / f"{name}.tif", counts, row),
        slide,
        patches if patches.is_file() else None,
        next((path for path in given if path.is_file()), None),
    )


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]

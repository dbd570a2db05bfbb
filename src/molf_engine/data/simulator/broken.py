"""Sections that cannot be used, each for one reason: what a reader of a real folder will meet sooner or later."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.files import atomic_path

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class _Paths:
    slide: Path
    st: Path
    metadata: Path

    @classmethod
    def of(cls, folder: Path, name: str) -> _Paths:
        return cls(
            folder / "wsis" / f"{name}.tif", folder / "st" / f"{name}.h5ad", folder / "metadata" / f"{name}.json"
        )


def write_broken(folder: Path, whole: str) -> list[str]:
    """Write damaged copies of the section ``whole`` beside it, and return their ids.

    ``BROKEN_slide`` and ``BROKEN_counts`` are files cut off in the middle; ``BROKEN_nan`` has counts that are no
    numbers, ``BROKEN_log`` logarithms for counts, ``BROKEN_places`` spots beside the slide.
    """
    damage: dict[str, Callable[[_Paths], None]] = {
        "BROKEN_slide": lambda paths: _cut(paths.slide),
        "BROKEN_counts": lambda paths: _cut(paths.st),
        "BROKEN_nan": lambda paths: _change(paths.st, _lose_counts),
        "BROKEN_log": lambda paths: _change(paths.st, _take_logarithms),
        "BROKEN_places": lambda paths: _change(paths.st, _move_away),
    }
    source = _Paths.of(folder, whole)
    for name, spoil in damage.items():
        copy = _Paths.of(folder, name)
        shutil.copyfile(source.slide, copy.slide)
        shutil.copyfile(source.st, copy.st)
        spoil(copy)
        facts = json.loads(source.metadata.read_text(encoding="utf-8"))
        facts |= {
            "id": name,
            "image_filename": copy.slide.name,
            "patient": name,
            "subseries": f"broken copy of {whole}",
        }
        copy.metadata.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return list(damage)


def _cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def _change(path: Path, change: Callable[[AnnData], None]) -> None:
    import anndata

    adata = anndata.read_h5ad(path)
    change(adata)
    with atomic_path(path) as beside:
        adata.write_h5ad(beside, compression="gzip")


def _lose_counts(adata: AnnData) -> None:
    adata.X.data[::97] = np.nan


def _take_logarithms(adata: AnnData) -> None:
    adata.X.data = np.log1p(adata.X.data)


def _move_away(adata: AnnData) -> None:
    adata.obsm["spatial"] = adata.obsm["spatial"] + 1e6

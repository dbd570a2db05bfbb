"""A prepared corpus: spots with their features, read in a few chunks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.data.corpus.columns import Columns, find_columns
from molf_engine.data.corpus.layout import (
    COMPLETE,
    COUNTS,
    ENCODER,
    FEATURES,
    MEASURED,
    NAMES,
    POSITIONS,
    SECTIONS,
    TOTAL,
    TRUTH,
    attributes,
    having,
    read_root,
)
from molf_engine.data.corpus.writing import log1p_counts
from molf_engine.data.expression import Expression
from molf_engine.data.sections import Section
from molf_engine.data.spots import Spots, Symbols
from molf_engine.errors import DataError
from molf_engine.progress import ProgressCallback, silent

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A section that is not in the corpus, and why."""

    section: str
    reason: str


@dataclass(frozen=True, eq=False)
class Corpus:
    """What `molf-engine prepare` made: a :class:`~molf_engine.data.spots.SpotSource` that needs no slides.

    Open one with :meth:`open`.
    """

    path: Path
    root: Mapping[str, Any]
    """Attributes of the corpus, see :mod:`molf_engine.data.corpus.layout`."""
    records: Mapping[str, Mapping[str, Any]]
    """Attributes of each section, in order."""

    @classmethod
    def open(cls, path: Path | str) -> Corpus:
        """Open a corpus; its arrays are read when they are asked for.

        Raises
        ------
        DataError
            If it is none, unfinished, damaged or of another version.
        """
        path = Path(path)
        root = read_root(path)
        if root["state"] != COMPLETE:
            raise DataError(
                f"{path} is not finished: `molf-engine prepare` was stopped or is still running. Run the same command again; "
                "it goes on where it was."
            )
        return cls(path, root, {name: _record(path, name) for name in root["sections"]})

    @property
    def encoder(self) -> str:
        """Name of the encoder whose features these are."""
        return str(self.root["encoder"]["name"])

    @property
    def width(self) -> int:
        """D, the length of a feature vector."""
        return int(self.root["encoder"]["width"])

    @property
    def encoder_folder(self) -> Path | None:
        """Folder that :func:`molf_engine.encoders.load_encoder` reads; none: the features were made elsewhere."""
        return self.path / ENCODER if self.root["encoder"]["saved"] else None

    @property
    def patch_um(self) -> float:
        """Side of a patch."""
        return float(self.root["patch_um"])

    @property
    def panel(self) -> str:
        """Name of the panel."""
        return str(self.root["panel"]["name"])

    @cached_property
    def genes(self) -> tuple[str, ...]:
        """The panel, ``G`` symbols."""
        return tuple(self.root["panel"]["symbols"])

    @property
    def encoder_fitted_on(self) -> tuple[str, ...]:
        """Sections whose images the encoder was fitted on."""
        return tuple(self.root["encoder"]["fitted_on"] or ())

    @property
    def panel_chosen_on(self) -> tuple[str, ...]:
        """Sections whose expression the panel was chosen on."""
        return tuple(self.root.get("panel_chosen_on", ()))

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Sections that could not be prepared."""
        return tuple(Failure(**failure) for failure in self.root["failures"])

    def sections(self, ids: Iterable[str] = ()) -> list[Section]:
        """Sections with these ids, in this order; none given: all.  Raises :class:`DataError` for an unknown one.

        Their paths are those of the original files, which may no longer exist.
        """
        wanted = tuple(dict.fromkeys(ids)) or tuple(self.records)
        if unknown := [name for name in wanted if name not in self.records]:
            failed = {failure.section: failure.reason for failure in self.failures}
            why = f" {unknown[0]} could not be prepared: {failed[unknown[0]]}" if unknown[0] in failed else ""
            raise DataError(f"No section {', '.join(unknown)} in {self.path}.{why} {having(list(self.records))}")
        return [_section(self.records[name]["section"]) for name in wanted]

    def read(
        self,
        section: Section,
        genes: tuple[str, ...],
        min_counts: float = 0,
        symbols: Symbols | None = None,
        progress: ProgressCallback = silent,
    ) -> Spots:
        """Spots of a section on genes of the corpus.

        In float32 they are, bit for bit, those of :class:`~molf_engine.data.spots.FolderSpots` with the same encoder.

        Raises
        ------
        DataError
            If a gene is not in the corpus, the section is damaged, or no spot is left.
        """
        (own,) = self.sections([section.id])
        record = self.records[section.id]
        of_mouse = own.is_mouse or record["species_of_genes"] in {"mouse", "mixed"}
        if symbols is not None and record["symbols"] is None and of_mouse:
            raise DataError(
                f"{section.id} of {self.path} was prepared without human orthologs of mouse genes. Prepare it again with "
                "--orthologs mouse."
            )
        arrays = _Arrays(self.path / SECTIONS / section.id, int(record["spots"]))
        total = arrays.read(TOTAL)
        kept = total >= min_counts
        if not kept.any():
            raise DataError(
                f"{section.id}: none of its {len(total)} spots has {min_counts:g} counts or more. Lower min_counts."
            )
        measured = arrays.read(MEASURED, spots=False)
        if len(measured) != len(self.genes):
            raise DataError(
                f"{section.id} of {self.path} was prepared on {len(measured)} genes, the panel of the corpus names {len(self.genes)}: a "
                "file was changed. Prepare it again with --overwrite."
            )
        columns = find_columns(tuple(genes), self.genes, measured)
        self._check_genes(genes, columns)
        measured = measured[columns.places]
        if not measured.any():
            raise DataError(
                f"{section.id}: it measures none of these {len(genes)} genes ({', '.join(genes[:3])}, ...)."
            )
        features = arrays.read(FEATURES)
        kept &= np.isfinite(features).all(axis=1)
        if not kept.any():
            raise DataError(f"{section.id}: none of its spots with {min_counts:g} counts or more has features.")
        positions = arrays.read(POSITIONS)[kept]
        counts = _part(arrays.read(COUNTS), kept, columns.places)
        names = arrays.names()
        expression = Expression(
            section_id=section.id,
            genes=tuple(genes),
            counts_log1p=counts if record["counts"] == "log1p" else log1p_counts(counts.astype(np.float32)),
            measured=measured,
            total=total[kept],
            positions=positions,
            names=tuple(names[index] for index in np.flatnonzero(kept)),
            left_out=int((~kept).sum()),
            truth=_part(arrays.read(TRUTH), kept, columns.places) if arrays.has(TRUTH) else None,
            aliases=_names_in_file(genes, columns, record["aliases"]),
        )
        scale = float(record["um_per_pixel"])
        return Spots(own, features[kept].astype(np.float32, copy=False), positions * scale, expression, scale)

    def fingerprint(self, section: Section) -> str:
        """Digest of the section's arrays."""
        return str(self.records[section.id]["digest"])

    def slide_size(self, section: Section) -> tuple[int, int] | None:
        """Width and height of the slide at level 0, if known."""
        size = self.records[section.id]["slide_size"]
        return (int(size[0]), int(size[1])) if size else None

    def summary(self) -> dict[str, Any]:
        """What is in it, in a few words and numbers."""
        records = self.records.values()
        return {
            "path": str(self.path),
            "sections": len(self.records),
            "failed": len(self.root["failures"]),
            "spots": sum(int(record["spots"]) for record in records),
            "spots_with_features": sum(int(record["with_features"]) for record in records),
            "panel": self.panel,
            "genes": len(self.genes),
            "encoder": self.encoder,
            "width": self.width,
            "encoder_fitted_on": self.root["encoder"]["fitted_on"],
            "panel_chosen_on": list(self.panel_chosen_on),
            "patch_um": self.patch_um,
            "features_dtype": self.root["features_dtype"],
            "bytes": sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file()),
        }

    def _check_genes(self, genes: tuple[str, ...], columns: Columns) -> None:
        if missing := [gene for gene, place in zip(genes, columns.places.tolist(), strict=True) if place < 0]:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise DataError(
                f"{self.path} has no gene {', '.join(missing[:5])}{more}: it was prepared with the panel {self.panel} "
                f"({len(self.genes)} genes). Prepare it again with --panel."
            )


def _names_in_file(genes: tuple[str, ...], columns: Columns, aliases: Mapping[str, str]) -> dict[str, str]:
    """Genes that the file of a section has under another name: symbol to that name."""
    of_corpus = {gene: columns.others.get(gene, gene) for gene in genes}
    names = {gene: aliases.get(symbol, symbol) for gene, symbol in of_corpus.items()}
    return {gene: name for gene, name in names.items() if name != gene}


def _part(values: np.ndarray, spots: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Chosen rows and columns, (S, G), without a copy where all are chosen."""
    # Genes first: a copy of the chosen columns alone.
    if not np.array_equal(columns, np.arange(values.shape[1])):
        values = values[:, columns]
    return np.ascontiguousarray(values if spots.all() else values[spots])


class _Arrays:
    """Arrays of one section; what is missing or damaged is said, never filled with zeros."""

    def __init__(self, folder: Path, spots: int) -> None:
        self._folder, self._spots = folder, spots

    def has(self, name: str) -> bool:
        return (self._folder / name).is_dir()

    def read(self, name: str, *, spots: bool = True) -> np.ndarray:
        import zarr

        try:
            array = zarr.open_array(str(self._folder / name), mode="r")
            if array.nchunks_initialized != array.nchunks:
                raise ValueError("a chunk is missing")
            values = np.asarray(array[...])
            if spots and len(values) != self._spots:
                raise ValueError(f"{len(values)} rows for {self._spots} spots")
        # Zarr and its codecs raise kinds of their own on a damaged file; each means the same to the user.
        except Exception as error:
            raise DataError(
                f"{self._folder / name} is damaged ({error}). Remove {self._folder} and run `molf-engine prepare` again: it does "
                "that section anew."
            ) from error
        return values

    def names(self) -> list[str]:
        try:
            names = json.loads(self.read(NAMES, spots=False).tobytes())
            if len(names) != self._spots:
                raise ValueError(f"{len(names)} names for {self._spots} spots")
        except ValueError as error:
            raise DataError(f"{self._folder / NAMES} is damaged ({error}). Prepare the section again.") from error
        return list(names)


_NEEDED = (
    "section",
    "spots",
    "um_per_pixel",
    "slide_size",
    "with_features",
    "symbols",
    "species_of_genes",
    "aliases",
    "counts",
    "digest",
)


def _record(corpus: Path, name: str) -> Mapping[str, Any]:
    folder = corpus / SECTIONS / name
    try:
        record = attributes(folder)
        if missing := [name for name in _NEEDED if name not in record]:
            raise ValueError(f"{', '.join(missing)} missing")
        _section(record["section"])
        float(record["um_per_pixel"]), int(record["spots"]), record["aliases"].items()
        return record
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{folder} is missing or damaged ({error}). Run `molf-engine prepare` again: it does that section anew."
        ) from error


def _section(record: Mapping[str, Any]) -> Section:
    known = {field.name for field in fields(Section)}
    values = {name: value for name, value in record.items() if name in known}
    for name in ("slide_path", "st_path"):
        values[name] = Path(values[name])
    return Section(**values)

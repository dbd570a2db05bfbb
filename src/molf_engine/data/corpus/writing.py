"""From memory to disk: one section becomes visible when it is whole."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from molf_engine.data.corpus.layout import (
    COUNTS,
    FEATURES,
    MEASURED,
    NAMES,
    PARTIAL,
    POSITIONS,
    SECTIONS,
    TOTAL,
    TRUTH,
    write_group,
)
from molf_engine.data.corpus.measure import Measured, Recipe
from molf_engine.errors import DataError
from molf_engine.files import replace_path, writing_to

if TYPE_CHECKING:
    from molf_engine.data.sections import Section

_CHUNK_BYTES = 2**28
_LARGEST_EXACT = 2**24  # of a float32; larger counts are kept as logarithms
_ROWS = 2048
_WHOLE = (np.uint8, np.uint16, np.uint32)


def write_section(corpus: Path, measured: Measured, recipe: Recipe, sources: Mapping[str, Any]) -> None:
    """Write a section into a corpus, in place of an older one.

    Raises
    ------
    DataError
        If a feature is too large for float16.
    MolfError
        If the disk is full, or the folder cannot be written.
    """
    arrays = _arrays(measured, recipe)
    attributes = _attributes(measured, arrays, recipe, sources)
    partial, place = (corpus / folder / measured.section.id for folder in (PARTIAL, SECTIONS))
    try:
        with writing_to(corpus):
            partial.mkdir(parents=True)
            for name, values in arrays.items():
                _write_array(partial / name, values)
            write_group(partial, attributes)
            place.parent.mkdir(exist_ok=True)
            replace_path(partial, place)
    finally:
        remove_partial(corpus)


def remove_partial(corpus: Path) -> None:
    """Remove what is half-written, here or by a process that was killed."""
    shutil.rmtree(corpus / PARTIAL, ignore_errors=True)


def log1p_counts(counts: np.ndarray) -> np.ndarray:
    """Log(1 + counts) as :func:`molf_engine.data.load_expression` computes it, bit for bit; float32."""
    result: np.ndarray = np.log1p(counts, dtype=np.float32)
    return result


def _arrays(measured: Measured, recipe: Recipe) -> dict[str, np.ndarray]:
    expression = measured.expression
    with np.errstate(over="ignore"):
        features = measured.features.astype(recipe.features_dtype)
    if not np.array_equal(np.isfinite(features), np.isfinite(measured.features)):
        raise DataError(
            f"{expression.section_id}: some features are too large for float16. Prepare the corpus with --features-dtype float32."
        )
    arrays = {
        FEATURES: features,
        COUNTS: _smallest_counts(expression.counts_log1p),
        MEASURED: expression.measured,
        TOTAL: expression.total,
        POSITIONS: expression.positions,
        NAMES: np.frombuffer(json.dumps(expression.names).encode(), np.uint8),
    }
    return arrays if expression.truth is None else {**arrays, TRUTH: expression.truth}


def _smallest_counts(logarithms: np.ndarray) -> np.ndarray:
    """Counts as the smallest whole-number type that holds them; their float32 logarithms if they are fractions."""
    largest = float(np.rint(np.expm1(logarithms.max(initial=0.0), dtype=np.float64)))
    if largest >= _LARGEST_EXACT:
        return logarithms
    whole = np.empty(logarithms.shape, next(kind for kind in _WHOLE if largest <= np.iinfo(kind).max))
    # A part at a time: as float64 all counts of a large section would be the most that is ever in memory.
    for start in range(0, len(whole), _ROWS):
        part = logarithms[start : start + _ROWS]
        whole[start : start + _ROWS] = np.rint(np.expm1(part, dtype=np.float64))
        if not np.array_equal(log1p_counts(whole[start : start + _ROWS].astype(np.float32)), part):
            return logarithms
    return whole


def _write_array(path: Path, values: np.ndarray) -> None:
    import zarr
    from zarr.codecs import BloscCodec

    row = max(1, values[:1].nbytes)
    zarr.create_array(
        str(path),
        data=np.ascontiguousarray(values),
        chunks=(min(len(values), max(1, _CHUNK_BYTES // row)), *values.shape[1:]),
        compressors=BloscCodec(cname="zstd", clevel=3, shuffle="shuffle", typesize=values.itemsize),
        # A chunk that is not there is damage then, never zeros.
        config={"write_empty_chunks": True},
    )


def _attributes(
    measured: Measured, arrays: Mapping[str, np.ndarray], recipe: Recipe, sources: Mapping[str, Any]
) -> dict[str, Any]:
    readable = np.isfinite(measured.features).all(axis=1)
    digest = hashlib.blake2b(digest_size=16)
    for name, values in arrays.items():
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return {
        "section": section_record(measured.section),
        "um_per_pixel": measured.um_per_pixel,
        "slide_size": None if measured.slide_size is None else list(measured.slide_size),
        "spots": len(readable),
        "with_features": int(readable.sum()),
        "width": int(measured.features.shape[1]),
        "genes_measured": int(measured.expression.measured.sum()),
        "symbols": recipe.symbols_of(measured.section),
        "species_of_genes": None if measured.expression.reference is None else measured.expression.reference.kind,
        "aliases": dict(measured.expression.aliases),
        "counts": "log1p" if arrays[COUNTS].dtype == np.float32 else "whole",
        "digest": digest.hexdigest(),
        "notes": list(measured.notes),
        "sources": dict(sources),
    }


def section_record(section: Section) -> dict[str, Any]:
    """Fields of a section as JSON has them."""
    record: dict[str, Any] = _plain(asdict(section))
    return record


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)

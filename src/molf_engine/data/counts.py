"""All counts of one section's file, of one species: what expression on a panel and the choice of a panel start from."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.genes import Reference, orthologs, species_of

if TYPE_CHECKING:
    import anndata
    import scipy.sparse

logger = logging.getLogger(__name__)

# log1p of a million counts is 13.8: fractions below this are most likely logarithms, not counts.
_LARGEST_LOGARITHM = 20.0


@dataclass(frozen=True)
class Columns:
    """Every gene of one section's file, of one species (``S`` spots, ``F`` genes of the file)."""

    symbols: tuple[str, ...]
    """Symbol of each gene; empty: none. A symbol may be there more than once."""
    counts: scipy.sparse.csr_matrix
    """``(S, F)`` float64 raw counts."""
    positions: np.ndarray
    """``(S, 2)`` float64, x and y of the centres in level-0 pixels."""
    names: tuple[str, ...]
    """Unique names of the spots."""
    reference: Reference
    """Species of all genes of the file, those left out too."""
    expected: np.ndarray | None = None
    """``(S, F)`` float32, what the simulator wrote beside the counts."""


def read_columns(section: Section, symbols: Literal["human_symbol"] | None = None) -> Columns:
    """Read all counts of a section; of a file with genes of two species, those of one.

    Parameters
    ----------
    section
        From :func:`~molf_engine.data.sections.read_hest`.
    symbols
        As for :func:`~molf_engine.data.expression.load_expression`.

    Raises
    ------
    DataError
        If the file cannot be read, has no positions, or holds NaN, negative or log-transformed values.
    """
    adata = _read(section.st_path)
    counts = _counts(adata, section.id)
    reference = species_of(
        [str(name) for name in adata.var_names],
        np.asarray(counts.sum(axis=0)).ravel(),
        [str(value) for value in adata.var["gene_ids"]] if "gene_ids" in adata.var else None,
    )
    named = _symbols(adata, section, reference, symbols)
    expected = np.asarray(adata.layers["expected"], dtype=np.float32) if "expected" in adata.layers else None
    positions = _positions(adata, section.id)
    if reference.kind == "mixed":
        keep = np.flatnonzero(reference.mouse if symbols == "human_symbol" else reference.human)
        logger.warning(
            "%s: %s. Only the %s genes are read, and only their counts are totalled",
            section.id,
            reference.text,
            "mouse" if symbols == "human_symbol" else "human",
        )
        counts, named = counts[:, keep], [named[place] for place in keep]
        expected = expected if expected is None else expected[:, keep]
    return Columns(
        symbols=tuple(named),
        counts=counts,
        positions=positions,
        names=tuple(_unique_names(adata.obs_names, section.id)),
        reference=reference,
        expected=expected,
    )


def _read(path: Path) -> anndata.AnnData:
    import anndata

    try:
        return anndata.read_h5ad(path)
    # A damaged HDF5 file fails in many ways; each means the same to the user.
    except Exception as error:
        raise DataError(f"Cannot read the counts in {path}: {error}. It should be an AnnData file (.h5ad).") from error


def _counts(adata: anndata.AnnData, section_id: str) -> scipy.sparse.csr_matrix:
    """Raw counts ``(S, genes of the file)``, float64: whole sums stay exact."""
    import scipy.sparse

    if adata.X is None or 0 in adata.shape:
        raise DataError(f"{section_id}: its file holds no counts (X is empty).")
    counts = scipy.sparse.csr_matrix(adata.X, dtype=np.float64)
    values = counts.data
    for wrong, what in ((~np.isfinite(values), "NaN or infinite"), (values < 0, "negative")):
        if wrong.any():
            raise DataError(
                f"{section_id}: {wrong.sum()} counts are {what}, in {_named(adata, counts, wrong)}. "
                "X should hold raw counts."
            )
    broken = values != np.floor(values)
    if broken.any():
        where = _named(adata, counts, broken)
        if values.max() <= _LARGEST_LOGARITHM:
            raise DataError(f"{section_id}: X looks log-transformed (fractions in {where}). It should hold raw counts.")
        logger.warning(
            "%s: %d counts are not whole numbers, in %s: used as they are", section_id, int(broken.sum()), where
        )
    return counts


def _named(adata: anndata.AnnData, counts: scipy.sparse.csr_matrix, where: np.ndarray) -> str:
    """Name the genes of some stored values, in words."""
    genes = adata.var_names[np.unique(counts.indices[where])]
    more = f" and {len(genes) - 3} more genes" if len(genes) > 3 else ""
    return ", ".join(map(str, genes[:3])) + more


def _positions(adata: anndata.AnnData, section_id: str) -> np.ndarray:
    if "spatial" not in adata.obsm:
        raise DataError(f'{section_id}: its file has no obsm["spatial"], the x and y of the spots in level-0 pixels.')
    positions = np.asarray(adata.obsm["spatial"], dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise DataError(f'{section_id}: obsm["spatial"] should be an x and a y for each spot, all finite.')
    return positions


def _symbols(adata: anndata.AnnData, section: Section, reference: Reference, symbols: str | None) -> list[str]:
    """Symbol of each column of the file; empty: none."""
    own = list(reference.symbols)
    if symbols is None:
        return own
    if symbols in adata.var:
        column: Any = adata.var[symbols]
        return ["" if value is None or value != value else str(value) for value in column.astype(object)]
    if symbols == "human_symbol" and (section.is_mouse or reference.kind in {"mouse", "mixed"}):
        human = {mouse: name for name, mouse in orthologs("mouse").items()}
        return [human.get(name, "") for name in own]
    raise DataError(
        f'{section.id}: its file has no column var["{symbols}"]. It has: {", ".join(adata.var.columns) or "none"}.'
    )


def _unique_names(names: Any, section_id: str) -> list[str]:
    """Names of the spots; repeated ones get a number, so that a name is one spot."""
    given = [str(name) for name in names]
    if len(set(given)) == len(given):
        return given
    logger.warning("%s: some spots share a name; they get a number each", section_id)
    taken, unique = set(given), []
    seen: set[str] = set()
    for name in given:
        number, candidate = 0, name
        while candidate in seen or (number and candidate in taken):
            number += 1
            candidate = f"{name}-{number}"
        seen.add(candidate)
        unique.append(candidate)
    return unique

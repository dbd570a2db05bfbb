"""Measured expression of one section, on a gene panel."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.genes import convert_units, orthologs

if TYPE_CHECKING:
    import anndata
    import scipy.sparse

logger = logging.getLogger(__name__)

# log1p of a million counts is 13.8: fractions below this are most likely logarithms, not counts.
_LARGEST_LOGARITHM = 20.0


@dataclass(frozen=True)
class Expression:
    """Counts of the spots of a section, on the genes of a panel (``S`` spots, ``G`` genes)."""

    section_id: str
    genes: tuple[str, ...]
    """The panel, measured here or not."""
    counts_log1p: np.ndarray
    """``(S, G)`` float32, log(1 + counts); 0 where unmeasured."""
    measured: np.ndarray
    """``(G,)`` bool: the section has this gene."""
    total: np.ndarray
    """``(S,)`` float32, counts over ALL genes of the section, those outside the panel too."""
    positions: np.ndarray
    """``(S, 2)`` float64, x and y of the centres in level-0 pixels."""
    names: tuple[str, ...]
    """Unique names of the spots (barcodes)."""
    left_out: int
    """How many spots were left out because they have too few counts."""
    truth: np.ndarray | None = None
    """``(S, G)`` float32 log1p-cp10k expression without the noise of counting, where it is known: in simulated tissue only."""

    def __len__(self) -> int:
        """Count the spots."""
        return len(self.names)

    def in_units(self, units: str) -> np.ndarray:
        """``(S, G)`` float32 expression in ``log1p`` or ``log1p-cp10k``; 0 where unmeasured."""
        return convert_units(self.counts_log1p, self.total, "log1p", units)

    def subset(self, keep: np.ndarray) -> Expression:
        """The spots where ``keep`` ``(S,)`` is true; the others count as left out.  Raises :class:`DataError` if none is."""
        if not keep.any():
            raise DataError(f"{self.section_id}: none of its patches can be read. The slide file may be damaged.")
        return replace(
            self,
            counts_log1p=self.counts_log1p[keep],
            total=self.total[keep],
            positions=self.positions[keep],
            names=tuple(name for name, kept in zip(self.names, keep, strict=True) if kept),
            left_out=self.left_out + int((~keep).sum()),
            truth=None if self.truth is None else self.truth[keep],
        )


def load_expression(
    section: Section,
    genes: tuple[str, ...],
    min_counts: float = 0,
    symbols: Literal["human_symbol"] | None = None,
) -> Expression:
    """Read the counts of a section on a panel; unmeasured genes are marked, not refused.

    Columns of the file that bear the same symbol are one gene: their counts are added.

    Parameters
    ----------
    section
        From :func:`~molf_engine.data.sections.read_hest`.
    genes
        The panel, ``G`` symbols.
    min_counts
        Spots with fewer counts over all genes are left out, and counted.
    symbols
        ``human_symbol``: match the panel with human symbols instead of the names of the file: with the column of that
        name, or for a mouse section without it, with one-to-one orthologs. Genes without one still count in the total.

    Raises
    ------
    DataError
        If the file cannot be read, has no positions, holds NaN, negative or log-transformed values (genes named), no
        gene of the panel, or no spot with ``min_counts``.
    """
    adata = _read(section.st_path)
    counts = _counts(adata, section.id)
    positions = _positions(adata, section.id)
    columns = _panel_columns(_symbols(adata, section, symbols), genes, section)

    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    kept = total >= min_counts
    if not kept.any():
        raise DataError(
            f"{section.id}: none of its {len(total)} spots has {min_counts:g} counts or more. Lower min_counts."
        )
    if left_out := int((~kept).sum()):
        logger.info(
            "%s: left out %d of %d spots with fewer than %g counts", section.id, left_out, len(total), min_counts
        )

    on_panel = (counts[np.flatnonzero(kept)] @ columns).toarray()
    names = np.asarray(_unique_names(adata.obs_names, section.id), dtype=object)[kept]
    return Expression(
        section_id=section.id,
        genes=tuple(genes),
        counts_log1p=np.log1p(on_panel, dtype=np.float32),
        measured=np.asarray(columns.sum(axis=0)).ravel() > 0,
        total=total[kept].astype(np.float32),
        positions=positions[kept],
        names=tuple(names),
        left_out=left_out,
        truth=_truth(adata, kept, columns),
    )


def _truth(adata: anndata.AnnData, kept: np.ndarray, columns: scipy.sparse.csr_matrix) -> np.ndarray | None:
    """What :mod:`molf_engine.data.simulator` wrote beside the counts."""
    if "expected" not in adata.layers:
        return None
    expected = np.asarray(adata.layers["expected"], dtype=np.float32)[kept]
    # A logarithm cannot be added up: it is taken over only where a column of the file is a gene of the panel by itself.
    result: np.ndarray = expected @ columns.toarray().astype(np.float32)
    return result if columns.sum(axis=0).max() <= 1 else None


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


def _symbols(adata: anndata.AnnData, section: Section, symbols: str | None) -> list[str]:
    """Symbol of each column of the file; empty: none."""
    own = [str(name) for name in adata.var_names]
    if symbols is None:
        return own
    if symbols in adata.var:
        column: Any = adata.var[symbols]
        return ["" if value is None or value != value else str(value) for value in column.astype(object)]
    if symbols == "human_symbol" and section.is_mouse:
        human = {mouse: name for name, mouse in orthologs("mouse").items()}
        return [human.get(name, "") for name in own]
    raise DataError(
        f'{section.id}: its file has no column var["{symbols}"]. It has: {", ".join(adata.var.columns) or "none"}.'
    )


def _panel_columns(symbols: list[str], genes: tuple[str, ...], section: Section) -> scipy.sparse.csr_matrix:
    """``(genes of the file, G)``, 1 where a column of the file counts for a gene of the panel."""
    import scipy.sparse

    place = {symbol: column for column, symbol in enumerate(genes)}
    found = [(row, place[symbol]) for row, symbol in enumerate(symbols) if symbol in place]
    if not found:
        hint = " Its genes are of a mouse: match them by human symbols (human_symbol)." if section.is_mouse else ""
        raise DataError(
            f"{section.id}: none of its {len(symbols)} genes ({', '.join(symbols[:3])}, ...) is among the {len(genes)} "
            f"of the panel ({', '.join(genes[:3])}, ...). Both should be gene symbols of one species.{hint}"
        )
    rows, columns = np.array(found).T
    if twice := [genes[column] for column, count in Counter(columns.tolist()).items() if count > 1]:
        logger.warning("%s: added the counts of several columns for %s", section.id, ", ".join(twice[:5]))
    return scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(symbols), len(genes)))


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

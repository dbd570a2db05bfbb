"""Measured expression of one section, on a gene panel."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.data.counts import Columns, read_columns
from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.genes import Reference, convert_units, read_as

if TYPE_CHECKING:
    import scipy.sparse

logger = logging.getLogger(__name__)


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
    """``(S,)`` float32, counts over ALL genes of the section, those outside the panel too; of a file with genes of two
    species, over those of the one that was asked for."""
    positions: np.ndarray
    """``(S, 2)`` float64, x and y of the centres in level-0 pixels."""
    names: tuple[str, ...]
    """Unique names of the spots (barcodes)."""
    left_out: int
    """How many spots were left out because they have too few counts."""
    truth: np.ndarray | None = None
    """``(S, G)`` float32 log1p-cp10k expression without the noise of counting, where it is known: in simulated tissue only."""
    reference: Reference | None = None
    """Species of the genes of the file, where a file was read."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Genes of the panel that the file has under an earlier or other name: symbol to that name."""

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

    Columns of the file that bear the same symbol are one gene: their counts are added.  A gene of the panel that the file
    does not have is read under an earlier or other name, if one column alone bears such a name.

    A file with genes of human and mouse (a human tumour grown in a mouse, aligned to both genomes) is read as one species:
    human, or with ``human_symbol`` mouse.  Only its counts are read, totalled and held against ``min_counts``, so that
    counts per 10,000 do not depend on how much of the other species lies in a spot.

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
        name, or for mouse genes without it, with one-to-one orthologs. Genes without one still count in the total.

    Raises
    ------
    DataError
        If the file cannot be read, has no positions, holds NaN, negative or log-transformed values (genes named), no
        gene of the panel, or no spot with ``min_counts``.
    """
    return expression_of(read_columns(section, symbols), section, genes, min_counts)


def expression_of(columns: Columns, section: Section, genes: tuple[str, ...], min_counts: float = 0) -> Expression:
    """Counts on a panel, wherever they are kept; see :func:`load_expression`."""
    on_panel, aliases = _panel_columns(columns, genes, section)
    counts_log1p, total = _sums(columns, on_panel)
    kept = total >= min_counts
    if not kept.any():
        raise DataError(
            f"{section.id}: none of its {len(total)} spots has {min_counts:g} counts or more. Lower min_counts."
        )
    if left_out := int((~kept).sum()):
        logger.info(
            "%s: left out %d of %d spots with fewer than %g counts", section.id, left_out, len(total), min_counts
        )
    names = np.asarray(columns.names, dtype=object)[kept]
    return Expression(
        section_id=section.id,
        genes=tuple(genes),
        counts_log1p=counts_log1p[kept] if left_out else counts_log1p,
        measured=np.asarray(on_panel.sum(axis=0)).ravel() > 0,
        total=total[kept].astype(np.float32),
        positions=columns.positions[kept],
        names=tuple(names),
        left_out=left_out,
        truth=_truth(columns.expected(), kept, on_panel),
        reference=columns.reference,
        aliases=aliases,
    )


def _sums(columns: Columns, on_panel: scipy.sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Log of one plus the counts on the panel ``(S, G)`` float32, and the counts of each spot in all ``(S,)`` float64."""
    spots = len(columns.names)
    counts_log1p = np.empty((spots, on_panel.shape[1]), np.float32)
    total = np.empty(spots, np.float64)
    for rows, counts in columns.blocks():
        total[rows] = np.asarray(counts.sum(axis=1)).ravel()
        np.log1p((counts @ on_panel).toarray(), out=counts_log1p[rows], dtype=np.float32, casting="same_kind")
    return counts_log1p, total


def _truth(expected: np.ndarray | None, kept: np.ndarray, columns: scipy.sparse.csr_matrix) -> np.ndarray | None:
    """What :mod:`molf_engine.data.simulator` wrote beside the counts."""
    if expected is None:
        return None
    # A logarithm cannot be added up: it is taken over only where a column of the file is a gene of the panel by itself.
    result: np.ndarray = expected[kept] @ columns.toarray().astype(np.float32)
    return result if columns.sum(axis=0).max() <= 1 else None


def _panel_columns(
    read: Columns, genes: tuple[str, ...], section: Section
) -> tuple[scipy.sparse.csr_matrix, dict[str, str]]:
    """``(genes of the file, G)``, 1 where a column of the file counts for a gene of the panel; and what was read as what."""
    import scipy.sparse

    symbols = read.symbols
    place = {symbol: column for column, symbol in enumerate(genes)}
    held = set(symbols)
    aliases = read_as(
        [gene for gene in genes if gene not in held], [symbol for symbol in symbols if symbol not in place]
    )
    if aliases:
        examples = ", ".join(f"{name} as {symbol}" for symbol, name in list(aliases.items())[:5])
        more = f" and {len(aliases) - 5} more" if len(aliases) > 5 else ""
        logger.info(
            "%s: %d genes of the panel bear another name in the file; read %s%s",
            section.id,
            len(aliases),
            examples,
            more,
        )
    place |= {name: place[symbol] for symbol, name in aliases.items()}
    found = [(row, place[symbol]) for row, symbol in enumerate(symbols) if symbol in place]
    if not found:
        hint = (
            " Its genes are of a mouse: match them by human symbols (human_symbol)."
            if section.is_mouse or read.reference.kind == "mouse"
            else ""
        )
        raise DataError(
            f"{section.id}: none of its {len(symbols)} genes ({', '.join(symbols[:3])}, ...) is among the {len(genes)} "
            f"of the panel ({', '.join(genes[:3])}, ...). Both should be gene symbols of one species.{hint}"
        )
    rows, columns = np.array(found).T
    if twice := [genes[column] for column, count in Counter(columns.tolist()).items() if count > 1]:
        logger.warning("%s: added the counts of several columns for %s", section.id, ", ".join(twice[:5]))
    matrix = scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(symbols), len(genes)))
    return matrix, aliases

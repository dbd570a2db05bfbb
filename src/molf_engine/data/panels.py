"""Gene panels that are chosen on data: Hallmark genes and the most variable genes of each cancer type."""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from molf_engine.data.counts import Columns, read_columns
from molf_engine.data.sections import Section
from molf_engine.errors import ConfigError, DataError
from molf_engine.genes import approved_symbol, hallmark_sets, panel
from molf_engine.genes.panels import HALLMARK_HVG
from molf_engine.genes.units import UNITS
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    import scipy.sparse

logger = logging.getLogger(__name__)

# Rows of in situ platforms that are no genes: negative controls, blank and unassigned codewords.
_CONTROL = re.compile(
    r"^(?:neg(?:ative)?[_-]?control|negprb|blank|antisense|unassigned|deprecated|intergenic)", re.IGNORECASE
)


def panel_of(name: str | Path, sections: Sequence[Section], min_counts: float = 100) -> tuple[str, ...]:
    """Genes of a panel by its name: chosen on ``sections`` if it is ``hallmark+hvg``, else known without them.

    Parameters
    ----------
    name
        As for :func:`molf_engine.genes.panel`, or ``hallmark+hvg``.
    sections
        The TRAINING sections of a run, no others: a panel chosen with test sections has seen them.
    min_counts
        Spots with fewer counts are left out of the choice.

    Raises
    ------
    ConfigError
        If there is no such panel.
    DataError
        If a section cannot be read, or no gene fits.
    """
    return hallmark_hvg_panel(sections, min_counts=min_counts) if str(name) == HALLMARK_HVG else panel(name)


def hallmark_hvg_panel(
    sections: Sequence[Section],
    share: float = 0.9,
    per_code: int = 50,
    min_counts: float = 100,
    units: str = "log1p-cp10k",
    detected: float = 0.1,
    symbols: Literal["human_symbol"] | None = None,
    progress: ProgressCallback = silent,
) -> tuple[str, ...]:
    """Hallmark genes that nearly all sections measure, and the most variable genes of each cancer type.

    The variability of a gene in a cancer type is the mean over the type's sections of its variance over the spots of one
    section: shifts between sections (batch, platform, depth) are no variance.  It is taken in ``log1p-cp10k``, because in
    log1p of raw counts the most variable genes are the most abundant ones, through the total counts of the spots.  A gene
    must be detected in a tenth of a section's spots on the mean: below that its variance is the noise of counting.  Genes
    that fewer than ``share`` of the type's sections measure are not compared.  Earlier names of genes are read as today's, so
    that files of different years meet.

    Sections are read one at a time; what is kept is a few numbers per gene.

    Parameters
    ----------
    sections
        Training sections, of one species or read by human symbols.
    share
        A Hallmark gene is kept if at least this share of all sections measures it.
    per_code
        How many variable genes each cancer code adds; a code that has fewer adds those.
    min_counts
        Spots with fewer counts in all are left out.
    units
        Scale of the variance: ``log1p-cp10k`` or ``log1p``.
    detected
        Least share of spots with a count, mean over the type's sections.
    symbols
        As for :func:`~molf_engine.data.expression.load_expression`.
    progress
        Called after each section.

    Returns
    -------
    tuple of str
        Symbols in ASCII order, as the released panel has them.

    Raises
    ------
    ConfigError
        If a setting is out of range.
    DataError
        If there is no section, one cannot be read or has no spot with ``min_counts``, or no gene fits.
    """
    _check(share, per_code, units, detected)
    if not sections:
        raise DataError(f"The panel {HALLMARK_HVG} is chosen on training sections, and there are none.")
    measured: Counter[str] = Counter()
    by_code: dict[str, _Moments] = defaultdict(_Moments)
    progress(Progress("Choose the panel", 0, len(sections), "sections"))
    for number, section in enumerate(sections, start=1):
        genes, variance, seen = _spread(section, min_counts, units, symbols)
        measured.update(genes)
        by_code[section.code].add(genes, variance, seen)
        progress(Progress("Choose the panel", number, len(sections), "sections"))
    hallmark = set().union(*hallmark_sets().values())
    chosen = {gene for gene, count in measured.items() if gene in hallmark and count >= share * len(sections)}
    kept = len(chosen)
    for code, moments in sorted(by_code.items()):
        variable = moments.most_variable(per_code, share, detected)
        if len(variable) < per_code:
            logger.warning("%s: only %d variable genes, of %d asked for", code, len(variable), per_code)
        chosen.update(variable)
    if not chosen:
        raise DataError(
            f"The panel {HALLMARK_HVG} is empty: no Hallmark gene is measured in {share:.0%} of the {len(sections)} sections, "
            "and no gene varies. Are the gene names human symbols?"
        )
    logger.info("Panel %s: %d Hallmark genes and %d others that vary", HALLMARK_HVG, kept, len(chosen) - kept)
    return tuple(sorted(chosen))


class _Moments:
    """Sums over the sections of one cancer code, per gene."""

    def __init__(self) -> None:
        self.sections = 0
        self.count: Counter[str] = Counter()
        self.variance: dict[str, float] = defaultdict(float)
        self.seen: dict[str, float] = defaultdict(float)

    def add(self, genes: Sequence[str], variance: np.ndarray, seen: np.ndarray) -> None:
        self.sections += 1
        self.count.update(genes)
        for gene, spread, part in zip(genes, variance.tolist(), seen.tolist(), strict=True):
            self.variance[gene] += spread
            self.seen[gene] += part

    def most_variable(self, wanted: int, share: float, detected: float) -> list[str]:
        """The genes that vary most; those that vary alike in the order of their names."""
        known = [
            (-self.variance[gene] / count, gene)
            for gene, count in self.count.items()
            if count >= share * self.sections and self.seen[gene] >= detected * count and self.variance[gene] > 0
        ]
        return [gene for _, gene in sorted(known)[:wanted]]


def _spread(
    section: Section, min_counts: float, units: str, symbols: Literal["human_symbol"] | None
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Genes of a section, with the variance of each over its spots and the share of spots that have it."""
    read = read_columns(section, symbols)
    genes, adding = _by_symbol(read)
    spots = 0
    first, second, seen = (np.zeros(len(genes)) for _ in range(3))
    for _, block in read.blocks():
        total = np.asarray(block.sum(axis=1)).ravel()
        # A spot without any count has no composition.
        kept = np.flatnonzero((total >= min_counts) & (total > 0))
        counts = block[kept] @ adding
        counts.eliminate_zeros()
        spots += len(kept)
        seen += counts.getnnz(axis=0)
        if units == "log1p-cp10k":
            counts.data *= np.repeat(1e4 / total[kept], np.diff(counts.indptr))
        counts.data = np.log1p(counts.data)
        first += np.asarray(counts.sum(axis=0)).ravel()
        counts.data **= 2
        second += np.asarray(counts.sum(axis=0)).ravel()
    if not spots:
        raise DataError(
            f"{section.id}: none of its {len(read.names)} spots has {min_counts:g} counts or more. Lower min_counts."
        )
    return genes, np.maximum(second / spots - (first / spots) ** 2, 0.0), seen / spots


def _by_symbol(read: Columns) -> tuple[list[str], scipy.sparse.csr_matrix]:
    """Genes, and ``(F, genes)`` to add columns of one symbol; controls are left out."""
    import scipy.sparse

    symbols = _todays(read.symbols)
    kinds = dict.fromkeys(symbol for symbol in symbols if symbol and not _CONTROL.match(symbol))
    place = {symbol: column for column, symbol in enumerate(kinds)}
    rows = [row for row, symbol in enumerate(symbols) if symbol in place]
    columns = [place[symbols[row]] for row in rows]
    return list(place), scipy.sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(symbols), len(place)))


def _todays(symbols: Sequence[str]) -> list[str]:
    """Each symbol as HGNC has it today, unless the file has that one too or two of its names would become one."""
    held = set(symbols)
    claims = Counter(approved_symbol(symbol) for symbol in held)
    return [
        today if (today := approved_symbol(symbol)) not in held and claims[today] == 1 else symbol for symbol in symbols
    ]


def _check(share: float, per_code: int, units: str, detected: float) -> None:
    for name, value in (("share", share), ("detected", detected)):
        if not 0 <= value <= 1:
            raise ConfigError(f"{name} is {value:g}: it should be a share between 0 and 1.")
    if per_code < 0:
        raise ConfigError(f"per_code is {per_code}: it should be how many genes each cancer type adds, 0 or more.")
    if units not in UNITS:
        raise ConfigError(f"Unknown units {units!r}: choose {' or '.join(UNITS)}.")

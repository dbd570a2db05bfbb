"""The counts of one section's file, of one species: what expression on a panel and the choice of a panel start from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from molf_engine.data.count_file import CountFile
from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.genes import Reference, orthologs, species_of

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse

logger = logging.getLogger(__name__)

# log1p of a million counts is 13.8: fractions below this are most likely logarithms, not counts.
_LARGEST_LOGARITHM = 20.0


class CountSource(Protocol):
    """Counts of ``S`` spots and ``F`` genes, on disk or in memory: what :class:`~molf_engine.data.count_file.CountFile` offers."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(S, F)``; zeros: there are no counts."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the spots, as they are."""

    @property
    def genes(self) -> pd.DataFrame:
        """``F`` rows, indexed by name."""

    @property
    def spatial(self) -> np.ndarray | None:
        """``(S, 2)`` centres of the spots in level-0 pixels; none: there are none."""

    def blocks(self) -> Iterator[tuple[int, scipy.sparse.csr_matrix]]:
        """First spot and counts ``(B, F)``, float64, of each block, in order."""

    def layer(self, name: str) -> np.ndarray | None:
        """A dense layer ``(S, F)`` as float32, if there is one of that name."""


@dataclass(frozen=True, eq=False)
class Columns:
    """Every gene of one section's file, of one species (``S`` spots, ``F`` genes of the file); the counts stay on disk."""

    section: Section
    symbols: tuple[str, ...]
    """Symbol of each gene; empty: none. A symbol may be there more than once."""
    positions: np.ndarray
    """``(S, 2)`` float64, x and y of the centres in level-0 pixels."""
    names: tuple[str, ...]
    """Unique names of the spots."""
    reference: Reference
    """Species of all genes of the file, those left out too."""
    file: CountSource
    keep: np.ndarray | None = None
    """``(F,)`` which genes of the file these are; none: all."""

    def blocks(self) -> Iterator[tuple[slice, scipy.sparse.csr_matrix]]:
        """Spots and raw counts ``(B, F)``, float64 (whole sums stay exact), a block at a time.

        Raises
        ------
        DataError
            After the last block, if some counts are NaN, negative or log-transformed; or if the file cannot be read.
        """
        check = _Check(self.section.id, self.file.genes.index)
        for start, counts in self.file.blocks():
            # Nothing is computed from what will be refused.
            if check.look(counts):
                yield slice(start, start + counts.shape[0]), counts if self.keep is None else counts[:, self.keep]
        check.finish()

    def expected(self) -> np.ndarray | None:
        """``(S, F)`` float32, what the simulator wrote beside the counts."""
        values = self.file.layer("expected")
        return values if values is None or self.keep is None else values[:, self.keep]


def read_columns(section: Section, symbols: Literal["human_symbol"] | None = None) -> Columns:
    """Open the counts of a section; of a file with genes of two species, those of one.

    Parameters
    ----------
    section
        From :func:`~molf_engine.data.sections.read_hest`.
    symbols
        As for :func:`~molf_engine.data.expression.load_expression`.

    Raises
    ------
    DataError
        If the file cannot be read, has no positions or no counts, or some of a file with two species cannot be counts.
    """
    return columns_of(CountFile.open(section.st_path), section, symbols)


def columns_of(file: CountSource, section: Section, symbols: Literal["human_symbol"] | None = None) -> Columns:
    """The counts of a section from wherever they are kept; see :func:`read_columns`."""
    if 0 in file.shape:
        raise DataError(f"{section.id}: its file holds no counts (X is empty).")
    names = [str(name) for name in file.genes.index]
    ids = [str(value) for value in file.genes["gene_ids"]] if "gene_ids" in file.genes else None
    reference = species_of(names, None, ids)
    columns = Columns(
        section=section,
        symbols=tuple(_symbols(file, section, reference, symbols)),
        positions=_positions(file, section.id),
        names=tuple(_unique_names(file.names, section.id)),
        reference=reference,
        file=file,
    )
    if reference.kind != "mixed":
        return columns
    totals = np.zeros(len(names))
    for _, counts in columns.blocks():
        totals += np.asarray(counts.sum(axis=0)).ravel()
    reference = species_of(names, totals, ids)
    wanted = "mouse" if symbols == "human_symbol" else "human"
    logger.warning(
        "%s: %s. Only the %s genes are read, and only their counts are totalled", section.id, reference.text, wanted
    )
    keep = np.flatnonzero(reference.mouse if wanted == "mouse" else reference.human)
    return replace(columns, symbols=tuple(columns.symbols[place] for place in keep), reference=reference, keep=keep)


@dataclass
class _Check:
    """Whether what is read can be raw counts: looked at block by block, said once."""

    section_id: str
    names: Any
    """Of the genes."""
    wrong: dict[str, int] = field(default_factory=dict)
    """How many counts are what they cannot be."""
    broken: int = 0
    """How many are fractions."""
    largest: float = 0.0
    genes: dict[str, set[int]] = field(default_factory=dict)
    """Where that was found."""

    def look(self, counts: scipy.sparse.csr_matrix) -> bool:
        """Look at a block; whether all counts so far are possible ones."""
        values = counts.data
        self._note("NaN or infinite", counts, ~np.isfinite(values))
        self._note("negative", counts, values < 0)
        if not self.wrong:
            self._note(_FRACTIONS, counts, values != np.floor(values))
            self.largest = max(self.largest, float(values.max(initial=0.0)))
        return not self.wrong

    def finish(self) -> None:
        """Refuse what is wrong, and say what is odd."""
        if self.wrong:
            what, count = next(iter(self.wrong.items()))
            raise DataError(
                f"{self.section_id}: {count} counts are {what}, in {self._named(what)}. X should hold raw counts."
            )
        if not self.broken:
            return
        where = self._named(_FRACTIONS)
        if self.largest <= _LARGEST_LOGARITHM:
            raise DataError(
                f"{self.section_id}: X looks log-transformed (fractions in {where}). It should hold raw counts."
            )
        logger.warning(
            "%s: %d counts are not whole numbers, in %s: used as they are", self.section_id, self.broken, where
        )

    def _note(self, what: str, counts: scipy.sparse.csr_matrix, where: np.ndarray) -> None:
        number = int(where.sum())
        if not number:
            return
        if what == _FRACTIONS:
            self.broken += number
        else:
            self.wrong[what] = self.wrong.get(what, 0) + number
        self.genes.setdefault(what, set()).update(np.unique(counts.indices[where]).tolist())

    def _named(self, what: str) -> str:
        """Name the genes in words."""
        genes = [str(self.names[place]) for place in sorted(self.genes[what])]
        more = f" and {len(genes) - 3} more genes" if len(genes) > 3 else ""
        return ", ".join(genes[:3]) + more


_FRACTIONS = "fractions"


def _positions(file: CountSource, section_id: str) -> np.ndarray:
    if file.spatial is None:
        raise DataError(f'{section_id}: its file has no obsm["spatial"], the x and y of the spots in level-0 pixels.')
    positions = np.asarray(file.spatial, dtype=np.float64)
    if positions.ndim != 2 or positions.shape[1] != 2 or not np.isfinite(positions).all():
        raise DataError(f'{section_id}: obsm["spatial"] should be an x and a y for each spot, all finite.')
    return positions


def _symbols(file: CountSource, section: Section, reference: Reference, symbols: str | None) -> list[str]:
    """Symbol of each column of the file; empty: none."""
    own = list(reference.symbols)
    if symbols is None:
        return own
    if symbols in file.genes:
        column: Any = file.genes[symbols]
        return ["" if value is None or value != value else str(value) for value in column.astype(object)]
    if symbols == "human_symbol" and (section.is_mouse or reference.kind in {"mouse", "mixed"}):
        human = {mouse: name for name, mouse in orthologs("mouse").items()}
        return [human.get(name, "") for name in own]
    raise DataError(
        f'{section.id}: its file has no column var["{symbols}"]. It has: {", ".join(file.genes.columns) or "none"}.'
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

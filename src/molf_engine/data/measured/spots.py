"""What was measured on a slide, spot by spot, whichever file it was read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from molf_engine.data.counts import Columns, columns_of
from molf_engine.data.expression import Expression, expression_of
from molf_engine.data.sections import Section
from molf_engine.errors import DataError
from molf_engine.genes import orthologs, species_of

if TYPE_CHECKING:
    import anndata
    import pandas as pd
    import scipy.sparse


@dataclass(frozen=True)
class Layout:
    """How large the spots are and how far apart, as far as it is known.

    Attributes
    ----------
    diameter_um, diameter_px
        Of a spot; in um, or in level-0 pixels.
    pitch_um
        Between the centres of neighbouring spots.
    """

    diameter_um: float | None = None
    diameter_px: float | None = None
    pitch_um: float | None = None


@dataclass(frozen=True, eq=False)
class InMemory:
    """A :class:`~molf_engine.data.counts.CountSource` that has been read."""

    counts: scipy.sparse.csr_matrix
    names: tuple[str, ...]
    genes: pd.DataFrame
    spatial: np.ndarray | None

    @classmethod
    def of(cls, adata: anndata.AnnData) -> InMemory:
        """The parts of an AnnData that are read of a file."""
        import scipy.sparse

        shape = (0, 0) if adata.X is None else adata.shape
        counts = scipy.sparse.csr_matrix(shape if adata.X is None else adata.X, dtype=np.float64)
        spatial = adata.obsm.get("spatial")
        return cls(
            counts, tuple(map(str, adata.obs_names)), adata.var, None if spatial is None else np.asarray(spatial)
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and genes."""
        return int(self.counts.shape[0]), int(self.counts.shape[1])

    def blocks(self) -> Iterator[tuple[int, scipy.sparse.csr_matrix]]:
        """All counts at once."""
        yield 0, self.counts

    def layer(self, name: str) -> np.ndarray | None:
        """There is none: layers belong to simulated tissue."""
        return None


@dataclass(frozen=True, eq=False)
class MeasuredSpots:
    """Counts of ``S`` spots of one section over all ``F`` genes of its file, of one species.

    Attributes
    ----------
    section
        Its id, and its patient and tissue where the file or the metadata beside it say them.
    columns
        Symbols, positions and names.
    counts
        ``(S, F)`` float64 raw counts.
    layout
        Size of the spots.
    source
        File or folder that was read.
    off_tissue
        How many spots were left out because the file says that no tissue is under them.
    human_symbols
        ``F`` human symbols, where the file gives them for genes of another species; empty: none.
    """

    section: Section
    columns: Columns
    counts: scipy.sparse.csr_matrix
    layout: Layout
    source: Path
    off_tissue: int = 0
    human_symbols: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.columns.names)

    @property
    def id(self) -> str:
        """Name of the section."""
        return self.section.id

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbol of each gene; empty: none."""
        return self.columns.symbols

    @property
    def positions(self) -> np.ndarray:
        """``(S, 2)`` float64, x and y of the centres in level-0 pixels, counted from the edge of the first pixel."""
        return self.columns.positions

    @property
    def names(self) -> tuple[str, ...]:
        """Unique names of the spots (barcodes)."""
        return self.columns.names

    @property
    def pitch_px(self) -> float:
        """Distance of neighbouring centres, level-0 pixels; NaN for a single spot."""
        return nearest_distance(self.positions)

    def diameter_um(self, um_per_pixel: float) -> float:
        """Diameter of a spot; where the file does not know it, a little more than half the way to the next spot."""
        if self.layout.diameter_um is not None:
            return self.layout.diameter_um
        if self.layout.diameter_px is not None:
            return self.layout.diameter_px * um_per_pixel
        pitch = self.pitch_px
        return 0.55 * pitch * um_per_pixel if np.isfinite(pitch) and pitch > 0 else 100.0

    def on_panel(self, genes: tuple[str, ...], min_counts: float = 0) -> Expression:
        """Expression on a panel, exactly as training reads it; genes of a mouse go through orthologs to a human panel.

        Parameters
        ----------
        genes
            The panel, ``G`` symbols.
        min_counts
            Spots with fewer counts over all genes are left out, and counted.

        Raises
        ------
        DataError
            If no gene of the panel was measured, or no spot has ``min_counts``.
        """
        columns = self.columns
        if columns.reference.kind == "mouse" and species_of(genes).kind == "human":
            columns = replace(columns, symbols=self._as_human())
        return expression_of(columns, self.section, tuple(genes), min_counts)

    def _as_human(self) -> tuple[str, ...]:
        if self.human_symbols is not None:
            return self.human_symbols
        human = {mouse: name for name, mouse in orthologs("mouse").items()}
        return tuple(human.get(symbol, "") for symbol in self.symbols)


def make_spots(adata: anndata.AnnData, section: Section, layout: Layout, source: Path) -> MeasuredSpots:
    """Check counts and positions, as for training, and leave out spots that lie beside the tissue.

    Parameters
    ----------
    adata
        Raw counts in ``X``, ``obsm["spatial"]`` in level-0 pixels; ``obs["in_tissue"]``, ``var["gene_ids"]`` and
        ``var["human_symbol"]`` are read where they are there.
    section, layout, source
        See :class:`MeasuredSpots`.

    Raises
    ------
    DataError
        If there are no counts, positions or spots on tissue, or values that are no counts.
    """
    import scipy.sparse

    off = 0
    if "in_tissue" in adata.obs:
        on_tissue = adata.obs["in_tissue"].to_numpy().astype(float) != 0
        off = int((~on_tissue).sum())
        if off == len(on_tissue):
            raise DataError(
                f"{section.id}: none of its {len(on_tissue):,} spots is marked as on tissue (in_tissue is 0 for all). "
                "Detect the tissue again in Space Ranger, or choose the folder of another run."
            )
        adata = adata[on_tissue] if off else adata
    columns = columns_of(InMemory.of(adata), section)
    # Read once now: what cannot be counts is refused on opening, not when a score is asked for.
    counts = scipy.sparse.vstack([block for _, block in columns.blocks()], format="csr")
    human = None
    if "human_symbol" in adata.var and columns.keep is None:
        given = adata.var["human_symbol"].astype(object)
        human = tuple("" if value is None or value != value else str(value) for value in given)
    return MeasuredSpots(section, columns, counts, layout, source, off, human)


def nearest_distance(positions: np.ndarray) -> float:
    """Median distance of the positions ``(S, 2)`` to their nearest neighbour; NaN for fewer than two."""
    from scipy.spatial import cKDTree

    if len(positions) < 2:
        return float("nan")
    distances, _ = cKDTree(positions).query(positions, k=2)
    return float(np.median(distances[:, 1]))

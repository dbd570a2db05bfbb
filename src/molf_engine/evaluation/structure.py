"""Structure of a map beyond its correlation with the measurement: how smooth it is, and which of its genes go together.

A blurred prediction can correlate well gene by gene and still be far too smooth, or move all genes at once.  Moran's I and the
correlations between genes show both; each is taken of the prediction and of the measurement by itself, then compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import scipy.sparse

NEIGHBOURS = 6
"""Of a spot of Visium, whose spots lie on a hexagonal grid."""

# A neighbour this much farther than the k-th counts as equally far: positions are rounded to pixels, and which of several equal
# neighbours is taken must not depend on the order of the spots.
_TIE = 1.01
_TIED = 8
_BLOCK_VALUES = 4_000_000
_FEWEST = 3


@dataclass(frozen=True)
class PairAgreement:
    """How alike the correlations between genes are, of one set of genes."""

    genes: int
    """Genes that vary both in the prediction and in the measurement."""
    correlation: float
    """Pearson correlation, over all pairs of them, of the predicted with the measured correlation; NaN with fewer than 3."""


@dataclass(frozen=True)
class Structure:
    """Structure scores of one section and scale; ``G`` genes."""

    neighbours: int
    moran_predicted: np.ndarray
    """(G,) Moran's I, NaN where the gene was not measured or does not vary."""
    moran_measured: np.ndarray
    pairs: Mapping[str, PairAgreement]
    """Name of a gene set to the agreement of its gene-gene correlations."""

    def moran_agreement(self, index: np.ndarray | slice = slice(None)) -> float:
        """Pearson correlation over genes of the predicted with the measured Moran's I; NaN with fewer than 3 genes."""
        predicted, measured = self._both(index)
        return _pearson(predicted, measured)

    def moran_difference(self, index: np.ndarray | slice = slice(None)) -> float:
        """Mean over genes of the absolute difference of the two; NaN where there is no gene."""
        predicted, measured = self._both(index)
        return float(np.abs(predicted - measured).mean()) if len(predicted) else float("nan")

    def moran_bias(self, index: np.ndarray | slice = slice(None)) -> float:
        """Mean over genes of predicted minus measured: above 0, the prediction is smoother than the tissue."""
        predicted, measured = self._both(index)
        return float((predicted - measured).mean()) if len(predicted) else float("nan")

    def _both(self, index: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        predicted, measured = self.moran_predicted[index], self.moran_measured[index]
        known = np.isfinite(predicted) & np.isfinite(measured)
        return predicted[known], measured[known]


def neighbour_weights(positions: np.ndarray, neighbours: int = NEIGHBOURS) -> scipy.sparse.csr_matrix:
    """Weights (S, S) of the nearest neighbours of each spot, itself excluded; rows sum to 1.

    Neighbours as far as the last one, within 1 %, count too.  With fewer than two spots all weights are 0.

    Parameters
    ----------
    positions : ndarray
        (S, 2), in any unit.
    neighbours : int
        k, 1 or more; with k spots or fewer, all others are neighbours.
    """
    import scipy.sparse
    from scipy.spatial import cKDTree

    spots = len(positions)
    k = min(neighbours, spots - 1)
    if k < 1:
        return scipy.sparse.csr_matrix((spots, spots))
    distance, index = cKDTree(positions).query(positions, k=min(k + 1 + _TIED, spots))
    distance = np.where(index == np.arange(spots)[:, None], np.inf, distance)
    last = np.sort(distance, axis=1)[:, k - 1 : k]
    near = distance <= last * _TIE
    rows, _ = np.nonzero(near)
    values = np.repeat(1.0 / near.sum(axis=1), near.sum(axis=1))
    return scipy.sparse.csr_matrix((values, (rows, index[near])), shape=(spots, spots))


def moran(values: np.ndarray, weights: scipy.sparse.csr_matrix) -> np.ndarray:
    """Moran's I of each gene (G,) float64; NaN where it does not vary or there are fewer than 3 spots.

    Parameters
    ----------
    values : ndarray
        (S, G).
    weights : sparse matrix
        (S, S), of :func:`neighbour_weights`.

    References
    ----------
    Moran 1950, Notes on continuous stochastic phenomena.
    """
    spots, genes = values.shape
    result = np.full(genes, np.nan)
    total = float(weights.sum())
    if spots < _FEWEST or not total:
        return result
    width = max(1, _BLOCK_VALUES // spots)
    for start in range(0, genes, width):
        block = values[:, start : start + width].astype(np.float64)
        varies = _varying(block)
        block -= block.mean(axis=0)
        squares, products = (block**2).sum(axis=0), (block * (weights @ block)).sum(axis=0)
        np.divide(spots / total * products, squares, out=result[start : start + width], where=varies & (squares > 0))
    return result


def gene_correlations(values: np.ndarray) -> np.ndarray:
    """Pearson correlations (G, G) float64 between genes that all vary, over the spots of (S, G)."""
    spots, genes = values.shape
    mean = values.mean(axis=0, dtype=np.float64)
    products = np.zeros((genes, genes))
    step = max(1, _BLOCK_VALUES // max(genes, 1))
    for start in range(0, spots, step):
        block = values[start : start + step] - mean
        products += block.T @ block
    size = np.sqrt(np.diag(products))
    return np.clip(products / np.outer(size, size), -1.0, 1.0)


class MeasuredStructure:
    """Structure of what was measured on one section, worked out once and held against the maps of any number of models.

    Parameters
    ----------
    measured : ndarray
        (S, G), in the scale of the predictions to come.
    weights : sparse matrix
        (S, S), of :func:`neighbour_weights`.
    mask : ndarray
        (G,) bool: the section measured this gene.
    sets : mapping of str to ndarray
        Columns of the gene sets whose correlations are compared: all pairs of a set are formed, so keep them under a few thousand.
    neighbours : int
        k of the weights, to be told.
    """

    def __init__(
        self,
        measured: np.ndarray,
        weights: scipy.sparse.csr_matrix,
        mask: np.ndarray,
        sets: Mapping[str, np.ndarray],
        neighbours: int = NEIGHBOURS,
    ) -> None:
        self._weights, self._neighbours = weights, neighbours
        self._varies = mask & _varying(measured)
        self._moran = self._masked_moran(measured)
        self._sets = {name: index[self._varies[index]] for name, index in sets.items()}
        self._correlations = {name: gene_correlations(measured[:, index]) for name, index in self._sets.items()}

    def compare(self, predicted: np.ndarray) -> Structure:
        """Structure of a prediction (S, G) beside that of the measurement."""
        varies = _varying(predicted)
        pairs = {name: self._pairs(name, predicted, varies[index]) for name, index in self._sets.items()}
        return Structure(self._neighbours, self._masked_moran(predicted), self._moran, pairs)

    def _masked_moran(self, values: np.ndarray) -> np.ndarray:
        """Moran's I of the genes that vary in the measurement (G,), NaN for others."""
        result = np.full(values.shape[1], np.nan)
        result[self._varies] = moran(values[:, self._varies], self._weights)
        return result

    def _pairs(self, name: str, predicted: np.ndarray, usable: np.ndarray) -> PairAgreement:
        genes = int(usable.sum())
        if genes < _FEWEST:
            return PairAgreement(genes, float("nan"))
        above = np.triu_indices(genes, 1)
        measured = self._correlations[name][np.ix_(usable, usable)][above]
        return PairAgreement(
            genes, _pearson(gene_correlations(predicted[:, self._sets[name][usable]])[above], measured)
        )


def _varying(values: np.ndarray) -> np.ndarray:
    """Which columns vary, by value: rounding gives a constant column a variance above 0."""
    return np.ptp(values, axis=0) > 0 if len(values) else np.zeros(values.shape[1], dtype=bool)


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < _FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])

"""How far apart distributions over experts are: the Jensen-Shannon distance (paper, Figure 7)."""

from __future__ import annotations

import numpy as np


def entropy(shares: np.ndarray) -> np.ndarray:
    """Shannon entropy in bits over the last axis; 0 log 0 counts as 0."""
    logarithm = np.log2(shares, out=np.zeros_like(shares, dtype=np.float64), where=shares > 0)
    total: np.ndarray = -(shares * logarithm).sum(axis=-1)
    return total


def js_distance(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance, the square root of the divergence with logarithms to base 2: 0 for equal, 1 for disjoint.

    Parameters
    ----------
    p, q : ndarray
        Shares over the last axis, (..., E); they sum to 1, and the other axes broadcast.

    References
    ----------
    Endres and Schindelin 2003, doi:10.1109/TIT.2003.813506: this root is a metric, the divergence itself is not.
    """
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    divergence = entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    # Equal shares may come out as -1e-17.
    distance: np.ndarray = np.sqrt(np.clip(divergence, 0, 1))
    return distance


def distance_matrix(shares: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance between every two rows of ``shares`` (T, E), as (T, T); its diagonal is exactly 0."""
    matrix = js_distance(shares[:, None], shares[None])
    np.fill_diagonal(matrix, 0)
    return matrix


def cluster_order(matrix: np.ndarray) -> list[int]:
    """Order of rows that sets like beside like: average linkage, leaves in their best order; as given for fewer than three."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return list(range(len(matrix)))
    condensed = squareform(matrix, checks=False)
    return [int(row) for row in leaves_list(linkage(condensed, "average", optimal_ordering=True))]

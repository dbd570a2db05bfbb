"""How much of the tissue around a place is given to one expert.

The load of an expert is the share of all patches that the gate sends to it (the paper balances it in training).  As a map it is taken
locally: a weight says what the gate did with one patch, the load whether a whole neighbourhood belongs to the expert.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_molf.core.maps import PatchMap

RADIUS_UM = 300.0
"""About twenty patches of the usual size: a lymphoid aggregate or a few glands."""
_STRIDES = 2.5


def load_radius(patches: PatchMap) -> float:
    """Radius of the neighbourhood, um: :data:`RADIUS_UM`, or more where patches lie so far apart that few would be in it."""
    return max(RADIUS_UM, _STRIDES * patches.scale[0])


def local_load(patches: PatchMap, used: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Share of the patches within :func:`load_radius` of each that use an expert, itself among them; (P,) bool to (P,) in 0..1.

    Parameters
    ----------
    patches
        Where they are.
    used
        (P,) whether each patch uses the expert.
    """
    radius = load_radius(patches)
    if patches.grid is None:
        return _among_points(patches.centres, used, radius)
    return _on_grid(patches, used, radius)


def _on_grid(patches: PatchMap, used: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    assert patches.grid is not None
    reach = int(radius / patches.scale[0])
    height, width = patches.grid.shape
    # Patches and those among them that use the expert, with a border as wide as the neighbourhood.
    padded = np.zeros((2, height + 2 * reach, width + 2 * reach), np.float32)
    padded[0, patches.rows + reach, patches.cols + reach] = 1
    padded[1, patches.rows + reach, patches.cols + reach] = used
    around = np.zeros((2, height, width), np.float32)
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            if np.hypot(down, right) * patches.scale[0] <= radius:
                around += padded[:, reach + down : reach + down + height, reach + right : reach + right + width]
    count, using = around[:, patches.rows, patches.cols]
    return using / count


def _among_points(centres: NDArray[np.floating], used: NDArray[np.bool_], radius: float) -> NDArray[np.float32]:
    from scipy.spatial import cKDTree

    pairs = cKDTree(centres).query_pairs(radius, output_type="ndarray")
    count, using = np.ones(len(used)), used.astype(np.float64)
    for one, other in (pairs.T, pairs.T[::-1]):
        count += np.bincount(one, minlength=len(used))
        using += np.bincount(one, weights=used[other], minlength=len(used))
    return (using / count).astype(np.float32)

"""What about a slide is unlike the training slides: all of it together, or single patches.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from anndata import AnnData

    from napari_molf.core.run import Run

WHOLE = (
    "This slide looks unlike the training slides as a whole (scanner, stain or tissue): expect weaker maps everywhere."
)


@dataclass(frozen=True)
class Unfamiliar:
    """Counts for one prediction.

    Attributes
    ----------
    patches
        P.
    unlike
        Patches farther from training than 99 % of the training patches.
    shifted
        Whether the slide as a whole is unlike the training slides; none: not known.
    odd
        Patches that are as far even once the slide's own shift is taken off; none: not known.
    """

    patches: int
    unlike: int
    shifted: bool | None
    odd: int | None


def unfamiliar_of(adata: AnnData) -> Unfamiliar | None:
    """Count; none where the model holds no statistics of its training features."""
    if "unfamiliar" not in adata.obs:
        return None
    from molf_engine.bundle.reference import SHIFT_LIMIT

    molf = adata.uns["molf"]
    odd = None
    if "own_distance" in adata.obs and "familiar_distance" in molf:
        odd = int(np.count_nonzero(adata.obs["own_distance"].to_numpy(float) > float(molf["familiar_distance"])))
    return Unfamiliar(
        adata.n_obs,
        int(adata.obs["unfamiliar"].to_numpy(bool).sum()),
        bool(float(molf["slide_shift"]) > SHIFT_LIMIT) if "slide_shift" in molf else None,
        odd,
    )


def sentences(found: Unfamiliar | None) -> list[str]:
    """What to say of it; nothing where there is nothing to doubt or nothing known."""
    if found is None or not found.patches:
        return []
    if not found.shifted:
        verb = "looks" if found.unlike == 1 else "look"
        return [f"{_count(found.unlike, found.patches)} {verb} unlike the training slides"] if found.unlike else []
    if not found.odd:
        return [WHOLE]
    verb = "is" if found.odd == 1 else "are"
    return [WHOLE, f"{_count(found.odd, found.patches)} {verb} unlike tissue the model has seen even so."]


def in_short(found: Unfamiliar) -> str:
    """For a table: ``unlike as a whole; 312 patches (8 %) even so``."""
    if found.shifted:
        return "unlike as a whole" + (f"; {_count(found.odd, found.patches)} even so" if found.odd else "")
    return f"{_count(found.unlike, found.patches)} unlike" if found.unlike else "like the training slides"


def threshold_of(run: Run) -> float | None:
    """Distance that 99 % of the training patches stay within; reads the bundle where an older result does not say it."""
    molf: Any = run.scores.adata.uns["molf"]
    if "familiar_distance" in molf:
        return float(molf["familiar_distance"])
    reference = run.bundle.reference() if run.bundle is not None else None
    return None if reference is None else reference.threshold


def can_map(adata: AnnData, *, own: bool) -> bool:
    """Whether distances are known; ``own``: with the slide's own shift taken off."""
    return ("own_distance" if own else "distance") in adata.obs


def relative_distance(run: Run, *, own: bool) -> NDArray[np.float32] | None:
    """(P,) distance of each patch over the one that 99 % of the training patches stay within; none where it is not known.

    Parameters
    ----------
    run
        The prediction.
    own
        With the slide's own shift taken off.
    """
    adata = run.scores.adata
    threshold = threshold_of(run) if can_map(adata, own=own) else None
    if threshold is None:
        return None
    return adata.obs["own_distance" if own else "distance"].to_numpy(np.float32) / np.float32(threshold)


def _count(some: int, total: int) -> str:
    return f"{some:,} patch{'es' if some != 1 else ''} ({100 * some / total:.0f} %)"

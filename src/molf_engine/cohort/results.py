"""What a state says of a result, taken from the result itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from molf_engine.cohort.state import SlideState
from molf_engine.errors import MolfError

if TYPE_CHECKING:
    import anndata as ad

SETTINGS_KEY = "settings_hash"
"""In ``uns["molf"]`` of a result: hash of its settings, by which it is known again without its state."""


@dataclass(frozen=True)
class ResultFacts:
    """Facts of a result; all of them none for a file that is none of ours."""

    settings: str | None = None
    fingerprint: str | None = None
    patches: int | None = None
    unfamiliar: float | None = None
    um_per_pixel: float | None = None

    def complete(self, state: SlideState, *, seconds: float | None = None, **more: Any) -> SlideState:
        """State of a slide whose result this is."""
        done = state.end("done", "done", **more)
        return replace(
            done,
            output=f"{state.name}.h5ad",
            fingerprint=self.fingerprint,
            patches=self.patches,
            seconds=seconds,
            unfamiliar=self.unfamiliar,
            um_per_pixel=self.um_per_pixel,
        )


def describe(adata: ad.AnnData) -> ResultFacts:
    """Facts of a prediction in memory."""
    molf = adata.uns["molf"]
    known = "unfamiliar" in adata.obs
    return ResultFacts(
        settings=molf.get(SETTINGS_KEY),
        fingerprint=str(molf["slide"]["fingerprint"]),
        patches=adata.n_obs,
        unfamiliar=float(adata.obs["unfamiliar"].mean()) if known else None,
        um_per_pixel=float(molf["um_per_pixel"]),
    )


def read_result(path: Path) -> ResultFacts:
    """Facts of a prediction on disk; without any if it is damaged or not a prediction."""
    from molf_engine.prediction import read_prediction

    try:
        return describe(read_prediction(path))
    except (MolfError, KeyError):
        return ResultFacts()


def settings_of(path: Path) -> str | None:
    """Hash of the settings that a result was made with, without reading the rest; none where it says nothing."""
    import h5py

    try:
        with h5py.File(path, "r", locking=False) as file:
            value = file[f"uns/molf/{SETTINGS_KEY}"][()]
    except (OSError, KeyError, ValueError, TypeError):
        return None
    return value.decode() if isinstance(value, bytes) else str(value)

"""Whether a slide is inside or outside what a model has seen, one fact at a time.  No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from napari_molf.core.unfamiliar import in_short, unfamiliar_of

if TYPE_CHECKING:
    from anndata import AnnData

    from molf_engine.bundle import Bundle

Verdict = Literal["inside", "outside", "unknown"]
MARKS: dict[Verdict, str] = {"inside": "✓ inside", "outside": "⚠ outside", "unknown": "? not known"}
SCALE_SLACK = 1.1
"""A slide this factor finer or coarser than any training slide still counts as one of their scale."""


@dataclass(frozen=True)
class Fact:
    """One property of a slide beside what the model learned from."""

    what: str
    here: str
    learned: str
    verdict: Verdict


def facts_of(adata: AnnData | None, bundle: Bundle) -> list[Fact]:
    """Properties of a prediction's slide, or of none, beside what the model learned from."""
    molf: dict[str, Any] = {} if adata is None else adata.uns["molf"]
    config = bundle.config
    patients = len(config.patients)
    return [
        _scale(float(molf["um_per_pixel"]) if molf else None, config.um_per_pixel),
        _code(str(molf["cancer_code"]) if molf else None, config.trained_codes),
        _unsaid("organ", config.organs),
        _unsaid("species", config.species),
        Fact("patient", "not said by the slide", f"{patients} patients" if patients else "not stated", "unknown"),
        _look(adata),
    ]


def _scale(here: float | None, learned: tuple[float, float] | None) -> Fact:
    verdict: Verdict = "unknown"
    if here is not None and learned is not None:
        inside = learned[0] / SCALE_SLACK <= here <= learned[1] * SCALE_SLACK
        verdict = "inside" if inside else "outside"
    said = "not stated" if learned is None else f"{learned[0]:.3g} to {learned[1]:.3g}"
    return Fact("um per pixel", "no prediction yet" if here is None else f"{here:.3g}", said, verdict)


def _code(here: str | None, learned: tuple[str, ...]) -> Fact:
    known = here is not None and here != "Unknown"
    verdict: Verdict = "unknown" if not known else "inside" if here in learned else "outside"
    return Fact("cancer type", here or "no prediction yet", ", ".join(learned) or "not stated", verdict)


def _unsaid(what: str, learned: tuple[str, ...]) -> Fact:
    return Fact(what, "not said by the slide", ", ".join(learned) or "not stated", "unknown")


def _look(adata: AnnData | None) -> Fact:
    learned = "the limit holds 99 of 100 training patches"
    found = None if adata is None else unfamiliar_of(adata)
    if found is None:
        return Fact("how patches look", "not known" if adata is not None else "no prediction yet", learned, "unknown")
    share = found.unlike / max(1, found.patches)
    # One in a hundred of the training patches themselves lies beyond the limit.
    outside = bool(found.shifted) or share > 0.05
    return Fact("how patches look", in_short(found), learned, "outside" if outside else "inside")

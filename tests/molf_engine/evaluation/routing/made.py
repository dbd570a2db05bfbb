"""Sections whose routing is made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from molf_engine.data.sections import Section
from molf_engine.evaluation.routing.observe import RoutedSection
from molf_engine.evaluation.routing.usage import SectionUse


def section(name: str = "S1", code: str = "IDC", patient: str = "P1", folder: Path = Path("nowhere")) -> Section:
    return Section(name, folder / f"{name}.tif", folder / f"{name}.h5ad", code=code, patient=patient)


def routed(
    logits: np.ndarray | list[list[float]],
    name: str = "S1",
    code: str = "IDC",
    patient: str = "P1",
    *,
    active: int = 2,
    latents: np.ndarray | None = None,
    folder: Path = Path("nowhere"),
) -> RoutedSection:
    logits = np.asarray(logits, dtype=np.float32)
    latents = np.zeros((len(logits), 2), dtype=np.float32) if latents is None else latents
    places = np.arange(len(logits), dtype=float)
    return RoutedSection(
        section=section(name, code, patient, folder),
        role="new",
        told=code,
        centres=np.column_stack([100 + 10 * places, 200 + places]),
        logits=logits,
        nameless=None,
        from_noise=logits.argmax(axis=1),
        active=active,
        rows=np.arange(len(logits)),
        predicted=latents,
        measured=latents,
        effects=None,
    )


def use(shares: list[float], code: str = "IDC", patient: str = "P1", spots: int = 100) -> SectionUse:
    values = np.array(shares)
    return SectionUse(f"{code}-{patient}", code, patient, "new", code, spots, values, values, 1.0, 1.0)

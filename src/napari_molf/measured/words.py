"""What is said about measured spots, in plain words.  No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_molf.core.scores import Score

if TYPE_CHECKING:
    from molf_engine.evaluation.at_spots import Agreement
    from napari_molf.measured.reading import OnPanel, Opened


def spots_line(opened: Opened, on: OnPanel | None) -> str:
    """How many spots there are, how large, and how many of them can be compared."""
    spots, um = opened.spots, opened.place.um_per_pixel
    size = "" if um is None else f" of {spots.diameter_um(um):.3g} um"
    parts = [f"{spots.id}: {len(spots):,} spots{size}"]
    if on is not None:
        compared = f"{len(on.match):,} lie in a predicted patch"
        parts.append(f"{compared}, {on.match.without:,} in none" if on.match.without else compared)
        if on.expression.left_out:
            parts.append(f"{on.expression.left_out:,} with too few counts are left out")
        if on.spots.columns.reference.kind == "mouse":
            parts.append("mouse genes, read through their human counterparts")
    if spots.off_tissue:
        parts.append(f"{spots.off_tissue:,} beside the tissue are left out")
    return " · ".join([*parts, *opened.notes])


def training_line(on: OnPanel | None) -> str | None:
    """A warning if the model has seen this section or its patient."""
    if on is None:
        return None
    if on.role == "training":
        return "⚠ This section was in the model's training: how well it fits here says nothing about new tissue."
    if on.role == "validation":
        return "⚠ The model's settings were chosen on this section: it fits better here than on new tissue."
    if on.seen:
        return f"⚠ The model has learned from this patient ({on.spots.section.patient}), by another section."
    return None


def absent_line(score: Score, on: OnPanel) -> str:
    """Why there is nothing to show for a score."""
    if score.kind == "gene":
        return f"{score.name} was not measured on this section."
    if on.run.bundle is None:
        return f"{score.name} cannot be scored here: that needs the model {on.run.model}."
    return f"None of the genes of {score.name} was measured on this section."


def score_line(score: Score, units: str, agreement: Agreement, on: OnPanel) -> str:
    """``EPCAM: PCC 0.41 over 176 spots (log1p-cp10k); ranks 12 of 1,313 genes; tissue density alone 0.10``."""
    if units not in agreement.scales:
        return f"{score.name}: cannot be compared in {units}: this model does not predict total counts."
    rows = agreement.table[agreement.table["kind"] == score.kind]
    if score.name not in rows.index:
        return absent_line(score, on)
    count = len(agreement.match)
    if count < 2:
        return f"{score.name}: {count} spots lie in a predicted patch, too few to compare. Use “Predict at the spots”."
    row = rows.loc[score.name]
    value = float(row[f"pcc_{units}"])
    if np.isnan(value):
        return f"{score.name}: no PCC over {count:,} spots ({units}): one of the two is the same everywhere."
    parts = [f"{score.name}: PCC {value:.2f} over {count:,} spots ({units})"]
    place = agreement.rank(score.name, units, score.kind)
    if place is not None:
        what = "genes" if score.kind == "gene" else "Hallmark sets"
        parts.append(f"ranks {place[0]:,} of {place[1]:,} {what}")
    density = float(row[f"density_{units}"])
    if not np.isnan(density):
        parts.append(f"tissue density alone {density:.2f}")
    if score.kind == "hallmark" and row["genes"] < row["of"]:
        parts.append(f"measured over {row['genes']:,} of its {row['of']:,} genes")
    return "; ".join(parts)

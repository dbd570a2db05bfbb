"""CSV: one row per patch, read by pandas and by spreadsheets without any option.

Its first line is the heading.  Slide, model, guidance and notice are columns, so that they survive any sorting, cutting and joining;
everything else that is known of the values lies beside, in a JSON file: ``scores.csv.json`` for ``scores.csv``.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from molf_engine.export.columns import beside_columns, need_scores, score_columns
from molf_engine.export.provenance import provenance
from molf_engine.files import atomic_path
from molf_engine.progress import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from molf_engine.export.shown import ScoreName, Shown

_BLOCK = 1000


def sidecar(path: Path) -> Path:
    """Where the facts about a table lie."""
    return path.with_name(f"{path.name}.json")


def write_csv(
    shown: Shown,
    path: Path,
    scores: Sequence[ScoreName],
    *,
    overwrite: bool = True,
    progress: ProgressCallback = silent,
) -> None:
    """Write a table of patches: name, place in level-0 pixels and um, scores, expert, entropy, distance, and where it comes from.

    Raises
    ------
    MolfError
        If no score is chosen, or it cannot be written there.
    """
    need_scores(scores)
    values = score_columns(shown, scores, progress)
    beside = beside_columns(shown)
    facts = provenance(shown)
    # The same in every row.
    origin = {name: _plain(str(facts[name])) for name in ("slide", "model", "guidance", "expression_units", "notice")}
    heads = ["patch", "x_px", "y_px", "x_um", "y_um", *(score.name for score in scores), "expert", *beside, *origin]
    names, centres, um = shown.patch_names, shown.centres, shown.um_per_pixel
    experts = [_plain(name) for name in shown.experts]
    told = {**facts, "columns": {score.name: f"{score.kind}: {shown.unit_of(score)}" for score in scores}}
    with (
        atomic_path(path, overwrite=overwrite) as table,
        atomic_path(sidecar(path), overwrite=overwrite) as description,
    ):
        description.write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
        # With the mark that spreadsheets know UTF-8 by; pandas skips it.
        with table.open("w", encoding="utf-8-sig", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(heads)
            for patch, expert in enumerate(shown.top_expert):
                if patch % _BLOCK == 0:
                    progress(Progress("Writing patches", patch, len(names)))
                x, y = centres[patch]
                place = (f"{x:.7g}", f"{y:.7g}", f"{x * um:.7g}", f"{y * um:.7g}")
                row = [f"{value:.7g}" if value == value else "" for value in values[patch].tolist()]
                more = [f"{column[patch]:.7g}" for column in beside.values()]
                writer.writerow([_plain(names[patch]), *place, *row, experts[expert], *more, *origin.values()])


def _plain(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if re.match(r"[=+\-@\t\r]", text) else text

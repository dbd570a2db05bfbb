"""What came of a cohort: a row for each slide, as CSV, JSON and Markdown beside the results."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from molf_engine.cohort.state import CohortFolder, SlideState
from molf_engine.files import atomic_path

COLUMNS = (
    "slide", "status", "patches", "seconds", "patches_per_s", "share_unlike_training", "um_per_pixel", "attempts", "error"
)  # fmt: skip


def row(state: SlideState) -> dict[str, Any]:
    """Row of a slide; none where something is not known."""
    speed = state.patches / state.seconds if state.patches and state.seconds else None
    return {
        "slide": state.name,
        "status": state.status,
        "patches": state.patches,
        "seconds": _rounded(state.seconds, 1),
        "patches_per_s": _rounded(speed, 1),
        "share_unlike_training": _rounded(state.unfamiliar, 4),
        "um_per_pixel": _rounded(state.um_per_pixel, 5),
        "attempts": len(state.attempts),
        "error": state.error,
    }


def write_summary(folder: CohortFolder) -> list[dict[str, Any]]:
    """Write `summary.csv`, `summary.json` and `summary.md` of every slide that the folder knows, and return the rows.

    Raises
    ------
    MolfError
        If the disk refuses.
    """
    rows = [row(state) for state in folder.states()]
    for name, text in (("csv", _csv(rows)), ("json", _json(rows)), ("md", _markdown(rows))):
        with atomic_path(folder.path / f"summary.{name}") as beside:
            beside.write_text(text, encoding="utf-8", newline="")
    return rows


def counts(rows: Iterable[dict[str, Any]]) -> str:
    """How many slides have each status: "3 done, 1 failed"."""
    number = Counter(row["status"] for row in rows)
    return ", ".join(
        f"{number[status]} {status}" for status in ("done", "failed", "running", "queued") if number[status]
    )


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _json(rows: list[dict[str, Any]]) -> str:
    return json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _markdown(rows: list[dict[str, Any]]) -> str:
    lines = [
        "# Predictions",
        "",
        f"{len(rows)} slides: {counts(rows)}. {sum(row['patches'] or 0 for row in rows):,} patches. "
        "Predicted, not measured: research use only.",
        "",
        "| " + " | ".join(name.replace("_", " ") for name in COLUMNS[:-1]) + " |",
        "| " + " | ".join("---" for _ in COLUMNS[:-1]) + " |",
    ]
    lines += [
        "| " + " | ".join("-" if row[name] is None else _cell(row[name]) for name in COLUMNS[:-1]) + " |"
        for row in rows
    ]
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        lines += ["", "## What failed", ""]
        lines += [
            f"- `{row['slide']}`: {' '.join(str(row['error']).split())} (`.molf/{row['slide']}.json`)" for row in failed
        ]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or value != value else round(value, digits)


def read_summary(folder: Path) -> list[dict[str, Any]]:
    """Rows of `summary.json`."""
    rows: list[dict[str, Any]] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return rows

"""Tables of scores, as `train` and `evaluate` print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from molf_engine.cli.console import show_table

_MOST_SHOWN = 12


def show_scores(title: str, records: Sequence[Mapping[str, Any]], *, elsewhere: str, notes: Sequence[str] = ()) -> None:
    """Print the scores of each section, unless there are many, and their mean, if there are several.

    Parameters
    ----------
    elsewhere : str
        Where the figures of many sections are, in words.
    """
    from molf_engine.evaluation.scoring import mean_over_sections

    sections = {record["section"] for record in records}
    many = len(sections) > _MOST_SHOWN
    if not many:
        show_table(title, records, as_json=False, notes=() if len(sections) > 1 else notes)
    if len(sections) > 1:
        where = [f"The figures of each section: {elsewhere}."] if many else []
        show_table(f"{title}, over sections", mean_over_sections(records), as_json=False, notes=[*where, *notes])

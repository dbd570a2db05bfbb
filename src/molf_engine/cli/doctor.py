"""`molf-engine doctor`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def doctor(
    *,
    clear_cache: Annotated[bool, Parameter(negative="", help="Remove all cached features first.")] = False,
    json: Annotated[bool, Parameter(negative="", help="Print the table as JSON.")] = False,
) -> None:
    """Say what is installed, which device will be used, what is missing and how to get it."""
    from molf_engine.cli.checks import all_checks
    from molf_engine.cli.console import show_table
    from molf_engine.encoders import FeatureCache

    if clear_cache:
        FeatureCache().clear()
    show_table("molf-engine doctor", all_checks(), as_json=json)

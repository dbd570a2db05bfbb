"""`molf-engine models`."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def models(*, json: Annotated[bool, Parameter(negative="", help="Print the table as JSON.")] = False) -> None:
    """List the bundles that this machine knows, with what each has seen and how good it is."""
    from molf_engine.bundle import Bundle, known_bundles, user_data_folder
    from molf_engine.cli.console import show_table
    from molf_engine.errors import BundleError

    rows = []
    for name, path in known_bundles().items():
        try:
            bundle = Bundle.load(path)
            rows.append({"name": name, "what": bundle.card_line, "licence": bundle.config.licence, "folder": str(path)})
        except BundleError as error:
            rows.append({"name": name, "what": f"damaged: {error}", "licence": "", "folder": str(path)})
    show_table("Models", rows, as_json=json, notes=[f"Put bundles of your own into {user_data_folder() / 'bundles'}."])

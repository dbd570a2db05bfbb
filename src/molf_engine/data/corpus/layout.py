"""What lies where in a corpus, and the few facts that are read without opening an array.

A corpus is a Zarr v3 group: ``zarr.json`` with the facts about all of it, ``sections/<id>/`` with one group for each section, and
``encoder/``, the encoder whose features it holds.  A section is written under ``.partial/`` and renamed: what is under
``sections/`` is whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from molf_engine.errors import DataError
from molf_engine.files import atomic_path

FORMAT = "napari-molf corpus"
SCHEMA_VERSION = 1
GROUP = "zarr.json"
SECTIONS, PARTIAL, ENCODER, LOCK = "sections", ".partial", "encoder", ".lock"
FEATURES, COUNTS, MEASURED, TOTAL, POSITIONS, NAMES, TRUTH = (
    "features",
    "counts",
    "measured",
    "total",
    "positions",
    "names",
    "truth",
)
"""Arrays of a section: ``(S, D)``, ``(S, G)``, ``(G,)``, ``(S,)``, ``(S, 2)``, JSON in UTF-8 as bytes, ``(S, G)``."""
COMPLETE, UNFINISHED = "complete", "unfinished"


def is_corpus(path: Path | str) -> bool:
    """Whether a folder is a prepared corpus, by its content; also one that is unfinished or of another version."""
    try:
        return attributes(Path(path)).get("format") == FORMAT
    except (OSError, ValueError):
        return False


def attributes(folder: Path) -> dict[str, Any]:
    """Attributes of a Zarr v3 group.  Raises :class:`OSError` or :class:`ValueError` if there is none."""
    content = json.loads((folder / GROUP).read_text(encoding="utf-8"))
    values = content.get("attributes") if isinstance(content, dict) else None
    if not isinstance(values, dict):
        raise ValueError("no attributes")
    return values


def write_group(folder: Path, values: Mapping[str, Any]) -> None:
    """Write a Zarr v3 group with these attributes, or replace those that it has, whole or not at all."""
    content = {"zarr_format": 3, "node_type": "group", "attributes": values}
    with atomic_path(folder / GROUP) as beside:
        beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_root(path: Path) -> dict[str, Any]:
    """Facts about a corpus that this software can read, finished or not.

    Raises
    ------
    DataError
        If it is no corpus, damaged, or of another version.
    """
    again = "Prepare it again with `molf-engine prepare ... --overwrite`."
    try:
        root = attributes(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no prepared corpus, or its {GROUP} is damaged ({error}). {again}") from error
    if root.get("format") != FORMAT:
        raise DataError(
            f"{path} is no prepared corpus: its {GROUP} does not say so. Make one with `molf-engine prepare`."
        )
    if root.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"{path} was prepared by another version ({root.get('software', 'unknown')}, schema {root.get('schema_version')}); this "
            f"software reads schema {SCHEMA_VERSION}. {again}"
        )
    if missing := [name for name in _NEEDED if name not in root]:
        raise DataError(f"{path}: its {GROUP} is damaged, {', '.join(missing)} missing. {again}")
    try:
        symbols = root["panel"]["symbols"]
        float(root["patch_um"]), str(root["panel"]["name"])
        encoder = root["encoder"]
        known = {"name", "width", "saved", "fitted_on", "request"} <= set(encoder)
        plain = all(isinstance(one, str) for one in (*symbols, *root["sections"])) and isinstance(encoder["name"], str)
        lists = isinstance(encoder["fitted_on"], list | None) and isinstance(root["failures"], list)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: its {GROUP} is damaged ({error}). {again}") from error
    if not (known and plain and lists):
        raise DataError(f"{path}: its {GROUP} is damaged: a fact about the encoder or a name is missing. {again}")
    # Columns are found by these names alone: two that changed places would be two wrong genes.
    if root.get("panel_digest", panel_digest(symbols)) != panel_digest(symbols):
        raise DataError(f"{path}: the panel in its {GROUP} was changed since it was prepared. {again}")
    return root


def panel_digest(symbols: Sequence[str]) -> str:
    """Digest of a panel and its order."""
    return hashlib.sha256("\n".join(symbols).encode()).hexdigest()[:16]


_MOST_NAMED = 20


def having(names: Sequence[str]) -> str:
    """A sentence that says which sections there are, the first of them if there are many."""
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"It has: {', '.join(names[:_MOST_NAMED])}{more}."


_NEEDED = ("state", "sections", "failures", "encoder", "patch_um", "panel", "features_dtype", "symbols")

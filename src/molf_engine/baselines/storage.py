"""A fitted rival in a folder: ``rival.json`` says what it is, ``rival.safetensors`` holds its tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from molf_engine.errors import BundleError
from molf_engine.files import atomic_path

_FORMAT = 1
_FACTS, _TENSORS = "rival.json", "rival.safetensors"


def write_rival(folder: Path, name: str, facts: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
    """Write a fitted rival; a folder of that name is replaced.  Raises :class:`MolfError` if the disk refuses."""
    from safetensors.numpy import save

    head = {"format": _FORMAT, "rival": name, **facts}
    with atomic_path(Path(folder)) as beside:
        beside.mkdir()
        (beside / _FACTS).write_text(json.dumps(head, indent=1) + "\n", encoding="utf-8")
        (beside / _TENSORS).write_bytes(save({key: np.ascontiguousarray(value) for key, value in tensors.items()}))


def read_rival(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read what :func:`write_rival` wrote.

    Raises
    ------
    BundleError
        If a file is missing or damaged, or another rival or a newer program wrote it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        facts = json.loads((Path(folder) / _FACTS).read_text(encoding="utf-8"))
        tensors = load_file(Path(folder) / _TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise BundleError(f"{folder} is not a fitted rival ({error}): fit it again.") from error
    if not isinstance(facts, dict) or (facts.get("format"), facts.get("rival")) != (_FORMAT, name):
        raise BundleError(f"{folder} does not hold the rival {name} in a format that is known: fit it again.")
    return facts, tensors

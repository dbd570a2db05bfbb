"""Which sections play which role: training, validation, test."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from molf_engine.errors import DataError

_ROLE_COLUMNS = ("role", "split")


def read_split(path: Path | str, role: str = "") -> tuple[str, ...]:
    """Ids of the sections that play a role.

    Parameters
    ----------
    path
        JSON, ``{"train": ["id", ...], "test": [...]}``; or CSV with a column ``sample_id``. A CSV with a column
        ``role`` (or ``split``) holds several roles; one without holds a single one, which its name says
        (``test_split.csv``).
    role
        Such as ``train``. Empty: the only role of the file.

    Raises
    ------
    DataError
        If the file cannot be read as either, or does not have the role; the message names the roles that it has.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the split {path}: {error}") from error
    match path.suffix.lower():
        case ".json":
            roles = _json_roles(text, path)
        case ".csv":
            roles = _csv_roles(text, path, role)
        case _:
            raise DataError(f"{path} is not a split: it should be .json or .csv.")
    if not role and len(roles) == 1:
        role = next(iter(roles))
    if role not in roles:
        raise DataError(f"{path} has no role {role!r}. It has: {', '.join(roles) or 'none'}.")
    if not roles[role]:
        raise DataError(f"The role {role!r} of {path} names no section.")
    return tuple(dict.fromkeys(roles[role]))


def _json_roles(text: str, path: Path) -> dict[str, list[str]]:
    try:
        roles = json.loads(text)
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON: {error}") from error
    if not isinstance(roles, dict) or not all(
        isinstance(ids, list) and all(isinstance(name, str) for name in ids) for ids in roles.values()
    ):
        raise DataError(f'{path} should look like {{"train": ["id", ...], "test": ["id", ...]}}.')
    return roles


def _csv_roles(text: str, path: Path, role: str) -> dict[str, list[str]]:
    rows = list(csv.DictReader(text.splitlines()))
    columns = list(rows[0]) if rows else text.partition("\n")[0].split(",")
    if "sample_id" not in columns:
        raise DataError(f"{path} has no column sample_id. Its columns: {', '.join(map(str, columns))}.")
    column = next((name for name in _ROLE_COLUMNS if name in columns), None)
    roles: dict[str, list[str]] = {}
    if column is None:
        # A file that does not say its role answers only to its own name: test ids never pass for training ids.
        own = role if role and role in path.stem.split("_") else path.stem
        roles[own] = [row["sample_id"].strip() for row in rows if row["sample_id"]]
        return roles
    for row in rows:
        if row["sample_id"]:
            roles.setdefault(row[column] or "", []).append(row["sample_id"].strip())
    return roles

"""Splits in files, and by name: which sections play which role."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from molf_engine.data.splits.published import PUBLISHED, published_split
from molf_engine.data.splits.split import ROLES, Split
from molf_engine.errors import DataError

_ROLE_COLUMNS = ("role", "split")
_SHORT = {"val": "validation", "valid": "validation"}
_CODE_COLUMNS = ("oncotree_code_filled", "oncotree_code", "code")


def read_split(path: Path | str, role: str = "") -> tuple[str, ...]:
    """Ids of the sections that play a role.

    Parameters
    ----------
    path
        ``published-0`` or ``published-1``, the published splits; a folder that :func:`read_whole_split` reads; or a file:
        JSON, ``{"train": ["id", ...], "test": [...]}``; or
        CSV with a column ``sample_id``. A CSV with a column ``role`` (or ``split``) holds several roles; one without holds a
        single one, which its name says (``test_split.csv``).
    role
        Such as ``train``. Empty: the only role of the file. ``val`` is another name of ``validation``.

    Raises
    ------
    DataError
        If the file cannot be read as either, or does not have the role; the message names the roles that it has.
    """
    if str(path) in PUBLISHED or Path(path).is_dir():
        known = read_whole_split(path)
        roles: dict[str, list[str]] = {name: list(getattr(known, name)) for name in ROLES}
    else:
        roles = _roles_of_file(Path(path), role)
    if not role and len(roles) == 1:
        role = next(iter(roles))
    if role not in roles:
        role = next((name for name in roles if _long(name) == _long(role)), role)
    if role not in roles:
        raise DataError(f"{path} has no role {role!r}. It has: {', '.join(roles) or 'none'}.")
    if not roles[role]:
        raise DataError(f"The role {role!r} of {path} names no section.")
    return tuple(dict.fromkeys(roles[role]))


def read_whole_split(path: Path | str) -> Split:
    """Read all roles of a split.

    Parameters
    ----------
    path
        A name or file as for :func:`read_split`; or a folder with ``train_split.csv``, ``test_split.csv`` and, if there is
        a validation, ``val_split.csv``, as the published splits are laid out.

    Raises
    ------
    DataError
        If it cannot be read, has no test sections, or names a section twice.
    """
    if str(path) in PUBLISHED:
        return published_split(str(path))
    path = Path(path)
    if path.is_dir():
        found = {role: _file_of(path, role) for role in ROLES}
        if missing := [role for role in ("train", "test") if found[role] is None]:
            raise DataError(
                f"{path} holds no {missing[0]}_split.csv. A split folder holds train_split.csv, val_split.csv and test_split.csv."
            )
        ids = {role: read_split(file, file.stem.split("_")[0]) for role, file in found.items() if file is not None}
    else:
        roles: dict[str, list[str]] = {}
        for name, sections in _roles_of_file(path, "").items():
            roles.setdefault(_long(name), []).extend(sections)
        if not roles.get("test"):
            raise DataError(f"{path} names no test section. It has the roles: {', '.join(roles) or 'none'}.")
        ids = {role: tuple(dict.fromkeys(roles.get(role, ()))) for role in ROLES}
    return Split(path.stem, *(ids.get(role, ()) for role in ROLES))


def split_codes(path: Path | str) -> dict[str, str]:
    """Cancer codes that the CSV files of a split folder name; empty where they name none."""
    path = Path(path)
    codes: dict[str, str] = {}
    for file in (_file_of(path, role) for role in ROLES) if path.is_dir() else (path,):
        if file is None or file.suffix.lower() != ".csv":
            continue
        for row in csv.DictReader(_text(file).splitlines()):
            code = next((row[column].strip() for column in _CODE_COLUMNS if row.get(column)), "")
            if code and row.get("sample_id"):
                codes[row["sample_id"].strip()] = code
    return codes


def _file_of(folder: Path, role: str) -> Path | None:
    names = [role, *(short for short, long in _SHORT.items() if long == role)]
    return next((path for name in names if (path := folder / f"{name}_split.csv").is_file()), None)


def _long(role: str) -> str:
    return _SHORT.get(role, role)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the split {path}: {error}") from error


def _roles_of_file(path: Path, role: str) -> dict[str, list[str]]:
    text = _text(path)
    match path.suffix.lower():
        case ".json":
            return _json_roles(text, path)
        case ".csv":
            return _csv_roles(text, path, role)
        case _:
            raise DataError(f"{path} is not a split: it should be .json or .csv.")


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

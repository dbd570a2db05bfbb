"""Names that a user gives to experts, by model: "lymphoid aggregate" in place of ``E4``.

A bundle is never written after training, so names live in the user's data folder, one small JSON for each hash of weights.  The same
JSON is what colleagues exchange.  Only names that were given are in it; every other expert keeps its number.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from molf_engine.bundle.bundle import user_data_folder, write_json
from molf_engine.errors import BundleError, ConfigError
from molf_engine.files import replace_path

_log = logging.getLogger(__name__)

FORMAT = "molf-expert-names"
SCHEMA_VERSION = 1
MAX_LENGTH = 40
"""Characters of a name: what a legend has room for."""
_MAX_BYTES = 2**20
# Joiners that some scripts cannot be written without.
_JOINERS = "\u200c\u200d"


@dataclass(frozen=True)
class StoredNames:
    """Names that were given to the experts of a model.

    Attributes
    ----------
    given
        Expert, counted from 0, to its name.
    notice
        A sentence for the user if the file could not be used; none if all is well.
    """

    given: dict[int, str] = field(default_factory=dict)
    notice: str | None = None


def default_name(expert: int) -> str:
    """``E1`` for expert 0."""
    return f"E{expert + 1}"


def with_defaults(given: Mapping[int, str], count: int) -> tuple[str, ...]:
    """Names of ``count`` experts: those given, and ``E1``, ``E2``.. for the others."""
    return tuple(given.get(expert, default_name(expert)) for expert in range(count))


def expert_names(weights_hash: str, count: int) -> tuple[str, ...]:
    """Names of the experts of a model as its user knows them, for any legend or export.

    Parameters
    ----------
    weights_hash
        SHA-256 of the model's weights.
    count
        How many experts it has.

    Returns
    -------
    tuple of str
        ``count`` names, all different; ``E1``.. where none was given.
    """
    stored = load_names(weights_hash, count)
    if stored.notice:
        _log.warning("%s", stored.notice)
    return with_defaults(stored.given, count)


def clean_name(text: str) -> str:
    """A name as it is kept: one line, no spaces at its ends; empty if nothing is left.

    Raises
    ------
    ConfigError
        If it is too long or has characters that cannot be shown.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if len(name) > MAX_LENGTH:
        raise ConfigError(f"“{name[:20]}…” has {len(name)} characters. Give a name of at most {MAX_LENGTH}.")
    if not all(letter.isprintable() or letter in _JOINERS for letter in name):
        raise ConfigError(f"“{_shown(name)}” has control characters, which no legend can show. Type the name anew.")
    return name


def checked_names(names: Mapping[int, str], count: int) -> dict[int, str]:
    """Names that can be kept: cleaned, without empty ones and without defaults.

    Raises
    ------
    ConfigError
        If a name cannot be kept, is that of another expert, too, or is given to an expert that the model does not have.
    """
    given = {}
    for expert, text in names.items():
        if not 0 <= expert < count:
            raise ConfigError(f"There is no expert {default_name(expert)}: this model has {count}, E1 to E{count}.")
        name = clean_name(text)
        if name and name != default_name(expert):
            given[expert] = name
    seen: dict[str, int] = {}
    for expert, name in enumerate(with_defaults(given, count)):
        other = seen.setdefault(name.casefold(), expert)
        if other != expert:
            raise ConfigError(
                f"“{name}” would be the name of {default_name(other)} and of {default_name(expert)}. Give each expert its own name."
            )
    return given


def names_file(weights_hash: str) -> Path:
    """Where the names of a model are kept.

    Raises
    ------
    BundleError
        If ``weights_hash`` is none: it may come from a file that somebody else wrote.
    """
    if not re.fullmatch(r"[0-9a-f]{16,128}", weights_hash):
        raise BundleError(f"“{_shown(weights_hash)}” names no weights, so no names of experts can be kept for them.")
    return user_data_folder() / "expert-names" / f"{weights_hash}.json"


def load_names(weights_hash: str, count: int) -> StoredNames:
    """Names kept for a model; never fails: a damaged file is set aside, and a sentence says so."""
    try:
        path = names_file(weights_hash)
    except BundleError as error:
        return StoredNames(notice=str(error))
    if not path.exists():
        return StoredNames()
    try:
        return StoredNames(read_names(path, weights_hash, count))
    except (_UnknownVersion, _Unreadable) as error:
        return StoredNames(notice=str(error))
    except (BundleError, ConfigError) as error:
        return StoredNames(notice=_set_aside(path, error))


def save_names(weights_hash: str, names: Mapping[int, str], count: int, model: str = "") -> dict[int, str]:
    """Keep names for a model, in place of those that were kept, and return them as they are kept.

    Raises
    ------
    ConfigError
        If a name cannot be kept, see :func:`checked_names`.
    MolfError
        If the file cannot be written, or a later version of this program wrote the one that is there.
    """
    given = checked_names(names, count)
    path = names_file(weights_hash)
    if path.exists():
        with suppress(_Damaged):
            _check_version(path, _parse(path))
    write_names(path, weights_hash, given, model)
    return given


def write_names(path: Path, weights_hash: str, given: Mapping[int, str], model: str = "") -> None:
    """Write names to a file that can be given to a colleague, whole or not at all."""
    content = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "model": model,
        "weights_hash": weights_hash,
        "names": {default_name(expert): given[expert] for expert in sorted(given)},
    }
    write_json(Path(path), content)


def read_names(path: Path, weights_hash: str, count: int) -> dict[int, str]:
    """Read names that :func:`write_names` wrote, for a model with ``count`` experts.

    Raises
    ------
    BundleError
        If the file is none of ours, damaged, of an unknown version, or for another model.
    ConfigError
        If a name in it cannot be kept, see :func:`checked_names`.
    """
    path = Path(path)
    content = _parse(path)
    _check_version(path, content)
    if content.get("weights_hash") != weights_hash:
        other = _shown(str(content.get("model") or "another model"))
        raise BundleError(
            f"The names in {path} are for {other}, whose experts have nothing to do with those of this model. "
            "Open a prediction of that model, and import them there."
        )
    names = content.get("names")
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        raise _Damaged(f"{path} is damaged: it has no table of names. Ask for the file again.")
    return checked_names({_expert(path, key): name for key, name in names.items()}, count)


def names_in_result(labels: object, count: int) -> dict[int, str]:
    """Names that a saved prediction brought along (``uns["molf"]["expert_labels"]``); none if they are not usable."""
    if hasattr(labels, "tolist"):
        labels = labels.tolist()
    if not isinstance(labels, list | tuple) or len(labels) != count:
        return {}
    try:
        return checked_names({expert: str(name) for expert, name in enumerate(labels)}, count)
    except ConfigError:
        return {}


class _Damaged(BundleError):
    """A file of names that nobody can read."""


class _Unreadable(BundleError):
    """A file that the operating system does not let us read: nothing is known of what is in it."""


class _UnknownVersion(BundleError):
    """A file of names that a later version of this program wrote: not to be touched."""


def _parse(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _Unreadable(f"{path} cannot be read: {error.strerror or error}. Choose another file.") from error
    if len(raw) > _MAX_BYTES:
        raise _Damaged(f"{path} is too large to hold names of experts. Choose another file.")
    try:
        content = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise _Damaged(f"{path} is damaged: {error}. Ask for the file again.") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _Damaged(f"{path} holds no names of experts. Choose a file that “Export names…” wrote.")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("an entry is there twice")
    return table


def _check_version(path: Path, content: Mapping[str, Any]) -> None:
    version = content.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise _UnknownVersion(
            f"{path} is in version {_shown(str(version))} of its format; this program reads version {SCHEMA_VERSION}. "
            "Use the version of napari-molf that wrote it."
        )


def _expert(path: Path, key: str) -> int:
    if not re.fullmatch(r"E[1-9][0-9]{0,3}", key):
        raise _Damaged(f"{path} is damaged: “{_shown(key)}” is no expert. Ask for the file again.")
    return int(key[1:]) - 1


def _set_aside(path: Path, error: Exception) -> str:
    aside = next(
        place
        for number in range(1, 10_000)
        if not (place := path.with_name(f"{path.stem}.damaged-{number}.json")).exists()
    )
    try:
        replace_path(path, aside)
    except OSError:
        return f"The names of the experts could not be read, so they have their numbers: {error}"
    return (
        f"The names of the experts could not be read, so they have their numbers; the file was set aside as {aside}. "
        f"Put it right, or give the names anew. ({error})"
    )


def _shown(text: str) -> str:
    """Foreign text as far as a sentence has room for it and can show it."""
    short = text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}…"
    return "".join(letter if letter.isprintable() else "?" for letter in short)

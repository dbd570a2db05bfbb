"""Write configs/default.toml: every setting of a training run at its default, with what it means.

python scripts/make_default_config.py configs/default.toml
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from types import NoneType
from typing import get_args

from pydantic import BaseModel

from molf_engine.config import RunConfig

OPENING = """\
# Every setting of `molf-engine train` at its default. A settings file needs only what differs; each is also a flag of the same name:
#   molf-engine train configs/default.toml --data FOLDER --data.validation SECTION -o my-model --flow.experts 8
# Written by scripts/make_default_config.py from molf_engine.config.
"""


def default_config() -> str:
    """The file as text."""
    top: list[str] = []
    tables: list[str] = []
    _table(RunConfig(), "", top, tables)
    return "\n".join([OPENING, *top, *tables]) + "\n"


def _table(values: BaseModel, name: str, here: list[str], tables: list[str]) -> None:
    for key, field in type(values).model_fields.items():
        value = getattr(values, key)
        if isinstance(value, BaseModel):
            inside: list[str] = []
            place = len(tables)
            tables.append("")
            dotted = f"{name}.{key}" if name else key
            _table(value, dotted, inside, tables)
            about = _comment((type(value).__doc__ or "").strip().splitlines()[0])
            tables[place] = "\n".join(["", *about, f"[{dotted}]", *inside])
            continue
        if field.description:
            here += _comment(field.description)
        # TOML has no word for nothing: such a setting is shown, and left out.
        optional = value is None and NoneType in get_args(field.annotation)
        here.append(f"# {key} =" if optional else f"{key} = {_toml(value)}")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(part) for part in value) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(default_config(), encoding="utf-8")

"""Gene panels: which genes a model predicts, and in which order."""

from __future__ import annotations

from collections import Counter
from functools import cache
from importlib.resources import files
from pathlib import Path

from molf_engine.errors import ConfigError, DataError

RELEASED = "molf-1386"
HALLMARK = "hallmark"
HALLMARK_HVG = "hallmark+hvg"


def table_lines(name: str) -> list[str]:
    """Lines of a shipped table, without its comments."""
    text = files("molf_engine.genes").joinpath("tables", name).read_text(encoding="utf-8")
    return _content(text)


def panel(name: str | Path) -> tuple[str, ...]:
    """Symbols of a gene panel, in its order.

    Parameters
    ----------
    name
        ``molf-1386`` (the paper's panel in the channel order of the released weights), ``hallmark`` (those of its genes
        that are in some Hallmark set) or a text file with one symbol a line (``#`` starts a comment).

    Raises
    ------
    ConfigError
        If there is no such panel and no such file, or it is chosen on data (``hallmark+hvg``).
    DataError
        If the file holds no symbol, a symbol twice, or more than symbols.
    """
    if name == RELEASED:
        return _released()
    if name == HALLMARK:
        return _hallmark()
    if name == HALLMARK_HVG:
        raise ConfigError(
            f"The panel {HALLMARK_HVG} is chosen on the training sections of a run, so it is not known without them. "
            f"Train with it, or name {RELEASED}, {HALLMARK} or a text file with one symbol a line."
        )
    return _from_file(Path(name))


@cache
def _released() -> tuple[str, ...]:
    return tuple(table_lines("molf-1386.txt"))


@cache
def _hallmark() -> tuple[str, ...]:
    from molf_engine.genes.hallmark import hallmark_sets

    in_some_set = set().union(*hallmark_sets().values())
    return tuple(symbol for symbol in _released() if symbol in in_some_set)


def _from_file(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise ConfigError(
            f"Unknown gene panel {str(path)!r}: choose {RELEASED}, {HALLMARK}, {HALLMARK_HVG}, or a text file with one symbol a line."
        )
    try:
        symbols = _content(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"Cannot read the gene panel {path}: {error}") from error
    if not symbols:
        raise DataError(f"The gene panel {path} is empty: write one gene symbol a line.")
    if strange := [symbol for symbol in symbols if len(symbol.split()) > 1 or "," in symbol]:
        raise DataError(f"The gene panel {path} should hold one symbol a line; one line is {strange[0][:60]!r}.")
    if twice := [symbol for symbol, count in Counter(symbols).items() if count > 1]:
        raise DataError(f"The gene panel {path} names {', '.join(twice[:5])} more than once: keep each symbol once.")
    return tuple(symbols)


def _content(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]

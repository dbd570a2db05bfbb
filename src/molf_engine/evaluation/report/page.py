"""A report as one HTML file that asks for nothing from outside, and opens anywhere, for years."""

from __future__ import annotations

import base64
import io
import numbers
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from molf_engine.evaluation.report.cells import Estimate, as_html, expand, is_number, size
from molf_engine.evaluation.report.style import STYLE
from molf_engine.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

NAME = "report.html"
DPI = 150

Highest = Literal["row", "column"]

# The browser itself refuses whatever would leave the file.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True)
class _Figure:
    figure: Figure
    caption: str
    name: str
    number: int


class Page:
    """A report that is built from top to bottom, then written.

    Every text is escaped; within one, words in backticks are set as code.  Tables and figures are numbered in order; their names
    are those of their files, so each may be used once.

    Parameters
    ----------
    title : str
        Of the page.
    lead : str
        A sentence or two under it: what this is, and what came out.
    """

    def __init__(self, title: str, lead: str = "") -> None:
        self.title, self._lead = title, lead
        self._body: list[str | _Figure] = []
        self._contents: list[tuple[int, str, str]] = []
        self._tables: dict[str, pd.DataFrame] = {}
        self._figures: list[str] = []

    def heading(self, text: str, level: int = 2) -> Page:
        """Open a chapter (level 2) or a part of one (3); both are in the list of contents."""
        if level not in (2, 3):
            raise ValueError(f"a heading is of level 2 or 3, not {level}")
        anchor = f"{_slug(text)}-{len(self._contents) + 1}"
        self._contents.append((level, text, anchor))
        self._body.append(f'<h{level} id="{anchor}">{_inline(text)}</h{level}>')
        return self

    def text(self, *paragraphs: str) -> Page:
        """Add paragraphs; empty ones are skipped."""
        self._body.extend(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs if paragraph)
        return self

    def points(self, items: Sequence[str]) -> Page:
        """Add a list of sentences."""
        if items:
            self._body.append(f'<ul class="plain">{"".join(f"<li>{_inline(item)}</li>" for item in items)}</ul>')
        return self

    def facts(self, facts: Mapping[str, Any]) -> Page:
        """Add names with their values."""
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{_fact(value)}</dd>" for name, value in facts.items())
        self._body.append(f"<dl>{rows}</dl>")
        return self

    def code(self, text: str) -> Page:
        """Add lines as they are, such as commands."""
        self._body.append(f"<pre><code>{escape(text)}</code></pre>")
        return self

    def table(
        self,
        frame: pd.DataFrame,
        caption: str,
        notes: Sequence[str] = (),
        name: str = "",
        *,
        digits: int = 3,
        highest: Highest | None = None,
        ruled: Sequence[int] = (),
    ) -> Page:
        """Add a table; also written as ``tables/<name>.csv``, unrounded.

        Parameters
        ----------
        frame : DataFrame
            Cells are text, numbers, bool, None or :class:`~molf_engine.evaluation.report.Estimate`.  The index is shown if it has
            a name.
        caption : str
            Says what it is, of how many sections, patients, spots and genes.
        notes : sequence of str
            Below the table.
        name : str
            Of its file, without suffix: small letters, digits and hyphens; empty: no file.
        digits : int
            Decimals.
        highest : {'row', 'column'}, optional
            Set the highest number of each row or column in bold.  Whole numbers are counts and do not compete; where a table has
            estimates, they alone do.
        ruled : sequence of int
            Rows that have a line above.
        """
        if name:
            self._tables[_fresh(name, self._tables)] = frame
        number = 1 + sum(isinstance(part, str) and part.startswith('<figure class="table"') for part in self._body)
        link = f'<p class="files"><a href="tables/{name}.csv">tables/{name}.csv</a></p>' if name else ""
        below = f'<ul class="notes">{"".join(f"<li>{_inline(note)}</li>" for note in notes)}</ul>' if notes else ""
        self._body.append(
            f'<figure class="table"><figcaption><b>Table {number}.</b> {_inline(caption)}</figcaption>'
            f'<div class="scroll" tabindex="0">{_table(frame, digits, highest, frozenset(ruled))}</div>{below}{link}</figure>'
        )
        return self

    def figure(self, figure: Figure, caption: str, name: str) -> Page:
        """Add a figure; also written as ``figures/<name>.png`` and ``.svg``."""
        self._figures.append(_fresh(name, self._figures))
        self._body.append(_Figure(figure, caption, name, len(self._figures)))
        return self

    def write(self, folder: Path | str) -> Path:
        """Write ``report.html``, ``tables/`` and ``figures/`` into a folder, the page last; returns its path.

        Raises
        ------
        MolfError
            If the folder cannot be written to.
        """
        folder = Path(folder)
        for name, frame in self._tables.items():
            with atomic_path(folder / "tables" / f"{name}.csv") as beside:
                expand(frame).to_csv(beside, index=frame.index.names != [None], encoding="utf-8")
        body = [part if isinstance(part, str) else _drawn(part, folder / "figures") for part in self._body]
        path = folder / NAME
        with atomic_path(path) as beside:
            beside.write_text(self._html("\n".join(body)), encoding="utf-8")
        return path

    def html(self) -> str:
        """The page alone, its figures in it: one file to send on.

        Raises
        ------
        ValueError
            If a table has a name, and so a file that the page would link to.
        """
        if self._tables:
            raise ValueError(f"a page of one file has no files of tables: {', '.join(self._tables)}")
        return self._html(
            "\n".join(part if isinstance(part, str) else _picture(part, _png(part)) for part in self._body)
        )

    def _html(self, body: str) -> str:
        entries = "".join(
            f'<li{" class=sub" if level > 2 else ""}><a href="#{anchor}">{_inline(text)}</a></li>'
            for level, text, anchor in self._contents
        )
        contents = f'<nav aria-label="Contents"><strong>Contents</strong><ol>{entries}</ol></nav>' if entries else ""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{escape(self.title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
            f'<header><h1>{_inline(self.title)}</h1><p class="lead">{_inline(self._lead)}</p></header>\n'
            f'<div class="columns">\n{contents}\n<main>\n{body}\n</main>\n</div>\n</body>\n</html>\n'
        )


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _fact(value: Any) -> str:
    return _inline(value) if isinstance(value, str) else as_html(value)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "part"


def _fresh(name: str, taken: Any) -> str:
    """The name, if it can be that of a file and none has it."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", name):
        raise ValueError(f"{name!r} cannot name a file: use small letters, digits and hyphens")
    if name in taken:
        raise ValueError(f"{name!r} is the name of another table or figure of this page")
    return name


def _table(frame: pd.DataFrame, digits: int, highest: Highest | None, ruled: frozenset[int]) -> str:
    named = frame.index.names != [None]
    heads = list(frame.index.names) if named else []
    columns = [list(frame.iloc[:, place]) for place in range(frame.shape[1])]
    # A column of nothing but gaps stays with its neighbours, the numbers.
    numeric = [all(is_number(cell) or cell is None or cell != cell for cell in cells) for cells in columns]
    best = _best(columns, numeric, highest)
    head = "".join(f'<th scope="col">{escape(str(name or ""))}</th>' for name in heads) + "".join(
        f'<th scope="col"{" class=number" if right else ""}>{_inline(str(name))}</th>'
        for name, right in zip(frame.columns, numeric, strict=True)
    )
    rows = []
    for place, label in enumerate(frame.index):
        labels = (label if isinstance(label, tuple) else (label,)) if named else ()
        cells = "".join(f'<th scope="row">{_breakable(as_html(one, digits))}</th>' for one in labels)
        for column, (values, right) in enumerate(zip(columns, numeric, strict=True)):
            kinds = ["number" if right else "text"] + ["best"] * ((place, column) in best)
            cells += f'<td class="{" ".join(kinds)}">{as_html(values[place], digits)}</td>'
        rows.append(f"<tr{' class=rule' if place in ruled else ''}>{cells}</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _breakable(html: str) -> str:
    """Let a long name of several words, such as that of a Hallmark set, break between them on a narrow screen."""
    return html.replace("_", "_<wbr>")


def _best(columns: list[list[Any]], numeric: list[bool], highest: Highest | None) -> set[tuple[int, int]]:
    """Row and column of the highest finite number of each line of two or more.

    Whole numbers are counts and do not compete; where a table has estimates, nothing else does.
    """
    cells = {
        (row, column): cell
        for column, cells in enumerate(columns)
        if highest and numeric[column]
        for row, cell in enumerate(cells)
        if size(cell) == size(cell) and not isinstance(cell, numbers.Integral)
    }
    if any(isinstance(cell, Estimate) for cell in cells.values()):
        cells = {place: cell for place, cell in cells.items() if isinstance(cell, Estimate)}
    lines: dict[int, list[tuple[int, int]]] = {}
    for place in cells:
        lines.setdefault(place[0] if highest == "row" else place[1], []).append(place)
    best = set()
    for line in lines.values():
        top = max(size(cells[place]) for place in line)
        best |= {place for place in line if len(line) > 1 and size(cells[place]) == top}
    return best


def _png(part: _Figure) -> bytes:
    png = io.BytesIO()
    part.figure.savefig(png, format="png", dpi=DPI)
    return png.getvalue()


def _drawn(part: _Figure, folder: Path) -> str:
    """Write a figure in both forms; its HTML holds the PNG."""
    import matplotlib as mpl

    png = _png(part)
    with atomic_path(folder / f"{part.name}.png") as beside:
        beside.write_bytes(png)
    # Without a date and with ids of its own name, the same figure is the same file.
    with mpl.rc_context({"svg.hashsalt": part.name}), atomic_path(folder / f"{part.name}.svg") as beside:
        part.figure.savefig(beside, format="svg", metadata={"Date": None})
    links = ", ".join(f'<a href="figures/{part.name}.{kind}">figures/{part.name}.{kind}</a>' for kind in ("png", "svg"))
    return _picture(part, png, f'<p class="files">{links}</p>')


def _picture(part: _Figure, png: bytes, below: str = "") -> str:
    width = round(part.figure.get_size_inches()[0] * 96)
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<figure class="picture"><img width="{width}" alt="{escape(part.caption, quote=True)}" src="data:image/png;base64,{data}">'
        f"<figcaption><b>Figure {part.number}.</b> {_inline(part.caption)}</figcaption>{below}</figure>"
    )

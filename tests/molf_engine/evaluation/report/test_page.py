"""A report is one file that asks for nothing from outside, with its tables and figures beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from molf_engine.evaluation.report import Estimate, Page, new_figure

NASTY = '<script>alert("x")</script> & `<b>`'


class Reader(HTMLParser):
    """Collects tags with their attributes, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "wbr"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


def drawing() -> Figure:
    figure = new_figure(3, 2)
    figure.subplots().plot([0, 1], [1, 0])
    return figure


def page() -> Page:
    frame = pd.DataFrame({"type": ["IDC", "PRAD"], "molf": [0.25, 0.5], "ridge": [0.75, np.nan]}).set_index("type")
    return (
        Page("A report", "What it is.")
        .heading("First")
        .text("One.", "Two.")
        .table(frame, "Scores.", ["A note."], "scores", highest="row")
        .heading("A part", 3)
        .figure(drawing(), "A line.", "line")
    )


def written(page: Page, folder: Path) -> str:
    return page.write(folder).read_text(encoding="utf-8")


def test_one_file_with_tables_and_figures_beside_it(tmp_path: Path) -> None:
    html = written(page(), tmp_path)
    files = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["figures/line.png", "figures/line.svg", "report.html", "tables/scores.csv"]
    links = [link["href"] for link in Reader(html).of("a")]
    for link in links:
        assert link is not None
        assert (tmp_path / link).is_file() if not link.startswith("#") else f'id="{link[1:]}"' in html
    assert len(links) == 5


def test_nothing_is_asked_for_from_outside(tmp_path: Path) -> None:
    reader = Reader(written(page(), tmp_path))
    (image,) = reader.of("img")
    assert (image["src"] or "").startswith("data:image/png;base64,iVBOR")
    assert not {"script", "link", "iframe"} & {tag for tag, _ in reader.seen}
    assert not re.findall(r"https?://|@import|url\(", (tmp_path / "report.html").read_text())


def test_every_text_is_escaped(tmp_path: Path) -> None:
    frame = pd.DataFrame({NASTY: [NASTY]}, index=pd.Index([NASTY], name=NASTY))
    nasty = Page(NASTY, NASTY).heading(NASTY).text(NASTY).points([NASTY]).facts({NASTY: NASTY}).code(NASTY)
    nasty.table(frame, NASTY, [NASTY]).figure(drawing(), NASTY, "figure")
    html = written(nasty, tmp_path)
    reader = Reader(html)
    assert not reader.of("script")
    assert not reader.of("b")[2:]
    assert "<code>&lt;b&gt;</code>" in html


def test_a_csv_holds_the_figures_unrounded_and_their_uncertainty_apart(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"model": ["molf", "ridge"], "PCC": [Estimate(1 / 3, sd=0.1), Estimate(0.25, low=0.1, high=0.4)]}
    )
    written(Page("A").table(frame, "B", name="scores"), tmp_path)
    read = pd.read_csv(tmp_path / "tables" / "scores.csv")
    assert list(read) == ["model", "PCC", "PCC sd", "PCC low", "PCC high"]
    assert read["PCC"][0] == pytest.approx(1 / 3, abs=1e-15)
    assert read["PCC high"][1] == 0.4
    assert np.isnan(read["PCC low"][0])


def cells(frame: pd.DataFrame, tmp_path: Path, **settings: object) -> list[tuple[str, str]]:
    """Class and inner HTML of each cell."""
    html = written(Page("A").table(frame, "B", **settings), tmp_path)  # type: ignore[arg-type]
    return re.findall(r'<td class="([^"]*)">(.*?)</td>', html)


def test_numbers_stand_to_the_right_and_gaps_are_dashes(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"a": [0.12345], "b": ["x"], "c": [np.nan], "d": [123456], "e": [-0.5], "f": [1e-6], "g": [True]}
    )
    assert cells(frame, tmp_path) == [
        ("number", "0.123"),
        ("text", "x"),
        ("number", "–"),
        ("number", "123,456"),
        ("number", "\N{MINUS SIGN}0.500"),
        ("number", "1.0e\N{MINUS SIGN}06"),
        ("text", "yes"),
    ]


def test_the_highest_of_a_row_is_bold_and_a_number_alone_is_not(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "count": [9, 9, 9, 9],
            "a": [Estimate(0.5), 0.1, np.nan, Estimate(0.2)],
            "b": [Estimate(0.4, sd=0.3), np.nan, np.nan, Estimate(0.2)],
        }
    )
    bold = ["best" in kind for kind, _ in cells(frame, tmp_path, highest="row")]
    # A count does not compete, and of equals each is the highest.
    assert bold == [False, True, False, *[False] * 6, False, True, True]


def test_an_estimate_shows_its_spread_and_interval(tmp_path: Path) -> None:
    ((_, text),) = cells(pd.DataFrame({"a": [Estimate(0.5, 0.01, 0.4, 0.6)]}), tmp_path)
    assert re.sub("<[^>]*>", "|", text) == "0.500 |± 0.010||0.400 to 0.600|"


def test_writing_again_gives_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        page().write(tmp_path / name)
    for path in (tmp_path / "first").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "second" / path.relative_to(tmp_path / "first")).read_bytes()


@pytest.mark.parametrize("name", ["../up", "Two words", "scores"])
def test_a_name_is_one_file_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        page().table(pd.DataFrame({"a": [1]}), "B", name=name)


def test_a_page_alone_holds_its_figures_and_links_to_no_file() -> None:
    figure = new_figure(2.0, 1.0)
    figure.subplots().plot([0, 1])
    page = Page("Alone").text(NASTY).figure(figure, "A line.", "line").table(pd.DataFrame({"a": [1]}), "A table")
    reader = Reader(page.html())
    (image,) = reader.of("img")
    assert image["src"].startswith("data:image/png;base64,")
    assert not reader.of("a") and not reader.of("script")


def test_a_page_alone_refuses_what_would_be_a_file() -> None:
    page = Page("Alone").table(pd.DataFrame({"a": [1]}), "A table", name="scores")
    with pytest.raises(ValueError, match="no files of tables: scores"):
        page.html()

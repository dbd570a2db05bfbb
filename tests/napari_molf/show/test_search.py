"""The search box, used as a person would."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt

from napari_molf.core.scores import Score
from napari_molf.show.search import Entry, ScoreSearch, find

ENTRIES = [
    *(Entry(Score("gene", name)) for name in ("EPCAM", "EPB41", "CD3E", "TP53", "DEPTOR")),
    Entry(Score("gene", "WEAK"), "low held-out skill (PCC 0.05)"),
    Entry(Score("hallmark", "EPITHELIAL_MESENCHYMAL_TRANSITION"), note="Hallmark, 120 genes of the panel"),
    Entry(Score("hallmark", "HYPOXIA")),
]


def names(found: list[Entry]) -> list[str]:
    return [entry.score.name for entry in found]


@pytest.mark.parametrize("query", ["ep", "EP", " ep "])
def test_contains_is_enough_beginnings_come_first_and_programmes_before_genes(query: str) -> None:
    assert names(find(query, ENTRIES)) == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM", "DEPTOR"]


def test_names_that_only_begin_alike_come_last() -> None:
    assert names(find("epi", ENTRIES)) == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM"]
    assert names(find("xyz", ENTRIES)) == []


def test_an_exact_symbol_comes_first() -> None:
    entries = [
        Entry(Score("gene", "CD3EAP")),
        Entry(Score("hallmark", "CD3E_SIGNALLING")),
        Entry(Score("gene", "CD3E")),
    ]
    assert names(find("cd3e", entries))[0] == "CD3E"


def test_spaces_and_the_prefix_are_forgiven() -> None:
    assert names(find("hallmark_epithelial mesen", ENTRIES)) == ["EPITHELIAL_MESENCHYMAL_TRANSITION"]


@pytest.fixture
def search(qtbot) -> ScoreSearch:
    widget = ScoreSearch()
    qtbot.addWidget(widget)
    widget.resize(260, 60)
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_entries(ENTRIES)
    widget.set_current(Score("gene", "TP53"))
    widget.select_text()
    return widget


@pytest.fixture
def chosen(search: ScoreSearch) -> list[str]:
    seen: list[str] = []
    search.score_chosen.connect(lambda score: seen.append(score.name))
    return seen


def popup(search: ScoreSearch):
    return search._completer.popup()


def test_typing_lists_what_contains_it(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "ep")
    assert popup(search).isVisible()
    model = search._model
    assert [model.item(i).text() for i in range(model.rowCount())][:2] == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41"]
    assert chosen == []  # looking is not choosing


def test_arrow_keys_in_the_list_change_the_map_at_once(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "ep")
    for _ in range(3):
        qtbot.keyClick(popup(search), Qt.Key.Key_Down)
    assert chosen == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM"]
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert not popup(search).isVisible() and search._line.text() == "EPCAM"


def test_enter_takes_the_best_match(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "hypo")
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert chosen == ["HYPOXIA"] and search.current == Score("hallmark", "HYPOXIA")


def test_with_the_list_closed_arrow_keys_step_through_what_was_found_and_stop_at_its_ends(
    qtbot, search: ScoreSearch, chosen: list[str]
) -> None:
    qtbot.keyClicks(search._line, "ep")
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    for _ in range(5):
        qtbot.keyClick(search._line, Qt.Key.Key_Down)
    assert chosen == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41", "EPCAM", "DEPTOR"]
    qtbot.keyClick(search._line, Qt.Key.Key_Up)
    assert chosen[-1] == "EPCAM"


def test_a_click_in_the_list_chooses(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "ep")
    view = popup(search)
    at = view.visualRect(search._model.index(2, 0)).center()
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)
    assert chosen == ["EPCAM"] and search._line.text() == "EPCAM"


def test_doubt_is_said_in_the_list_and_beside_the_choice(qtbot, search: ScoreSearch) -> None:
    qtbot.keyClicks(search._line, "weak")
    assert "⚠ low held-out skill" in search._model.item(0).text()
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert search.note == "⚠ low held-out skill (PCC 0.05)"
    assert search._line.text() == "WEAK"
    search.set_current(Score("gene", "TP53"))
    assert search.note == ""


def test_nothing_found_is_said(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "xyz")
    assert "xyz" in search.note and not popup(search).isVisible()
    qtbot.keyClick(search._line, Qt.Key.Key_Return)
    assert chosen == []


def test_the_list_is_as_wide_as_the_longest_programme(qtbot, search: ScoreSearch) -> None:
    qtbot.keyClicks(search._line, "epi")
    view = popup(search)
    assert view.viewport().width() >= view.sizeHintForColumn(0)

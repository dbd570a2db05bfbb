"""The search box, used as a person would."""

from __future__ import annotations

import time

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from molf_engine.genes import hallmark_sets, panel
from napari_molf.core.names import other_names
from napari_molf.core.scores import Score
from napari_molf.desk.settings import Settings, settings_path
from napari_molf.show.finding import Catalogue, Entry
from napari_molf.show.search import ScoreSearch
from tests.napari_molf.show.test_finding import ALIASES, ENTRIES


def make(qtbot, settings: Settings | None = None) -> ScoreSearch:
    widget = ScoreSearch(settings)
    qtbot.addWidget(widget)
    widget.resize(260, 60)
    widget.show()
    qtbot.waitExposed(widget)
    widget.set_catalogue(Catalogue(ENTRIES, ALIASES))
    widget.set_current(Score("gene", "TP53"))
    widget.select_text()
    return widget


@pytest.fixture
def search(qtbot) -> ScoreSearch:
    return make(qtbot)


@pytest.fixture
def chosen(search: ScoreSearch) -> list[str]:
    seen: list[str] = []
    search.score_chosen.connect(lambda score: seen.append(score.name))
    return seen


def popup(search: ScoreSearch):
    return search._completer.popup()


def rows(search: ScoreSearch) -> list[str]:
    return [search._model.text(row) for row in range(search._model.rowCount())]


def erase(qtbot, search: ScoreSearch) -> None:
    search.select_text()
    qtbot.keyClick(search._line, Qt.Key.Key_Backspace)


def test_typing_lists_what_contains_it(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "ep")
    assert popup(search).isVisible()
    assert rows(search)[:2] == ["EPITHELIAL_MESENCHYMAL_TRANSITION", "EPB41"]
    assert chosen == []  # looking is not choosing


def test_another_name_of_a_gene_finds_it_and_says_why(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "HER2")
    assert rows(search) == ["ERBB2 (HER2)"]
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert chosen == ["ERBB2"] and search._line.text() == "ERBB2"


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
    assert rows(search) == ["WEAK   ⚠ low held-out skill (PCC 0.05)"]
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


def test_enter_never_takes_another_gene_than_was_typed(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClicks(search._line, "cd3f")
    assert rows(search) == ["CD3E"] and "called “cd3f”" in search.note
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert chosen == [] and "begin alike" in search.note
    qtbot.keyClick(search._line, Qt.Key.Key_Down)
    assert chosen == ["CD3E"]


def test_the_list_is_as_wide_as_the_longest_programme(qtbot, search: ScoreSearch) -> None:
    qtbot.keyClicks(search._line, "epi")
    view = popup(search)
    assert view.viewport().width() >= view.sizeHintForColumn(0)


# -- the list of what one comes back to ----------------------------------------------------------------------


def test_the_empty_box_opens_a_list_in_groups_whose_headings_are_passed_by(
    qtbot, search: ScoreSearch, chosen: list[str]
) -> None:
    qtbot.mouseClick(search.star, Qt.MouseButton.LeftButton)
    erase(qtbot, search)
    with qtbot.waitSignal(search.variable_wanted):
        qtbot.keyClick(search._line, Qt.Key.Key_Down)
    assert rows(search)[:2] == ["Favourites", "★ TP53"] and rows(search)[-1].endswith("looking…")
    search.set_variable([Score("hallmark", "HYPOXIA"), Score("gene", "WEAK"), Score("gene", "NOT_OF_THIS_MODEL")])
    at = rows(search).index("Most variable here")
    assert rows(search)[at + 1 :] == ["HYPOXIA", "WEAK   ⚠ low held-out skill (PCC 0.05)"]
    heading = search._model.index(at, 0)
    assert "training spots" in heading.data(Qt.ItemDataRole.ToolTipRole)
    assert not search._model.flags(heading) & Qt.ItemFlag.ItemIsSelectable
    for _ in range(4):
        qtbot.keyClick(popup(search), Qt.Key.Key_Down)
    assert chosen[-2:] == ["HYPOXIA", "WEAK"]
    qtbot.keyClick(popup(search), Qt.Key.Key_Up)
    assert chosen[-1] == "HYPOXIA"


def test_the_button_opens_the_list_and_escape_leaves_the_map_alone(
    qtbot, search: ScoreSearch, chosen: list[str]
) -> None:
    qtbot.mouseClick(search.drop_down, Qt.MouseButton.LeftButton)
    assert popup(search).isVisible()
    qtbot.keyClick(popup(search), Qt.Key.Key_Escape)
    assert not popup(search).isVisible() and chosen == [] and search._line.text() == "TP53"


def test_alt_down_opens_the_list_whatever_is_in_the_box(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    qtbot.keyClick(search._line, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert popup(search).isVisible() and chosen == []


def test_what_was_chosen_with_enter_is_recent_and_what_was_only_passed_is_not(qtbot, search: ScoreSearch) -> None:
    qtbot.keyClicks(search._line, "ep")
    for _ in range(3):
        qtbot.keyClick(popup(search), Qt.Key.Key_Down)
    qtbot.keyClick(popup(search), Qt.Key.Key_Return)
    assert search.shelf.recent == ["gene:EPCAM"]


def test_a_score_one_stays_with_becomes_recent(qtbot, search: ScoreSearch) -> None:
    qtbot.keyClick(search._line, Qt.Key.Key_Down)
    name = search.current.name
    qtbot.waitUntil(lambda: search.shelf.recent == [f"{search.current.kind}:{name}"])


def test_favourites_and_recents_are_there_in_the_next_session(qtbot) -> None:
    first = make(qtbot, Settings(settings_path()))
    qtbot.mouseClick(first.star, Qt.MouseButton.LeftButton)
    assert first.star.isChecked() and first.star.text() == "★"
    qtbot.keyClicks(first._line, "hypo")
    qtbot.keyClick(popup(first), Qt.Key.Key_Return)
    assert not first.star.isChecked() and first.star.accessibleName() == "Favourite, not marked"
    qtbot.waitUntil(settings_path().is_file)
    second = make(qtbot, Settings(settings_path()))
    qtbot.mouseClick(second.drop_down, Qt.MouseButton.LeftButton)
    assert rows(second)[:4] == ["Favourites", "★ TP53", "Recent", "HYPOXIA"]


def test_back_leads_through_what_was_shown(qtbot, search: ScoreSearch, chosen: list[str]) -> None:
    for _ in range(2):
        qtbot.keyClick(search._line, Qt.Key.Key_Up)
    assert chosen == ["HLA-DRA", "ERBB2"]
    for _ in range(3):
        search.back()
    assert chosen[2:] == ["HLA-DRA", "TP53"] and search.current.name == "TP53"


# -- a list of names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["tp53\nHER2\nNOPE\n", "tp53, HER2, NOPE"])
def test_a_pasted_list_is_looked_through_alone_and_in_its_order(
    qtbot, search: ScoreSearch, chosen: list[str], text: str
) -> None:
    QApplication.clipboard().setText(text)
    search.set_current(Score("gene", "CD3E"))
    search.select_text()
    qtbot.keyClick(search._line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert rows(search) == ["TP53", "ERBB2 (HER2)"]
    assert "2 of 3 names found" in search.note and search.note.endswith("NOPE.")
    qtbot.keyClick(popup(search), Qt.Key.Key_Escape)
    for _ in range(3):
        qtbot.keyClick(search._line, Qt.Key.Key_Down)
    assert chosen == ["TP53", "ERBB2"]


def test_a_single_pasted_name_is_searched_for(qtbot, search: ScoreSearch) -> None:
    QApplication.clipboard().setText("hypoxia")
    qtbot.keyClick(search._line, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    assert rows(search) == ["HYPOXIA"]


# -- speed ---------------------------------------------------------------------------------------------------


def test_keys_are_answered_at_once_among_all_genes_and_hallmarks(qtbot, search: ScoreSearch) -> None:
    genes = panel("molf-1386")
    entries = [Entry(Score("gene", gene), skill="PCC 0.30") for gene in genes]
    entries += [Entry(Score("hallmark", name)) for name in hallmark_sets()]
    search.set_catalogue(Catalogue(entries, other_names(genes)))
    qtbot.keyClicks(search._line, "c")  # the list is made on the first key
    spent = []
    for key in "d3e":
        start = time.perf_counter()
        qtbot.keyClicks(search._line, key)
        spent.append(time.perf_counter() - start)
    assert min(spent) < 0.01, spent

"""The scatter plot and the table, clicked as a person would."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import QFileDialog

from napari_molf.core.scores import Score
from napari_molf.measured.panel import AgreementPanel
from napari_molf.measured.saving import save_table
from napari_molf.measured.scatter import ticks
from tests.napari_molf.measured.test_words import UNITS, agreement


@pytest.fixture
def panel(qtbot) -> AgreementPanel:
    widget = AgreementPanel()
    qtbot.addWidget(widget)
    widget.resize(900, 300)
    widget.show_agreement(agreement(), UNITS, Score("gene", "EPCAM"))
    widget.show()
    return widget


def names(panel: AgreementPanel) -> list[str]:
    return [panel.rows.index(row, 0).data() for row in range(panel.rows.rowCount())]


def click_row(qtbot, panel: AgreementPanel, row: int) -> None:
    at = panel.table.visualRect(panel.rows.index(row, 0)).center()
    qtbot.mouseClick(panel.table.viewport(), Qt.MouseButton.LeftButton, pos=at)


def test_genes_come_by_their_correlation_and_the_score_on_the_map_is_marked(panel: AgreementPanel) -> None:
    assert names(panel) == ["KRT8", "EPCAM", "FLAT"]
    assert panel.table.currentIndex().row() == 1
    assert panel.rows.index(2, 1).data() == "–"


def test_a_click_on_a_heading_sorts_and_one_on_a_row_shows_that_gene(qtbot, panel: AgreementPanel) -> None:
    header = panel.table.horizontalHeader()
    at = header.sectionViewportPosition(0) + header.sectionSize(0) // 2
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(at, 10))
    assert names(panel) in (["EPCAM", "FLAT", "KRT8"], ["KRT8", "FLAT", "EPCAM"])
    row = names(panel).index("KRT8")
    with qtbot.waitSignal(panel.score_chosen) as caught:
        click_row(qtbot, panel, row)
    assert caught.args == [Score("gene", "KRT8")]


def test_typing_finds_rows_and_hallmark_sets_have_a_list_of_their_own(qtbot, panel: AgreementPanel) -> None:
    qtbot.keyClicks(panel.search, "krt")
    assert names(panel) == ["KRT8"]
    panel.search.clear()
    panel.kind.setCurrentIndex(1)
    assert names(panel) == ["HYPOXIA"]
    with qtbot.waitSignal(panel.score_chosen) as caught:
        click_row(qtbot, panel, 0)
    assert caught.args == [Score("hallmark", "HYPOXIA")]


def test_the_plot_draws_a_dot_for_each_finite_pair(qtbot, panel: AgreementPanel) -> None:
    before = panel.scatter.grab().toImage()
    panel.show_points(np.array([1.0, 2, np.nan]), np.array([1.0, 3, 4]), "EPCAM", UNITS)
    assert panel.scatter.count == 2
    assert panel.scatter.grab().toImage() != before


def test_a_constant_score_is_drawn_too(panel: AgreementPanel) -> None:
    panel.show_points(np.ones(3), np.ones(3), "FLAT", UNITS)
    assert not panel.scatter.grab().isNull()


@pytest.mark.parametrize(
    ("axis", "expected"),
    [((0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1.0]), ((-3.0, 2.2), [-2, 0, 2]), ((5.0, 5.0), [5.0])],
)
def test_ticks_are_round(axis: tuple[float, float], expected: list[float]) -> None:
    assert ticks(*axis) == pytest.approx(expected)


def test_the_table_is_saved_whole(
    qtbot, panel: AgreementPanel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "table.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), ""))
    with qtbot.waitSignal(panel.save_wanted) as caught:
        qtbot.mouseClick(panel.save, Qt.MouseButton.LeftButton)
    save_table(agreement(), caught.args[0])
    table = pd.read_csv(path, index_col="name")
    assert table.loc["EPCAM", f"pcc_{UNITS}"] == 0.41 and table.loc["EPCAM", "spots"] == 1176

"""What a model knows: what it learned from, whether this slide is like it, and how well it predicts each gene."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from qtpy.QtCore import QItemSelection, Qt
from qtpy.QtWidgets import QLabel, QLineEdit, QTableView, QTabWidget, QTextBrowser, QVBoxLayout, QWidget

from napari_molf.core.scores import Score
from napari_molf.core.seen import MARKS, facts_of
from napari_molf.core.skill import (
    Skills,
    means_line,
    percent,
    set_figures,
    skills_of_bundle,
    skills_of_run,
    spread_sentence,
)
from napari_molf.desk.part import Panel
from napari_molf.trust.tables import KEY_ROLE, WIDEST, Cell, Rows, Sorted, table_of

if TYPE_CHECKING:
    from molf_engine.bundle import Bundle
    from napari_molf.core.run import Run
    from napari_molf.desk.desk import Desk

_PCC = "Pearson correlation with what was measured, over the spots of held-out sections"
NAME = "What this model knows"


def open_known(desk: Desk) -> KnownPanel:
    """Open the panel, or bring it to the front."""
    return desk.open_panel(partial(KnownPanel, desk), NAME, "bottom")


class KnownPanel(Panel):
    """The model of the prediction on show, or the one that is chosen while there is none.

    Parameters
    ----------
    desk
        What all sections share.
    """

    def __init__(self, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._stopped = False
        self._shown: tuple[str | None, str | None] | None = None
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.facts = QTextBrowser()
        self.facts.setAccessibleName("This slide beside what the model learned from")
        self.card = QTextBrowser()
        self.card.setOpenExternalLinks(True)
        self.card.setAccessibleName("Card of the model")
        self._genes = Rows(
            [
                ("Gene", "Symbol"),
                ("Held-out PCC", _PCC),
                ("Better than", "Share of the other genes with a lower held-out PCC"),
            ]
        )
        self.genes = table_of(self._genes, "Genes of the model", 1, Qt.SortOrder.DescendingOrder)
        self._sets = Rows(
            [
                ("Hallmark", "Set of genes"),
                ("Genes", "Genes of the set that the model knows, of all its genes"),
                ("Mean PCC", f"{_PCC}, mean over the set's genes"),
                ("Ridge", "The same of ridge regression on the same features"),
            ]
        )
        self.sets = table_of(self._sets, "Hallmark sets", 2, Qt.SortOrder.DescendingOrder)
        self.search = QLineEdit()
        self.search.setPlaceholderText("find a gene")
        self.search.setClearButtonEnabled(True)
        self.search.setAccessibleName("Find a gene in the table")
        self.search.setToolTip("Part of a gene's symbol. A click on a gene, or the arrow keys, show its map.")
        self.search.textChanged.connect(self._on_search)
        self.search.setMaximumWidth(WIDEST)
        self.tabs = QTabWidget()
        self.tabs.addTab(self.facts, "This slide")
        self.tabs.addTab(_page(self.search, self.genes), "Genes")
        self.tabs.addTab(_page(self.sets), "Hallmarks")
        self.tabs.addTab(self.card, "Card")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.title)
        layout.addWidget(self.tabs, 1)
        self.setMinimumSize(300, 280)
        for view, kind in ((self.genes, "gene"), (self.sets, "hallmark")):
            selection = view.selectionModel()
            if selection is not None:
                selection.selectionChanged.connect(self._on_gene if kind == "gene" else self._on_set)
        desk.presenter.run_changed.connect(self.refresh)
        desk.chosen.connect(self.refresh)
        self.refresh()

    def refresh(self, _: object = None) -> None:
        """Describe the model that is on show now."""
        run = self._desk.run
        bundle = run.bundle if run is not None else self._desk.bundle
        now = (None if run is None else run.id, None if bundle is None else bundle.weights_hash)
        if now == self._shown:
            return
        self._shown = now
        from molf_engine.errors import MolfError

        try:
            self._describe(run, bundle)
        except MolfError as error:
            self.title.setText(f"⚠ {error}")

    def _describe(self, run: Run | None, bundle: Bundle | None) -> None:
        skills = skills_of_run(run) if run is not None else skills_of_bundle(bundle) if bundle else Skills({})
        self._genes.set_rows([_gene_row(gene, skills) for gene in skills.genes])
        self._sets.set_rows(_set_rows(skills, bundle) if skills.genes else [])
        if bundle is None:
            name = run.model if run is not None else "No model"
            self.title.setText(
                f"<b>{name}</b><br>This model is not on this computer: only what the result says is known."
            )
            self.facts.setHtml("")
            self.card.setPlainText("")
            return
        tested = f"{skills.tested:,} of {len(skills.genes):,} genes were tested on held-out tissue"
        means = means_line(bundle.metrics)
        self.title.setText(f"<b>{bundle.name}</b><br>{tested}" + (f" · {means}" if means else ""))
        self.facts.setHtml(_facts_html(run, bundle))
        self.card.setMarkdown(_card_of(bundle))

    def _on_search(self, text: str) -> None:
        proxy = self.genes.model()
        if isinstance(proxy, Sorted):
            proxy.setFilterFixedString(text.strip())

    def _on_gene(self, chosen: QItemSelection, _: QItemSelection) -> None:
        self._show(self.genes, "gene")

    def _on_set(self, chosen: QItemSelection, _: QItemSelection) -> None:
        self._show(self.sets, "hallmark")

    def _show(self, view: QTableView, kind: str) -> None:
        run, selection = self._desk.run, view.selectionModel()
        chosen = selection.selectedRows() if selection is not None else []
        if run is None or not chosen:
            return
        score = Score("gene" if kind == "gene" else "hallmark", str(chosen[0].data(KEY_ROLE)))
        if score != self._desk.presenter.score:
            self._desk.presenter.show(score)

    def stop(self) -> None:
        """Let go of the desk; also when it has been told already, by the dock and by its own ×."""
        if self._stopped:
            return
        self._stopped = True
        self._desk.presenter.run_changed.disconnect(self.refresh)
        self._desk.chosen.disconnect(self.refresh)


def _page(*widgets: QWidget) -> QWidget:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 4, 0, 0)
    for widget in widgets:
        column.addWidget(widget)
    return page


def _gene_row(gene: str, skills: Skills) -> tuple[Cell, ...]:
    facts, better = skills.genes[gene], skills.better_than(gene)
    if not facts.measured:
        return Cell(gene, gene), Cell("not in training", None), Cell("", None)
    if math.isnan(facts.heldout_pcc) or better is None:
        return Cell(gene, gene), Cell("not tested", None), Cell("", None)
    return Cell(gene, gene), Cell(f"{facts.heldout_pcc:.2f}", facts.heldout_pcc), Cell(percent(better), better)


def _set_rows(skills: Skills, bundle: Bundle | None) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for found in set_figures(skills, bundle.path if bundle is not None else None):
        known = Cell(f"{found.known} of {found.size}", float(found.known))
        rows.append((Cell(found.name, found.name), known, _figure(found.pcc), _figure(found.ridge)))
    return rows


def _figure(value: float | None) -> Cell:
    return Cell("not known", None) if value is None else Cell(f"{value:.2f}", value)


def _facts_html(run: Run | None, bundle: Bundle) -> str:
    """A table of facts, the spread's figure, limits."""
    from html import escape

    head = "<tr><th></th><th align='left'>this slide</th><th align='left'>learned from</th><th></th></tr>"
    rows = "".join(
        f"<tr><td><b>{escape(fact.what)}</b></td><td>{escape(fact.here)}</td><td>{escape(fact.learned)}</td>"
        f"<td>{escape(MARKS[fact.verdict])}</td></tr>"
        for fact in facts_of(None if run is None else run.scores.adata, bundle)
    )
    notes = [bundle.config.description, f"Held-out figures: {bundle.config.heldout}", spread_sentence(bundle.metrics)]
    notes.append(f"Licence: {bundle.config.licence}")
    paragraphs = "".join(f"<p>{escape(note)}</p>" for note in notes if note)
    return f"<table cellpadding='4'>{head}{rows}</table>{paragraphs}"


def _card_of(bundle: Bundle) -> str:
    """The card as Markdown, or a word on its absence."""
    try:
        return (bundle.path / "README.md").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return f"{bundle.path} holds no card (README.md)."

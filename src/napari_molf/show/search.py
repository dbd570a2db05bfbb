"""One search box for genes and Hallmark programmes, with a list of what one comes back to."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QModelIndex, QObject, QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QCompleter, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from napari_molf.core.scores import Score
from napari_molf.core.variable import MEASURE
from napari_molf.desk.settings import Settings
from napari_molf.show.finding import Catalogue, Entry, Found
from napari_molf.show.score_list import SCORE_ROLE, STAR, Heading, Row, RowDelegate, ScoreList
from napari_molf.show.search_line import SearchLine
from napari_molf.show.shelf import Shelf

STAYED_MS = 1500
"""A score that is on show so long was looked at, and not only passed."""
WIDEST = 460
NO_STAR = "☆"
STAR_TIP = "Mark this score with a star, or take the star away. Scores with a star come first in the list."


class ScoreSearch(QWidget):
    """Type to find, arrow keys to look through, Enter to stay; a list of names is looked through in its own order.

    Parameters
    ----------
    settings
        Where favourites and recent scores are kept; none: for this session alone.

    Signals
    -------
    score_chosen(object)
        The :class:`Score` to show; sent while the arrow keys move, too.
    variable_wanted()
        The list is open: what varies most on this slide should be told by :meth:`set_variable`.
    """

    score_chosen = Signal(object)
    variable_wanted = Signal()

    def __init__(self, settings: Settings | None = None, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.shelf = Shelf(settings or Settings(parent=self))
        self._catalogue = Catalogue()
        self._found: Sequence[Found] = ()
        self._current: Score | None = None
        self._variable: Sequence[Score] | None = None
        self._grouped = False
        self._stayed = QTimer(self)
        self._stayed.setSingleShot(True)
        self._stayed.setInterval(STAYED_MS)
        self._stayed.timeout.connect(self._on_stayed)

        self._make_line()
        self._make_list()
        self.drop_down = QToolButton()
        self.drop_down.setText("▾")
        self.drop_down.setAccessibleName("List of scores")
        self.drop_down.setToolTip("Scores with a star, recent ones, and those that vary most on this slide.")
        self.drop_down.clicked.connect(self.open_list)
        self.star = QToolButton()
        self.star.setText(NO_STAR)
        self.star.setCheckable(True)
        self.star.setAccessibleName("Favourite")
        self.star.setToolTip(STAR_TIP)
        self.star.clicked.connect(self.toggle_favourite)
        for button in (self.drop_down, self.star):
            button.setObjectName("molf_small")
        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.hide()

        row = QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self._line, 1)
        row.addWidget(self.drop_down)
        row.addWidget(self.star)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self._note)
        self.setFocusProxy(self._line)

    def _make_line(self) -> None:
        self._line = SearchLine()
        self._line.setPlaceholderText("search gene or Hallmark")
        self._line.setClearButtonEnabled(True)
        self._line.setAccessibleName("Gene or Hallmark to show")
        self._line.setToolTip(
            "Part of a gene's symbol, another name of it, or part of a Hallmark's name. Up and Down change the map at once.\n"
            "Empty, Down opens the list. Paste names to look through them alone."
        )
        self._line.textEdited.connect(self._on_typed)
        self._line.returnPressed.connect(self._on_return)
        self._line.editingFinished.connect(self._on_left)
        self._line.step.connect(self.step)
        self._line.list_wanted.connect(self.open_list)
        self._line.pasted.connect(self._on_pasted)

    def _make_list(self) -> None:
        self._model = ScoreList()
        self._completer = QCompleter(self._model, self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setCompletionRole(Qt.ItemDataRole.EditRole)
        self._completer.setMaxVisibleItems(14)
        self._completer.setWidget(self._line)
        popup = self._completer.popup()
        assert popup is not None
        self._popup = popup
        popup.setAccessibleName("Genes and Hallmarks found")
        popup.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._delegate = RowDelegate(self)
        popup.setItemDelegate(self._delegate)
        if hasattr(popup, "setUniformItemSizes"):
            popup.setUniformItemSizes(True)
        # After the completer's own filter, so before it: headings are passed by, and the ends are ends.
        popup.installEventFilter(self)
        self._completer.activated[QModelIndex].connect(self._on_activated)

    @property
    def current(self) -> Score | None:
        """The score that is shown."""
        return self._current

    @property
    def note(self) -> str:
        """What is said about it."""
        return self._note.text()

    # -- what can be found -----------------------------------------------------------------------------------

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """What can be found."""
        self.set_catalogue(Catalogue(entries))
        self._popup.hide()

    def set_catalogue(self, catalogue: Catalogue) -> None:
        """What can be found, by other names too."""
        self._catalogue = catalogue
        self._found = catalogue.find("")
        self._variable = None
        self._grouped = False

    def set_variable(self, scores: Sequence[Score]) -> None:
        """What varies most on this slide."""
        self._variable = scores
        if self._grouped and self._popup.isVisible():
            self._show_groups()

    def forget_variable(self) -> None:
        """What varies most is another thing now."""
        self._variable = None

    def set_current(self, score: Score) -> None:
        """Show a score's name without speaking."""
        if self._current is not None and score != self._current:
            self.shelf.leave(self._current)
        self._take(score)

    def _take(self, score: Score) -> None:
        self._current = score
        with QSignalBlocker(self._line):
            self._line.setText(score.name)
        if self._line.hasFocus():
            self._line.select_from_end()
        else:
            self._line.setCursorPosition(0)
        entry = self._catalogue.entry(score)
        self._say("" if entry is None else f"⚠ {entry.doubt}" if entry.doubt else entry.note)
        self._show_star()

    def set_list_style(self, style: str) -> None:
        """Style the list of what was found."""
        self._popup.setStyleSheet(style)

    def select_text(self) -> None:
        """Take the focus, ready for typing."""
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)
        self._line.select_from_end()

    # -- moving about ----------------------------------------------------------------------------------------

    def step(self, by: int) -> None:
        """Show the next or the previous of what was found; the ends are ends."""
        scores = [found.entry.score for found in self._found]
        if scores:
            at = scores.index(self._current) + by if self._current in scores else 0
            self._choose(scores[min(max(at, 0), len(scores) - 1)])

    def back(self) -> None:
        """Show the score that was shown before."""
        score = self.shelf.back()
        while score is not None and self._catalogue.entry(score) is None:
            score = self.shelf.back()
        if score is not None:
            self._take(score)
            self._stayed.start()
            self.score_chosen.emit(score)

    def favourites(self) -> list[Score]:
        """Scores with a star that this prediction offers, the latest first."""
        return [found.entry.score for found in self._catalogue.of_keys(self.shelf.favourites)]

    def toggle_favourite(self) -> None:
        """Give the score that is shown a star, or take it."""
        if self._current is not None:
            self.shelf.toggle(self._current)
        self._show_star()

    def open_list(self) -> None:
        """Show scores with a star, recent ones, and those that vary most here."""
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)
        self._show_groups()
        if self._variable is None:
            self.variable_wanted.emit()

    # -- the list --------------------------------------------------------------------------------------------

    def _show_groups(self) -> None:
        rows: list[Row] = []
        catalogue, shelf = self._catalogue, self.shelf
        for title, keys in (("Favourites", shelf.favourites), ("Recent", shelf.recent)):
            if found := catalogue.of_keys(keys):
                rows += [Heading(title), *found]
        variable = [Found(entry) for score in self._variable or () if (entry := catalogue.entry(score)) is not None]
        rows.append(
            Heading("Most variable here" if self._variable is not None else "Most variable here: looking…", MEASURE)
        )
        rows += variable
        self._found = list(dict.fromkeys(row for row in rows if isinstance(row, Found)))
        self._show_rows(rows, grouped=True)

    def _show_rows(self, rows: Sequence[Row], *, grouped: bool) -> None:
        self._grouped = grouped
        starred = {found.entry.score for found in self._catalogue.of_keys(self.shelf.favourites)}
        self._model.show_rows(rows, starred)
        popup = self._popup
        if not rows:
            popup.hide()
            return
        self._completer.complete()
        # Wide enough for the longest name, beyond a narrow dock.
        metrics = popup.fontMetrics()
        longest = max(metrics.horizontalAdvance(self._model.text(row)) for row in self._model.longest(5))
        popup.resize(max(popup.width(), min(longest + 60, WIDEST)), popup.height())
        self._keep_on_screen()

    def _keep_on_screen(self) -> None:
        popup, display = self._popup, self.screen()
        if display is None:
            return
        screen = display.availableGeometry()
        if popup.geometry().right() > screen.right():
            popup.move(screen.right() - popup.width(), popup.y())

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Let the arrow keys pass headings by, and Enter take a row of the list only if somebody went there."""
        if watched is not self._popup or not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return super().eventFilter(watched, event)
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        key = event.key()
        if key in steps:
            self._step_in_list(steps[Qt.Key(key)])
            return True
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._row_in_list() < 0:
            self._popup.hide()
            self._on_return()
            return True
        return super().eventFilter(watched, event)

    def _row_in_list(self) -> int:
        """The row that was gone to; -1: none.  A list that takes the focus has a current row that nobody has chosen."""
        current, selection = self._popup.currentIndex(), self._popup.selectionModel()
        return current.row() if selection is not None and selection.isSelected(current) else -1

    def _step_in_list(self, by: int) -> None:
        at = self._row_in_list()
        row = self._model.step(at, by)
        model = self._popup.model()
        if row != at and model is not None:
            index = model.index(row, 0)
            self._popup.setCurrentIndex(index)
            self._on_index(index)

    # -- what the user does ----------------------------------------------------------------------------------

    def _on_typed(self, text: str) -> None:
        if self._take_list(text):
            return
        self._found = self._catalogue.find(text) if text.strip() else ()
        self._show_rows(self._found, grouped=False)
        if text.strip() and all(found.near for found in self._found):
            alike = " Down shows those that begin alike." if self._found else ""
            self._say(f"No gene of this model and no Hallmark is called “{text.strip()}”.{alike}")

    def _on_pasted(self, text: str) -> None:
        if not self._take_list(text):
            self._line.setText(text.strip())
            self._on_typed(self._line.text())

    def _take_list(self, text: str) -> bool:
        named = self._catalogue.named(text)
        if named is None:
            return False
        self._found = named.found
        with QSignalBlocker(self._line):
            self._line.setText(", ".join(found.entry.score.name for found in named.found))
        self._show_rows(self._found, grouped=False)
        total = len(named.found) + len(named.unknown)
        unknown = f" Not among those of this model: {', '.join(named.unknown)}." if named.unknown else ""
        self._say(f"{len(named.found)} of {total} names found; Up and Down look through them.{unknown}")
        return True

    def _on_index(self, index: QModelIndex) -> None:
        score = index.data(SCORE_ROLE)
        if score is not None:
            self._choose(score)

    def _on_activated(self, index: QModelIndex) -> None:
        self._on_index(index)
        self._on_stayed()
        self._line.select_from_end()

    def _on_return(self) -> None:
        text = self._line.text()
        if text.strip() and (self._current is None or text != self._current.name):
            # Another gene than the one that was typed is not shown unasked.
            if not self._found or self._found[0].near:
                return
            self._choose(self._found[0].entry.score)
        self._popup.hide()
        self._on_stayed()
        self._on_left()
        self._line.select_from_end()

    def _on_left(self) -> None:
        """What was typed and not chosen gives way to the name of what is shown."""
        typing = self._popup.isVisible() or (self._line.hasFocus() and bool(self._line.text()))
        if self._current is not None and not typing and self._line.text() != self._current.name:
            self._take(self._current)

    def _on_stayed(self) -> None:
        self._stayed.stop()
        if self._current is not None:
            self.shelf.looked_at(self._current)

    def _choose(self, score: Score) -> None:
        changed = score != self._current
        self.set_current(score)
        if changed:
            self._stayed.start()
            self.score_chosen.emit(score)

    def _say(self, text: str) -> None:
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def _show_star(self) -> None:
        starred = self._current is not None and self.shelf.is_favourite(self._current)
        self.star.setChecked(starred)
        self.star.setText(STAR if starred else NO_STAR)
        self.star.setAccessibleName("Favourite, marked" if starred else "Favourite, not marked")

"""One search box for genes and Hallmark programmes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QModelIndex, QSignalBlocker, Qt, QTimer, Signal
from qtpy.QtGui import QFocusEvent, QKeyEvent, QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QCompleter, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_molf.core.scores import Score

SCORE_ROLE = int(Qt.ItemDataRole.UserRole) + 1


@dataclass(frozen=True)
class Entry:
    """A score that can be found, and what there is to doubt about it."""

    score: Score
    doubt: str | None = None
    note: str = ""


def find(query: str, entries: Sequence[Entry]) -> list[Entry]:
    """Entries whose name contains the query, case and spaces aside; those that begin with it come first, programmes before genes.

    Behind them come names that begin with all of the query but its last letter: the name may go on otherwise than one remembers.
    """
    wanted = query.strip().upper().replace(" ", "_").removeprefix("HALLMARK_")
    near = wanted[:-1] if len(wanted) > 2 else wanted

    def order(entry: Entry) -> tuple[bool, bool, bool, bool, str]:
        name = entry.score.name.upper()
        return (wanted not in name, name != wanted, not name.startswith(wanted), entry.score.kind == "gene", name)

    found = [e for e in entries if wanted in e.score.name.upper() or e.score.name.upper().startswith(near)]
    return sorted(found, key=order)


class _Line(QLineEdit):
    """A line whose arrow keys step through what was found, with or without the list being open."""

    step = Signal(int)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        if event is not None and event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            self.step.emit(-1 if event.key() == Qt.Key.Key_Up else 1)
            return
        super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent | None) -> None:
        super().focusInEvent(event)
        # Typing replaces the name that is shown.  Later, since a click would put its cursor into the name first.
        QTimer.singleShot(0, self.select_from_end)

    def select_from_end(self) -> None:
        """Select everything and leave the cursor at the start, so that the start of a long name is what is seen."""
        self.setSelection(len(self.text()), -len(self.text()))


class ScoreSearch(QWidget):
    """Type to find, arrow keys to look through, Enter to stay.

    Signals
    -------
    score_chosen(object)
        The :class:`Score` to show; sent while the arrow keys move, too.
    """

    score_chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries: list[Entry] = []
        self._found: list[Entry] = []
        self._current: Score | None = None

        self._line = _Line()
        self._line.setPlaceholderText("search gene or Hallmark")
        self._line.setClearButtonEnabled(True)
        self._line.setAccessibleName("Gene or Hallmark to show")
        self._line.setToolTip("Part of a gene symbol or of a Hallmark's name. Up and Down change the map at once.")
        self._line.textEdited.connect(self._on_typed)
        self._line.returnPressed.connect(self._on_return)
        self._line.step.connect(self._on_step)

        self._model = QStandardItemModel(self)
        self._completer = QCompleter(self._model, self)
        self._completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        self._completer.setCompletionRole(Qt.ItemDataRole.EditRole)
        self._completer.setMaxVisibleItems(12)
        self._completer.setWidget(self._line)
        popup = self._completer.popup()
        assert popup is not None
        self._popup = popup
        popup.setAccessibleName("Genes and Hallmarks found")
        popup.setTextElideMode(Qt.TextElideMode.ElideRight)
        self._completer.highlighted[QModelIndex].connect(self._on_index)
        self._completer.activated[QModelIndex].connect(self._on_activated)

        self._note = QLabel()
        self._note.setWordWrap(True)
        self._note.hide()

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self._line)
        layout.addWidget(self._note)
        self.setFocusProxy(self._line)

    @property
    def current(self) -> Score | None:
        """The score that is shown."""
        return self._current

    @property
    def note(self) -> str:
        """What is said about it."""
        return self._note.text()

    def set_entries(self, entries: Sequence[Entry]) -> None:
        """What can be found; kept in the order in which the arrow keys go through it."""
        self._entries = find("", entries)
        self._found = self._entries
        self._popup.hide()
        self._model.clear()

    def set_current(self, score: Score) -> None:
        """Show a score's name without speaking."""
        self._current = score
        with QSignalBlocker(self._line):
            self._line.setText(score.name)
        if self._line.hasFocus():
            self._line.select_from_end()
        else:
            self._line.setCursorPosition(0)
        entry = next((e for e in self._entries if e.score == score), None)
        text = "" if entry is None else f"⚠ {entry.doubt}" if entry.doubt else entry.note
        self._note.setText(text)
        self._note.setVisible(bool(text))

    def set_list_style(self, style: str) -> None:
        """Style the list of what was found."""
        self._popup.setStyleSheet(style)

    def select_text(self) -> None:
        """Take the focus, ready for typing."""
        self._line.setFocus(Qt.FocusReason.OtherFocusReason)
        self._line.select_from_end()

    def _on_typed(self, text: str) -> None:
        self._found = find(text, self._entries)
        self._model.clear()
        for entry in self._found:
            item = QStandardItem(entry.score.name)
            if entry.doubt:
                item.setText(f"{entry.score.name}   ⚠ {entry.doubt}")
            item.setData(entry.score, SCORE_ROLE)
            item.setEditable(False)
            self._model.appendRow(item)
        popup = self._popup
        if not text or not self._found:
            popup.hide()
            if text:
                self._note.setText(f"No gene of this model and no Hallmark contains “{text.strip()}”.")
                self._note.show()
            return
        self._completer.complete()
        # Wide enough for the longest Hallmark, beyond a narrow dock.
        hint = popup.sizeHintForColumn(0) + 32
        popup.resize(max(popup.width(), min(hint, 460)), popup.height())
        self._keep_on_screen()

    def _keep_on_screen(self) -> None:
        popup, display = self._popup, self.screen()
        if display is None:
            return
        screen = display.availableGeometry()
        if popup.geometry().right() > screen.right():
            popup.move(screen.right() - popup.width(), popup.y())

    def _on_index(self, index: QModelIndex) -> None:
        score = index.data(SCORE_ROLE)
        if score is not None:
            self._choose(score)

    def _on_activated(self, index: QModelIndex) -> None:
        self._on_index(index)
        self._line.select_from_end()

    def _on_return(self) -> None:
        text = self._line.text()
        if self._found and (self._current is None or text != self._current.name):
            self._choose(self._found[0].score)
        self._popup.hide()
        self._line.select_from_end()

    def _on_step(self, by: int) -> None:
        if not self._found:
            return
        names = [entry.score for entry in self._found]
        at = names.index(self._current) + by if self._current in names else 0
        self._choose(names[min(max(at, 0), len(names) - 1)])

    def _choose(self, score: Score) -> None:
        if score != self._current:
            self.set_current(score)
            self.score_chosen.emit(score)
        else:
            self.set_current(score)

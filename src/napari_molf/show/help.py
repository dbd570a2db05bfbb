"""The question mark at the head of the dock, and the page that it opens."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QToolButton, QVBoxLayout, QWidget

from napari_molf.show.keys import SHORTCUTS

SIZE = (560, 640)

_DOCK_KEYS = (
    ("Tab, Shift+Tab", "next and previous control of the dock"),
    ("Up, Down in the search box", "next score; the map changes at once"),
    ("Down in the empty box, Alt+Down", "the list: favourites, recent, most variable here"),
    ("Enter in the search box", "take the first that was found"),
    ("Left, Right on Guidance", "0.1 less or more; Page Down and Page Up: 1"),
    ("Shift+M on the slide", "blink between predicted and measured"),
    ("Enter, F2 in the key of the experts", "map of that expert; give it a name"),
    ("F2 in the list of regions", "another name or class"),
    ("Delete in the list of Compare", "take the score out"),
    ("Ctrl+wheel in the gallery", "larger or smaller patches"),
)


def _table() -> str:
    rows = [(f"{shortcut.text}", shortcut.what) for shortcut in SHORTCUTS]
    lines = "".join(f"<tr><td><b>{key}</b></td><td>{what}</td></tr>" for key, what in (*rows, *_DOCK_KEYS))
    return f'<table cellspacing="6">{lines}</table>'


def help_html() -> str:
    """The help page, as the subset of HTML that Qt reads."""
    return f"""<h2>MoLF: gene expression from H&amp;E</h2>
<h3>How to use it</h3>
<ol>
<li>Drag a slide into the window, or choose File &gt; Open Sample &gt; MoLF.</li>
<li>Press Predict. Check the um per pixel first: where it was guessed, the dock says so.</li>
<li>Type a gene, another name of it (HER2 finds ERBB2) or a Hallmark. Paste a list of names to look through them alone.</li>
<li>Pull Guidance: higher gives a crisper pattern and less realistic values. The mark is the scale that was chosen on held-out tissue.</li>
</ol>
<h3>Keys</h3>
<p>The letters work while the slide has the focus: click it first.</p>
{_table()}
<h3>What the colours mean</h3>
<p>Dark is low, yellow is high. Where there is no colour, nothing was predicted. The limits are those of this slide: they stay while the
guidance changes, and are new for another score, so never compare colours between two slides or two scores without their keys.</p>
<p>A gene's unit is the log of its counts, or of its share of all counts where <i>relative to local total</i> is chosen. Dense tissue has
more of everything; relative to the total, a map shows what the tissue is made of. A Hallmark's unit is the standard deviation of the
training spots, counted from their mean.</p>
<h3>What not to conclude</h3>
<ul>
<li>A prediction is not a measurement. It says what tissue that looks like this tended to express in the training slides.</li>
<li>A sign ⚠ beside a gene means that its map was poor on held-out tissue, was never tested there, or that the gene was not
measured in training. A sharp pattern is no proof.</li>
<li>A held-out PCC of 0.3 leaves nine tenths of the variation unexplained.</li>
<li>Patches that look unlike the training slides are counted at the foot of the dock; their values are guesses.</li>
<li>Never use it to diagnose or to choose a treatment. Research use only.</li>
</ul>"""


class HelpPage(QDialog):
    """The help page in a window of its own; Esc closes it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("MoLF: help")
        self.resize(*SIZE)
        self.text = QTextBrowser()
        self.text.setHtml(help_html())
        self.text.setAccessibleName("Help")
        self.text.setToolTip("Arrow keys and Page Down scroll, Esc closes.")
        self.text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        close = buttons.button(QDialogButtonBox.StandardButton.Close)
        assert close is not None
        close.setToolTip("Back to the slide (Esc)")
        layout = QVBoxLayout(self)
        layout.addWidget(self.text, 1)
        layout.addWidget(buttons)
        self.text.setFocus()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Close with Esc, and keep every other key from the slide behind."""
        super().keyPressEvent(event)
        if event is not None:
            event.accept()


class HelpButton(QToolButton):
    """Opens the help page, or brings it to the front."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.page: HelpPage | None = None
        self.setObjectName("molf_help")
        self.setText("?")
        self.setAccessibleName("Help")
        self.setToolTip("How to use this panel, keys, and what the colours mean")
        self.clicked.connect(self._on_clicked)

    def _on_clicked(self) -> None:
        if self.page is None:
            self.page = HelpPage(self)
        self.page.show()
        self.page.raise_()
        self.page.activateWindow()
